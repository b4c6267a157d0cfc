/** What a miner searches: a timestamp that meets the tonce, and a nonce that meets the difficulty. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { Block, Transaction } from '../../gen/hourcoin/v1/block.js';
import { blockBytes, MAX_U64, NO_HASH, nonceOffset, sha256 } from '../engine/bytes.js';
import { COINBASE_VALUE } from '../engine/rules.js';
import { meetsTonce } from '../engine/tonce.js';
import { DEFAULT_MAX_ATTEMPTS } from './effort.js';
import { batches, type NonceSearch, nonceSearch } from './nonce-search.js';

/** Nonces that the calling thread tries before others are begun: 64 times what a block takes at the default difficulty. */
const ALONE = 2n ** 14n;

/** How often a search tells how far it is, milliseconds. */
const REPORT_MS = 1_000;

/** The first timestamp from `from` on, 1 ms at a time, that meets the tonce; undefined where none of `maxAttempts` does. */
export function findTimestamp(from: bigint, tonce: number, maxAttempts = DEFAULT_MAX_ATTEMPTS): bigint | undefined {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const timestamp = from + BigInt(attempt);
    if (tonce <= 1 || meetsTonce(timestamp, tonce)) return timestamp;
  }
  return undefined;
}

/** The transaction that pays a miner. */
export function coinbase(rewardAddress: string, timestamp: bigint): Transaction {
  return { inputs: [], outputs: [{ toAddr: rewardAddress, value: COINBASE_VALUE, timestamp }] };
}

/** What a block is made of before its nonce is known. */
export type BlockTemplate = Omit<Block, 'hash' | 'nonce'>;

/** How far a search is. */
export interface Progress {
  /** Nonces that were tried so far. */
  readonly tried: bigint;
  /** How many of them a second, lately. */
  readonly perSecond: number;
}

/** How a nonce is searched. */
export interface NonceOptions {
  /** The first nonce that is tried: 0 unless it is given. */
  readonly from?: bigint | undefined;
  /** How many threads search, at most MOST_THREADS: 1, the caller's own, unless it is given. */
  readonly threads?: number | undefined;
  /** Ends the search within milliseconds. */
  readonly signal?: AbortSignal | undefined;
  /** Hears every second how far it is. Must not throw. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Finds a nonce whose hash meets the difficulty; the lowest one from `from` upwards, where one thread searches. Undefined where the signal aborts
 * first. Throws where none up to 2^64 − 1 meets it, or a thread dies.
 */
export async function findNonce(
  template: BlockTemplate,
  difficulty: bigint,
  { from = 0n, threads = 1, signal, onProgress }: NonceOptions = {},
): Promise<Block | undefined> {
  if (signal?.aborted) return undefined;
  const bytes = blockBytes({ ...template, hash: NO_HASH, nonce: from });
  const at = nonceOffset(template);
  const tried = new BigUint64Array(new SharedArrayBuffer(8));
  const reports = report(tried, onProgress);
  try {
    const search = nonceSearch(bytes, at, difficulty);
    // Most blocks are done before other threads would have begun.
    const alone = threads === 1 || from > MAX_U64 - ALONE;
    let nonce = await searchHere(search, from, alone ? MAX_U64 : from + ALONE - 1n, tried, signal);
    if (nonce === undefined && !alone && !signal?.aborted) {
      const { searchInThreads } = await import('./threads.js');
      nonce = await searchInThreads({ bytes, at, difficulty, from: from + ALONE, threads, tried }, signal);
    }
    if (nonce === undefined && !signal?.aborted) throw new Error('no nonce up to 2^64 - 1 meets the difficulty');
    if (nonce === undefined) return undefined;
    bytes.writeBigUInt64LE(nonce, at);
    return { ...template, nonce, hash: sha256(bytes) };
  } finally {
    clearInterval(reports);
  }
}

/** Searches on this thread. Between batches other work has its turn. Undefined where none up to `last` meets, or the signal aborts first. */
async function searchHere(
  search: NonceSearch,
  from: bigint,
  last: bigint,
  tried: BigUint64Array,
  signal: AbortSignal | undefined,
): Promise<bigint | undefined> {
  for (const [first, count] of batches(search, from, last)) {
    const nonce = search.find(first, count);
    if (nonce !== undefined) return nonce;
    Atomics.add(tried, 0, BigInt(count));
    await breathe();
    if (signal?.aborted) return undefined;
  }
  return undefined;
}

/** Reports every second, until it is cleared; it also keeps the process, which threads that search do not. */
function report(tried: BigUint64Array, onProgress: NonceOptions['onProgress']): NodeJS.Timeout {
  let before = { count: 0n, time: performance.now() };
  return setInterval(() => {
    const now = { count: Atomics.load(tried, 0), time: performance.now() };
    const perSecond = (Number(now.count - before.count) * 1_000) / (now.time - before.time);
    before = now;
    onProgress?.({ tried: now.count, perSecond });
  }, REPORT_MS);
}
