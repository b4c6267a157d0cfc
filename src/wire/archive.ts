/** A chain as a file (proto/hourcoin/v1/archive.proto): a header and blocks, each message with its length before it and a seal in it. */

import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { ArchivedBlock, ArchiveHeader } from '../../gen/hourcoin/v1/archive.js';
import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { MAX_U32, sha256, u128LittleEndian } from '../engine/bytes.js';
import { contentHash, encodeContent } from '../engine/content.js';
import { formatDifficulty, parseDifficulty } from '../engine/difficulty.js';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { ChainParameters, StoredBlock } from '../engine/state.js';
import { checkSubmission } from './checks.js';
import { BLOCK, decode, type Shape } from './protobuf.js';

/** What is written, and the only format that is read. */
const FORMAT = 1;

/** The texts and messages of the file's messages. A test holds them against the schema. */
export const ARCHIVE_SHAPES = {
  ArchiveHeader: { 2: 'text' },
  ArchivedBlock: { 1: { 1: BLOCK, 2: 'text', 6: 'text' } },
} as const satisfies Readonly<Record<string, Shape>>;

/** What a file holds. */
export interface ArchiveContents {
  readonly parameters: ChainParameters;
  readonly clockSpeed: number;
  /** The index of its first block. */
  readonly firstIndex: number;
  readonly blockCount: number;
}

/** A file that is not whole, or not what was written. The message says where. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

/** Makes a file's bytes, a piece after the other. */
export class ArchiveWriter {
  private seal: Buffer;

  constructor(private readonly contents: ArchiveContents) {
    this.seal = headerSeal(contents);
  }

  /** What the file begins with. */
  header(): Uint8Array {
    const { parameters, clockSpeed, firstIndex, blockCount } = this.contents;
    const { difficulty, timescale, firstRoundStart } = parameters;
    const header = { difficulty: formatDifficulty(difficulty), timescale, firstRoundStart, clockSpeed, firstIndex };
    return delimited(ArchiveHeader.encode({ format: FORMAT, ...header, blockCount, seal: this.seal }).finish());
  }

  /** The next block. */
  block(accepted: StoredBlock): Uint8Array {
    this.seal = blockSeal(this.seal, accepted);
    return delimited(ArchivedBlock.encode({ block: accepted, seal: this.seal }).finish());
  }
}

/** Takes a file's bytes as they come, in whatever pieces, and gives its blocks. What it throws is an ArchiveError. */
export class ArchiveReader {
  /** What the file holds, once that is read. */
  contents: ArchiveContents | undefined;
  private bytes: Buffer = Buffer.alloc(0);
  /** Where in the file `bytes` begin. */
  private offset = 0;
  private blocks = 0;
  private seal: Buffer = Buffer.alloc(0);

  /** Adds what has come. */
  push(chunk: Buffer): void {
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
  }

  /** The next block, whole, sealed, and what its content hash says; undefined where more has to come. */
  next(): StoredBlock | undefined {
    if (this.contents === undefined) {
      const bytes = this.message();
      if (bytes === undefined) return undefined;
      this.contents = this.rightly(() => this.header(bytes));
    }
    if (this.blocks === this.contents.blockCount) {
      if (this.bytes.length > 0) throw this.error('there is something after the last block');
      return undefined;
    }
    const bytes = this.message();
    if (bytes === undefined) return undefined;
    const accepted = this.rightly(() => this.block(bytes));
    this.blocks++;
    return accepted;
  }

  /** Nothing more comes: throws where something is missing. */
  end(): void {
    if (this.contents === undefined)
      throw this.error(this.offset + this.bytes.length === 0 ? 'it is empty' : NO_EXPORT);
    const { blockCount } = this.contents;
    if (this.blocks < blockCount) throw this.error(`it is cut short: ${this.blocks} of ${blockCount} blocks are there`);
  }

  /** The bytes of the next message. They are still there until they are taken. */
  private message(): Buffer | undefined {
    const { bytes } = this;
    let length = 0;
    let at = 0;
    for (; ; at++) {
      // A length of 4 MiB takes four bytes.
      if (at === 4) throw this.error(this.contents === undefined ? NO_EXPORT : 'there is no length that could be one');
      const byte = bytes[at];
      if (byte === undefined) return undefined;
      length += (byte & 0x7f) << (7 * at);
      if (byte < 0x80) break;
    }
    at++;
    if (length > LIMITS.answerBytes) {
      throw this.error(this.contents === undefined ? NO_EXPORT : `a message of ${length} bytes is too long`);
    }
    return length > bytes.length - at ? undefined : bytes.subarray(at, at + length);
  }

  /** Reads a message: a fault in it is one of the file. */
  private rightly<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof Fault) throw this.error(this.contents === undefined ? NO_EXPORT : error.message);
      throw error;
    }
  }

  /** What was read of the file, up to the end of a message, is no longer kept. */
  private take(message: Buffer): void {
    const length = message.byteOffset + message.length - this.bytes.byteOffset;
    this.bytes = this.bytes.subarray(length);
    this.offset += length;
  }

  private header(bytes: Buffer): ArchiveContents {
    const header = decode(bytes, ArchiveHeader, ARCHIVE_SHAPES.ArchiveHeader);
    const { format, timescale, firstRoundStart, clockSpeed, firstIndex, blockCount } = header;
    const difficulty = parseDifficulty(header.difficulty);
    if (format === 0 || difficulty === undefined) throw this.error(NO_EXPORT);
    if (format !== FORMAT) {
      throw this.error(`it has format ${format}, this version reads format ${FORMAT}: use a newer version of hourcoin`);
    }
    const contents = { parameters: { difficulty, timescale, firstRoundStart }, clockSpeed, firstIndex, blockCount };
    this.seal = headerSeal(contents);
    if (!this.seal.equals(header.seal)) throw this.error('its header is not what was written');
    const isKnown = timescale === Timescale.TAI || timescale === Timescale.UTC;
    if (!isKnown || !(clockSpeed > 0 && clockSpeed <= 1_000_000) || firstIndex + blockCount > MAX_U32) {
      throw this.error('its header is of no chain that could be');
    }
    this.take(bytes);
    return contents;
  }

  private block(bytes: Buffer): StoredBlock {
    const { block: accepted, seal } = decode(bytes, ArchivedBlock, ARCHIVE_SHAPES.ArchivedBlock);
    if (!isWhole(accepted)) throw this.error('there is no block');
    const { block, minerId } = accepted;
    checkSubmission(minerId, block);
    const due = (this.contents?.firstIndex ?? 0) + this.blocks;
    if (block.index !== due) throw this.error(`it has index ${block.index}`);
    if (!contentHash(encodeContent(block)).equals(accepted.contentHash)) {
      throw this.error('it is not what its content hash says');
    }
    const difficulty = parseDifficulty(accepted.difficulty);
    // The seal is of the number: it is written in one way only.
    if (difficulty === undefined || formatDifficulty(difficulty) !== accepted.difficulty) {
      throw this.error('its difficulty is none');
    }
    this.seal = blockSeal(this.seal, accepted);
    if (!this.seal.equals(seal)) throw this.error('it is not what its seal says');
    this.take(bytes);
    return accepted;
  }

  private error(what: string): ArchiveError {
    if (this.contents === undefined) return new ArchiveError(what);
    const { firstIndex, blockCount } = this.contents;
    const place = this.blocks === blockCount ? '' : `block #${firstIndex + this.blocks}, `;
    return new ArchiveError(`${place}byte ${this.offset}: ${what}`);
  }
}

const NO_EXPORT = 'it is no chain that hourcoin export has written';

/** What protobuf lets be absent is there. */
function isWhole(accepted: AcceptedBlock | undefined): accepted is StoredBlock {
  return accepted?.block !== undefined;
}

function delimited(message: Uint8Array): Uint8Array {
  return new BinaryWriter().bytes(message).finish();
}

function headerSeal({ parameters, clockSpeed, firstIndex, blockCount }: ArchiveContents): Buffer {
  const bytes = Buffer.alloc(16 + 4 + 16 + 1 + 8 + 8 + 4 + 4);
  bytes.write('hourcoin archive', 'ascii');
  bytes.writeUInt32BE(FORMAT, 16);
  bytes.set(u128LittleEndian(parameters.difficulty).reverse(), 20);
  // A number that protobuf takes for a timescale may be any: it is held against the known ones afterwards.
  bytes.writeUInt8(parameters.timescale & 0xff, 36);
  bytes.writeBigUInt64BE(parameters.firstRoundStart, 37);
  bytes.writeDoubleBE(clockSpeed, 45);
  bytes.writeUInt32BE(firstIndex, 53);
  bytes.writeUInt32BE(blockCount, 57);
  return sha256(bytes);
}

function blockSeal(before: Buffer, accepted: AcceptedBlock): Buffer {
  const { contentHash, acceptedAt, round, tonce, difficulty, minerId } = accepted;
  const fixed = Buffer.alloc(8 + 8 + 4 + 16);
  fixed.writeBigUInt64BE(acceptedAt, 0);
  fixed.writeBigUInt64BE(round, 8);
  fixed.writeUInt32BE(tonce, 16);
  fixed.set(u128LittleEndian(parseDifficulty(difficulty) ?? 0n).reverse(), 20);
  return sha256(Buffer.concat([before, contentHash, fixed, Buffer.from(minerId)]));
}
