/** Bytes and hashes (spec, section 4). All hashes are SHA-256. */

import { hash as digest } from 'node:crypto';
import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';

/** The length of a hash, and of a tip's name. */
export const HASH_BYTES = 32;

/** What the first block names as the block before it. */
export const NO_HASH: Buffer = Buffer.alloc(HASH_BYTES);

/** The largest number of 32 bits: of an index. */
export const MAX_U32 = 0xffff_ffff;

/** The largest number of 64 bits. */
export const MAX_U64 = 0xffff_ffff_ffff_ffffn;

/** The largest number of 128 bits. */
export const MAX_U128 = (1n << 128n) - 1n;

/** index, timestamp and nonce around prev_block_hash. */
const FIXED_BLOCK_BYTES = 4 + 16 + 8;

/** An output's value and timestamp. */
const FIXED_OUTPUT_BYTES = 8 + 16;

/** SHA-256 of some bytes: 32 bytes. */
export function sha256(bytes: Uint8Array): Buffer {
  // By way of a string of bytes: asked for a buffer, node takes twice as long.
  return Buffer.from(digest('sha256', bytes, 'binary'), 'binary');
}

/** 0 to 2^128 − 1 as 16 little-endian bytes. */
export function u128LittleEndian(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  writeU128(bytes, value, 0, true);
  return bytes;
}

/** An output's bytes: to_addr (UTF-8) ‖ value (IEEE double, big-endian, 8) ‖ timestamp (u128, big-endian, 16). */
export function outputBytes(output: Output): Buffer {
  const bytes = Buffer.allocUnsafe(outputLength(output));
  writeOutput(bytes, output, 0);
  return bytes;
}

/** The name of an unspent output: SHA-256 of the output's bytes. */
export function outputId(output: Output): Buffer {
  return sha256(outputBytes(output));
}

/** A transaction's bytes: those of every input, then of every output, with no counts or separators. */
export function transactionBytes(transaction: Transaction): Buffer {
  const bytes = Buffer.allocUnsafe(transactionLength(transaction));
  writeTransaction(bytes, transaction, 0);
  return bytes;
}

/**
 * A block's bytes: index (u32, little-endian, 4) ‖ timestamp (u128, little-endian, 16) ‖ prev_block_hash, of whatever length ‖
 * nonce (u64, little-endian, 8) ‖ every transaction's bytes. The claimed hash is not among them.
 */
export function blockBytes(block: Block): Buffer {
  let length = FIXED_BLOCK_BYTES + block.prevBlockHash.length;
  for (const transaction of block.transactions) length += transactionLength(transaction);
  const bytes = Buffer.allocUnsafe(length);
  let at = bytes.writeUInt32LE(block.index, 0);
  at = writeU128(bytes, block.timestamp, at, true);
  bytes.set(block.prevBlockHash, at);
  at += block.prevBlockHash.length;
  at = writeU64(bytes, block.nonce, at, true);
  for (const transaction of block.transactions) at = writeTransaction(bytes, transaction, at);
  return bytes;
}

/** Where the nonce stands in a block's bytes. */
export function nonceOffset(block: Pick<Block, 'prevBlockHash'>): number {
  return 4 + 16 + block.prevBlockHash.length;
}

/** A block's hash: SHA-256 of its bytes. */
export function blockHash(block: Block): Buffer {
  return sha256(blockBytes(block));
}

function outputLength(output: Output): number {
  return Buffer.byteLength(output.toAddr) + FIXED_OUTPUT_BYTES;
}

function transactionLength(transaction: Transaction): number {
  let length = 0;
  for (const input of transaction.inputs) length += outputLength(input);
  for (const output of transaction.outputs) length += outputLength(output);
  return length;
}

function writeTransaction(bytes: Buffer, transaction: Transaction, at: number): number {
  for (const input of transaction.inputs) at = writeOutput(bytes, input, at);
  for (const output of transaction.outputs) at = writeOutput(bytes, output, at);
  return at;
}

/** Writes an output's bytes at an offset, and returns the offset after them. */
export function writeOutput(bytes: Buffer, output: Output, at: number): number {
  at += bytes.write(output.toAddr, at);
  at = bytes.writeDoubleBE(output.value, at);
  return writeU128(bytes, output.timestamp, at, false);
}

/** Where numbers are put together: a view writes a bigint in half the time that a Buffer does. */
const u64 = new DataView(new ArrayBuffer(8));
const u64Bytes = new Uint8Array(u64.buffer);
const u128 = new DataView(new ArrayBuffer(16));
const u128Bytes = new Uint8Array(u128.buffer);

/** Writes 0 to 2^64 − 1 at an offset, and returns the offset after it. Throws a RangeError for other numbers. */
export function writeU64(bytes: Buffer, value: bigint, at: number, littleEndian: boolean): number {
  if (value < 0n || value > MAX_U64) throw new RangeError(`${value} does not fit 64 bits`);
  u64.setBigUint64(0, value, littleEndian);
  bytes.set(u64Bytes, at);
  return at + 8;
}

function writeU128(bytes: Buffer, value: bigint, at: number, littleEndian: boolean): number {
  const high = value >> 64n;
  if (high < 0n || high > MAX_U64) throw new RangeError(`${value} does not fit 128 bits`);
  u128.setBigUint64(littleEndian ? 8 : 0, high, littleEndian);
  // Of a longer number its lowest 64 bits.
  u128.setBigUint64(littleEndian ? 0 : 8, value, littleEndian);
  bytes.set(u128Bytes, at);
  return at + 16;
}
