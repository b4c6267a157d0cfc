/** What a miner searches: a timestamp that meets the tonce, and a nonce that meets the difficulty. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { Block, Transaction } from '../../gen/hourcoin/v1/block.js';
import { blockBytes, nonceOffset, sha256 } from '../engine/bytes.js';
import { meetsDifficulty } from '../engine/difficulty.js';
import { COINBASE_VALUE } from '../engine/rules.js';
import { meetsTonce } from '../engine/tonce.js';

/** How many timestamps a deployed miner tries (spec, section 7). */
export const DEFAULT_MAX_ATTEMPTS = 100_000;

/** Nonces that are tried between two looks at the signal: a few milliseconds. */
const SLICE = 4_096;

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

/**
 * Finds the nonce, from 0 upwards, whose hash meets the difficulty. `goOn` is asked every few thousand nonces, when other work has had its
 * turn; undefined where it says no.
 */
export async function findNonce(
  template: BlockTemplate,
  difficulty: bigint,
  goOn: () => boolean,
): Promise<Block | undefined> {
  const bytes = blockBytes({ ...template, hash: Buffer.alloc(0), nonce: 0n });
  const at = nonceOffset(template);
  for (let nonce = 0n; ; nonce += BigInt(SLICE)) {
    for (let offset = 0; offset < SLICE; offset++) {
      bytes.writeBigUInt64LE(nonce + BigInt(offset), at);
      const hash = sha256(bytes);
      if (meetsDifficulty(hash, difficulty)) return { ...template, hash, nonce: nonce + BigInt(offset) };
    }
    await breathe();
    if (!goOn()) return undefined;
  }
}
