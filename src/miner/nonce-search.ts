/** Tries nonces on one thread: four at a time in WebAssembly (nonce-search.as.ts) where that can be, else one by one. Both find the same. */

import { readFileSync } from 'node:fs';
import { MAX_U32, sha256 } from '../engine/bytes.js';
import { meetsDifficulty } from '../engine/difficulty.js';

/** Tries nonces of one block. */
export interface NonceSearch {
  /** How many nonces take a few milliseconds: to be tried between two looks at whether to go on. */
  readonly batch: number;
  /** The lowest of `count` nonces from `from` on that meets the difficulty; undefined where none does. */
  find(from: bigint, count: number): bigint | undefined;
}

/** What nonce-search.as.ts exports. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly BLOCK: { readonly value: number };
  readonly MOST_CHUNKS: { readonly value: number };
  prepare(count: number): void;
  search(from: number, groups: number, most: number): number;
}

/** The part of WebAssembly that is used; Node's type declarations have none of it. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
  readonly CompileError: new () => Error;
}

/** The compiled kernel: this file runs as dist/src/miner/nonce-search.js. */
const WASM = new URL('../../../gen/nonce-search.wasm', import.meta.url);

/** SHA-256 works on chunks of this many bytes, of which the last ends with 0x80 and the length in bits at least. */
const CHUNK_BYTES = 64;
const LEAST_PADDING = 9;

/** Where the kernel has the nonce: after a previous hash of 32 bytes, as every block has that a chain takes. */
const KERNEL_NONCE_AT = 52;

/** Chunks that are hashed in two milliseconds or so. */
const KERNEL_BATCH = 2 ** 15;
const PLAIN_BATCH = 2 ** 12;

/**
 * A search of the nonces of a block, whose bytes have the nonce at an offset. The bytes are its own from then on. `kernel`: the thread's, null
 * for none.
 */
export function nonceSearch(bytes: Buffer, at: number, difficulty: bigint, kernel = loadKernel()): NonceSearch {
  const chunks = Math.ceil((bytes.length + LEAST_PADDING) / CHUNK_BYTES);
  const isMet = (nonce: bigint): boolean => {
    bytes.writeBigUInt64LE(nonce, at);
    return meetsDifficulty(sha256(bytes), difficulty);
  };
  // The longer a block is, the less there is to save: node:crypto hashes a long text as fast.
  if (kernel === null || at !== KERNEL_NONCE_AT || chunks > kernel.MOST_CHUNKS.value) {
    return { batch: batchOf(PLAIN_BATCH, chunks), find: (from, count) => firstMet(from, count, isMet) };
  }
  const find = (from: bigint, count: number): bigint | undefined => {
    // The kernel knows the low words of one high word.
    for (let left = count; left > 0; ) {
      const low = Number(BigInt.asUintN(32, from));
      const end = Math.min(low + left, MAX_U32 + 1);
      bytes.writeBigUInt64LE(from, at);
      prepare(kernel, bytes, chunks);
      for (const group of promising(kernel, low, end, difficulty)) {
        const first = Math.max(low, group);
        const nonce = firstMet(from + BigInt(first - low), Math.min(end, group + 4) - first, isMet);
        if (nonce !== undefined) return nonce;
      }
      from += BigInt(end - low);
      left -= end - low;
    }
    return undefined;
  };
  return { batch: batchOf(KERNEL_BATCH, chunks), find };
}

/** The nonces from `from` to `last` in batches: the first nonce of each, and how many it has. */
export function* batches(
  { batch }: NonceSearch,
  from: bigint,
  last: bigint,
): Generator<readonly [bigint, number], void> {
  while (from <= last) {
    const count = Math.min(batch, Number(last - from) + 1);
    yield [from, count];
    from += BigInt(count);
  }
}

/** The groups of four, from that of `low` on, that hold a nonce below `end` which may meet a difficulty; other nonces do not meet it. */
function* promising(kernel: Kernel, low: number, end: number, difficulty: bigint): Generator<number, void> {
  // A work below the difficulty has at most the difficulty's highest 32 bits.
  const most = Math.min(Number(difficulty >> 96n), MAX_U32);
  for (let group = low - (low % 4); group < end; group += 4) {
    group += 4 * kernel.search(group, Math.ceil((end - group) / 4), most);
    if (group < end) yield group;
  }
}

/** Gives the kernel a block, padded (FIPS 180-4, 5.1.1). */
function prepare({ memory, BLOCK, prepare }: Kernel, bytes: Buffer, chunks: number): void {
  const block = Buffer.from(memory.buffer, BLOCK.value, chunks * CHUNK_BYTES);
  block.fill(0).set(bytes);
  block.writeUInt8(0x80, bytes.length);
  block.writeUInt32BE(bytes.length * 8, block.length - 4);
  prepare(chunks);
}

function firstMet(from: bigint, count: number, isMet: (nonce: bigint) => boolean): bigint | undefined {
  for (let offset = 0; offset < count; offset++) {
    const nonce = from + BigInt(offset);
    if (isMet(nonce)) return nonce;
  }
  return undefined;
}

function batchOf(chunksABatch: number, chunks: number): number {
  return Math.max(1, Math.floor(chunksABatch / chunks));
}

/** Null where this host has no WebAssembly, or none with SIMD; undefined before it was tried. */
let loaded: Kernel | null | undefined;

/** This thread's kernel. It is loaded by the first search. */
function loadKernel(): Kernel | null {
  if (loaded === undefined) loaded = instantiate();
  return loaded;
}

function instantiate(): Kernel | null {
  const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyApi };
  if (WebAssembly === undefined) return null;
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(readFileSync(WASM))).exports as Kernel;
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return null;
    throw error;
  }
}
