/**
 * The content encoding: one counted, length-prefixed encoding of a whole block, and its hash (spec, section 8). The block's own
 * hash does not say where one output, transaction or address ends; this does. Blocks are stored as these bytes.
 *
 * All integers are big-endian:
 *
 *     block       = version (u8, 1) ‖ index (u32) ‖ timestamp (u64) ‖ bytes(hash) ‖ bytes(prev_block_hash) ‖ nonce (u64)
 *                   ‖ count (u32) ‖ transactions
 *     transaction = count (u32) ‖ inputs ‖ count (u32) ‖ outputs
 *     output      = bytes(to_addr, UTF-8) ‖ value (IEEE double) ‖ timestamp (u64)
 *     bytes(x)    = length (u32) ‖ x
 */

import { isUtf8 } from 'node:buffer';
import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { sha256, writeU64 } from './bytes.js';

const VERSION = 1;

/** A block's content encoding. The block's timestamps must fit 64 bits, as those of an accepted block do. */
export function encodeContent(block: Block): Buffer {
  const bytes = Buffer.allocUnsafe(contentLength(block));
  let at = bytes.writeUInt8(VERSION, 0);
  at = bytes.writeUInt32BE(block.index, at);
  at = writeU64(bytes, block.timestamp, at, false);
  at = writeBytes(bytes, block.hash, at);
  at = writeBytes(bytes, block.prevBlockHash, at);
  at = writeU64(bytes, block.nonce, at, false);
  at = bytes.writeUInt32BE(block.transactions.length, at);
  for (const transaction of block.transactions) {
    at = writeOutputs(bytes, transaction.inputs, at);
    at = writeOutputs(bytes, transaction.outputs, at);
  }
  return bytes;
}

/** The content hash: SHA-256 of the content encoding, 32 bytes. */
export function contentHash(encoded: Uint8Array): Buffer {
  return sha256(encoded);
}

/** Reads a content encoding back. Throws a RangeError where the bytes are not exactly one. */
export function decodeContent(bytes: Buffer): Block {
  const reader = new ContentReader(bytes);
  if (reader.u8() !== VERSION) throw new RangeError('content encoding: unknown version');
  const index = reader.u32();
  const timestamp = reader.u64();
  const hash = reader.bytes();
  const prevBlockHash = reader.bytes();
  const nonce = reader.u64();
  const transactions = reader.list((): Transaction => ({ inputs: reader.outputs(), outputs: reader.outputs() }));
  reader.end();
  return { index, timestamp, hash, prevBlockHash, nonce, transactions };
}

class ContentReader {
  private at = 0;
  constructor(private readonly source: Buffer) {}

  u8(): number {
    return this.source.readUInt8(this.take(1));
  }

  u32(): number {
    return this.source.readUInt32BE(this.take(4));
  }

  u64(): bigint {
    return this.source.readBigUInt64BE(this.take(8));
  }

  double(): number {
    return this.source.readDoubleBE(this.take(8));
  }

  bytes(): Buffer {
    const length = this.u32();
    const from = this.take(length);
    return this.source.subarray(from, from + length);
  }

  text(): string {
    const bytes = this.bytes();
    if (!isUtf8(bytes)) throw new RangeError('content encoding: an address is not UTF-8');
    return bytes.toString();
  }

  list<T>(item: () => T): T[] {
    const count = this.u32();
    // Every item takes at least eight bytes: a count that cannot be true is refused before anything is allocated for it.
    if (count > (this.source.length - this.at) / 8) throw new RangeError('content encoding: count is too large');
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }

  outputs(): Output[] {
    return this.list(() => ({ toAddr: this.text(), value: this.double(), timestamp: this.u64() }));
  }

  end(): void {
    if (this.at !== this.source.length) throw new RangeError('content encoding: bytes after the end');
  }

  private take(length: number): number {
    const from = this.at;
    if (length > this.source.length - from) throw new RangeError('content encoding: cut short');
    this.at += length;
    return from;
  }
}

function contentLength(block: Block): number {
  let length = 1 + 4 + 8 + 4 + block.hash.length + 4 + block.prevBlockHash.length + 8 + 4;
  for (const { inputs, outputs } of block.transactions) {
    length += 8;
    for (const input of inputs) length += 4 + Buffer.byteLength(input.toAddr) + 16;
    for (const output of outputs) length += 4 + Buffer.byteLength(output.toAddr) + 16;
  }
  return length;
}

function writeBytes(bytes: Buffer, value: Uint8Array, at: number): number {
  at = bytes.writeUInt32BE(value.length, at);
  bytes.set(value, at);
  return at + value.length;
}

function writeOutputs(bytes: Buffer, outputs: readonly Output[], at: number): number {
  at = bytes.writeUInt32BE(outputs.length, at);
  for (const output of outputs) {
    const length = bytes.write(output.toAddr, at + 4);
    bytes.writeUInt32BE(length, at);
    at = bytes.writeDoubleBE(output.value, at + 4 + length);
    at = writeU64(bytes, output.timestamp, at, false);
  }
  return at;
}
