/** Blocks for tests: good ones, which a test then breaks in one place. */

import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import type { RoundInfo } from '../../gen/hourcoin/v1/validator_service.js';
import { blockHash, NO_HASH } from '../../src/engine/bytes.js';
import { meetsDifficulty } from '../../src/engine/difficulty.js';
import { meetsTonce } from '../../src/engine/tonce.js';

/** A difficulty that one hash in sixteen meets: quick to mine in tests. */
export const EASY = 1n << 124n;

export function output(toAddr: string, value: number, timestamp: bigint): Output {
  return { toAddr, value, timestamp };
}

export function coinbaseTo(toAddr: string, timestamp: bigint): Transaction {
  return { inputs: [], outputs: [output(toAddr, 2, timestamp)] };
}

export interface BlockParts {
  readonly index?: number;
  readonly prevBlockHash?: Buffer;
  readonly timestamp: bigint;
  readonly transactions?: readonly Transaction[];
}

/** A block with its true hash that meets a difficulty. */
export function mined(
  { index = 0, prevBlockHash = NO_HASH, timestamp, transactions = [] }: BlockParts,
  difficulty = EASY,
): Block {
  for (let nonce = 0n; ; nonce++) {
    const block = sealed({ index, prevBlockHash, timestamp, nonce, transactions, hash: NO_HASH });
    if (meetsDifficulty(block.hash, difficulty)) return block;
  }
}

/** A block with its true hash, whatever it meets. */
export function sealed(block: Block): Block {
  return { ...block, hash: blockHash(block) };
}

/** The first timestamp from a time on that meets a tonce. */
export function timestampFrom(time: bigint, tonce: number): bigint {
  let timestamp = time;
  while (!meetsTonce(timestamp, tonce)) timestamp++;
  return timestamp;
}

/** A block that wins a round: its coinbase pays `toAddr`, then come further transactions. */
export function winning(round: RoundInfo, toAddr: string, further: readonly Transaction[] = []): Block {
  const { nextIndex, prevBlockHash, serverTime, tipTimestamp = -1n, tonce = 1, difficulty } = round;
  const timestamp = timestampFrom(serverTime > tipTimestamp ? serverTime : tipTimestamp + 1n, tonce);
  const transactions = [coinbaseTo(toAddr, timestamp), ...further];
  return mined({ index: nextIndex, prevBlockHash, timestamp, transactions }, BigInt(difficulty));
}
