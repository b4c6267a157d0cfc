/**
 * How a chain lies in LMDB: one table of binary keys and values. A key is a letter and what it names; a value is a payload and the CRC-32
 * of key and payload, checked when it is read. Integers are big-endian, so that keys sort by number.
 *
 *     F                           format version (u32)
 *     P                           chain parameters
 *     S                           last stamp, round, height, outputs made, attempts of the round, lockouts kept
 *     B index(u32)                block: content encoding and what the validator knew
 *     H hash(32)                  block's index (u32)
 *     O output id(32)             block that made it (u32), block that spent it (u32), place among all outputs made (u64)
 *     A sha256(address)           count (u64) and exact sum of its unspent outputs
 *     U sha256(address) place(u64)  unspent output: block that made it (u32), id (32), to_addr, value, timestamp
 *     M sha256(miner id)          blocks (u64), last one's index (u32)
 *     L end(u64) sha256(miner id)   lockout: miner id
 *     T round(u64) number(u32)    attempt, numbered as they came: miner id
 *     V at(u64) sha256(network and miner id)  submission that was judged, of the last hour: accepted (u8), miner id's length (u16), miner id, network
 *     K sha256(token)             key of a miner id: when it was made (u64), miner id
 */

import type { Output } from '../../gen/hourcoin/v1/block.js';
import type { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { sha256 } from '../engine/bytes.js';
import { contentHash, decodeContent, encodeContent } from '../engine/content.js';
import { formatDifficulty, parseDifficulty } from '../engine/difficulty.js';
import type { ChainParameters, StoredBlock } from '../engine/state.js';
import { crc32 } from './crc32.js';
import { type Balance, DamageError, type MinerRecord, type OwnedOutput, type Visit } from './store.js';

/** What the tables are called. */
export type Table = 'F' | 'P' | 'S' | 'B' | 'H' | 'O' | 'A' | 'U' | 'M' | 'L' | 'T' | 'V' | 'K';

const TABLES: Readonly<Record<Table, string>> = {
  F: 'the format',
  P: "the chain's parameters",
  S: 'the last stamp, the round and the height',
  B: 'a block',
  H: "a block's hash",
  O: 'an output',
  A: "an address's balance",
  U: "an address's unspent output",
  M: 'a miner',
  L: 'a lockout',
  T: "a miner's attempt",
  V: 'a submission of the last hour',
  K: "a miner id's key",
};

/** An output that no block has spent. */
export const NOT_SPENT = 0xffff_ffff;

/** A key of a table. */
export function key(table: Table, ...parts: readonly Buffer[]): Buffer {
  let length = 1;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(length);
  bytes[0] = table.charCodeAt(0);
  let at = 1;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The first key after all those that begin with some bytes. */
export function after(prefix: Buffer): Buffer {
  const next = Buffer.from(prefix);
  for (let at = next.length - 1; at >= 0; at--) {
    const byte = (next[at] as number) + 1;
    next[at] = byte & 0xff;
    if (byte < 0x100) return next;
  }
  throw new RangeError('no key sorts after this one');
}

/** What stands for a text of any length in a key. */
export function textKey(text: string): Buffer {
  return sha256(Buffer.from(text));
}

export function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** A payload with its checksum. */
export function seal(recordKey: Buffer, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(payload.length + 4);
  bytes.set(payload);
  bytes.writeUInt32BE(checksum(recordKey, bytes, payload.length), payload.length);
  return bytes;
}

/** The payload of a value; throws a DamageError where its checksum does not hold. */
export function unseal(recordKey: Buffer, value: Buffer): Buffer {
  const end = value.length - 4;
  if (end < 0 || checksum(recordKey, value, end) !== value.readUInt32BE(end)) {
    throw new DamageError(`record ${describe(recordKey)} is damaged`, describe(recordKey));
  }
  return value.subarray(0, end);
}

/** The checksum of a key and of a payload at the beginning of some bytes. */
function checksum(recordKey: Buffer, bytes: Buffer, payloadLength: number): number {
  return crc32(bytes, payloadLength, crc32(recordKey, recordKey.length, 0));
}

/** What kind of thing a record is, by what `describe` calls it. */
export function tableOf(record: string): string {
  return TABLES[record.slice(0, 1) as Table];
}

/** A key as an operator may read it. */
export function describe(recordKey: Buffer): string {
  return `${recordKey.toString('latin1', 0, 1)}:${recordKey.toString('hex', 1)}`;
}

export function encodeParameters(
  { difficulty, timescale, firstRoundStart }: ChainParameters,
  clockSpeed: number,
): Buffer {
  const bytes = Buffer.allocUnsafe(16 + 1 + 8 + 8);
  writeU128(bytes, difficulty, 0);
  bytes.writeUInt8(timescale, 16);
  bytes.writeBigUInt64BE(firstRoundStart, 17);
  bytes.writeDoubleBE(clockSpeed, 25);
  return bytes;
}

export function decodeParameters(bytes: Buffer): { parameters: ChainParameters; clockSpeed: number } {
  const timescale: Timescale = bytes.readUInt8(16);
  const parameters = { difficulty: readU128(bytes, 0), timescale, firstRoundStart: bytes.readBigUInt64BE(17) };
  return { parameters, clockSpeed: bytes.readDoubleBE(25) };
}

/** What changes with every commit. */
export interface Progress {
  readonly stamp: bigint;
  readonly round: bigint;
  readonly roundStart: bigint;
  readonly height: number;
  /** How many outputs were ever made: the next one's place. */
  readonly outputs: bigint;
  /** How many miners have used their attempt in the round up: that many records T of it are there. */
  readonly attempts: number;
  /** How many records L are there: lockouts in force, and those that are over and not deleted yet. */
  readonly lockouts: number;
}

/** Before a chain has begun. */
export const NO_PROGRESS: Progress = {
  stamp: 0n,
  round: 1n,
  roundStart: 0n,
  height: 0,
  outputs: 0n,
  attempts: 0,
  lockouts: 0,
};

export function encodeProgress(progress: Progress): Buffer {
  const { stamp, round, roundStart, height, outputs, attempts, lockouts } = progress;
  return Buffer.concat([
    u64(stamp),
    u64(round),
    u64(roundStart),
    u32(height),
    u64(outputs),
    u32(attempts),
    u32(lockouts),
  ]);
}

export function decodeProgress(bytes: Buffer): Progress {
  return {
    stamp: bytes.readBigUInt64BE(0),
    round: bytes.readBigUInt64BE(8),
    roundStart: bytes.readBigUInt64BE(16),
    height: bytes.readUInt32BE(24),
    outputs: bytes.readBigUInt64BE(28),
    attempts: bytes.readUInt32BE(36),
    lockouts: bytes.readUInt32BE(40),
  };
}

/** acceptedAt, round, tonce, difficulty, content hash: before the texts of any length. */
const CONTENT_HASH_AT = 8 + 8 + 1 + 16;
const BLOCK_HEAD_BYTES = CONTENT_HASH_AT + 32;

export function encodeBlock(accepted: StoredBlock): Buffer {
  const head = Buffer.allocUnsafe(BLOCK_HEAD_BYTES);
  head.writeBigUInt64BE(accepted.acceptedAt, 0);
  head.writeBigUInt64BE(accepted.round, 8);
  head.writeUInt8(accepted.tonce, 16);
  writeU128(head, parseDifficulty(accepted.difficulty) as bigint, 17);
  accepted.contentHash.copy(head, CONTENT_HASH_AT);
  const minerId = Buffer.from(accepted.minerId);
  return Buffer.concat([head, u32(minerId.length), minerId, encodeContent(accepted.block)]);
}

/** A block that is what its content hash says; throws a DamageError where it is not. */
export function decodeBlock(payload: Buffer): StoredBlock {
  const content = payload.subarray(contentOffset(payload));
  const expected = payload.subarray(CONTENT_HASH_AT, BLOCK_HEAD_BYTES);
  if (!contentHash(content).equals(expected)) throw new DamageError('a block is not what its content hash says');
  return decodeBlockAsIs(payload);
}

/** A block for whoever holds it against its content hash himself. */
export function decodeBlockAsIs(payload: Buffer): StoredBlock {
  const bytes = Buffer.from(payload);
  const contentAt = contentOffset(bytes);
  return {
    block: decodeContent(bytes.subarray(contentAt)),
    minerId: bytes.toString('utf8', BLOCK_HEAD_BYTES + 4, contentAt),
    acceptedAt: bytes.readBigUInt64BE(0),
    round: bytes.readBigUInt64BE(8),
    tonce: bytes.readUInt8(16),
    difficulty: formatDifficulty(readU128(bytes, 17)),
    contentHash: bytes.subarray(CONTENT_HASH_AT, BLOCK_HEAD_BYTES),
  };
}

/** After the head and the miner id with its length. */
function contentOffset(bytes: Buffer): number {
  return BLOCK_HEAD_BYTES + 4 + bytes.readUInt32BE(BLOCK_HEAD_BYTES);
}

export function encodeMiner({ blockCount, lastBlockIndex = 0 }: MinerRecord): Buffer {
  return Buffer.concat([u64(blockCount), u32(lastBlockIndex)]);
}

export function decodeMiner(bytes: Buffer): MinerRecord {
  return { blockCount: bytes.readBigUInt64BE(0), lastBlockIndex: bytes.readUInt32BE(8) };
}

/** What is kept of an output for ever. */
export interface OutputRecord {
  readonly madeIn: number;
  /** The block that spent it, or NOT_SPENT. */
  readonly spentIn: number;
  readonly place: bigint;
}

export function encodeOutputRecord({ madeIn, spentIn, place }: OutputRecord): Buffer {
  return Buffer.concat([u32(madeIn), u32(spentIn), u64(place)]);
}

export function decodeOutputRecord(bytes: Buffer): OutputRecord {
  return { madeIn: bytes.readUInt32BE(0), spentIn: bytes.readUInt32BE(4), place: bytes.readBigUInt64BE(8) };
}

export function encodeOwned(blockIndex: number, id: Buffer, { toAddr, value, timestamp }: Output): Buffer {
  const fixed = Buffer.allocUnsafe(16);
  fixed.writeDoubleBE(value, 0);
  fixed.writeBigUInt64BE(timestamp, 8);
  return Buffer.concat([u32(blockIndex), id, fixed, Buffer.from(toAddr)]);
}

export function decodeOwned(bytes: Buffer, recordKey: Buffer): OwnedOutput {
  const output = {
    toAddr: bytes.toString('utf8', 52),
    value: bytes.readDoubleBE(36),
    timestamp: bytes.readBigUInt64BE(44),
  };
  const id = Buffer.from(bytes.subarray(4, 36));
  return { output, id, blockIndex: bytes.readUInt32BE(0), place: recordKey.readBigUInt64BE(33) };
}

/** An exact sum has up to 2,100 bits, most of them zeros at the end: those are counted, not written. */
export function encodeBalance({ units, count }: Balance): Buffer {
  let digits = units.toString(16);
  const zeros = units === 0n ? 0 : digits.length - digits.replace(/0+$/, '').length;
  digits = digits.slice(0, digits.length - zeros);
  return Buffer.concat([
    u64(count),
    u32(zeros),
    Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex'),
  ]);
}

export function decodeBalance(bytes: Buffer): Balance {
  const zeros = bytes.readUInt32BE(8);
  return { count: bytes.readBigUInt64BE(0), units: BigInt(`0x${bytes.toString('hex', 12)}`) << BigInt(4 * zeros) };
}

/** Of two from one network in one name within a millisecond the later one is accepted: it says all. */
export function visitKey({ at, network, minerId }: Visit): Buffer {
  return key('V', u64(at), textKey(`${network} ${minerId}`));
}

export function encodeVisit({ accepted, minerId, network }: Visit): Buffer {
  const head = Buffer.allocUnsafe(3);
  head.writeUInt8(Number(accepted), 0);
  head.writeUInt16BE(Buffer.byteLength(minerId), 1);
  return Buffer.concat([head, Buffer.from(minerId), Buffer.from(network)]);
}

export function decodeVisit(at: bigint, bytes: Buffer): Visit {
  const networkAt = 3 + bytes.readUInt16BE(1);
  const accepted = bytes.readUInt8(0) !== 0;
  return { at, accepted, minerId: bytes.toString('utf8', 3, networkAt), network: bytes.toString('utf8', networkAt) };
}

function writeU128(bytes: Buffer, value: bigint, at: number): void {
  bytes.writeBigUInt64BE(value >> 64n, at);
  bytes.writeBigUInt64BE(value & 0xffff_ffff_ffff_ffffn, at + 8);
}

function readU128(bytes: Buffer, at: number): bigint {
  return (bytes.readBigUInt64BE(at) << 64n) | bytes.readBigUInt64BE(at + 8);
}
