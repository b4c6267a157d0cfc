/** Ways to break a block that would win a round. What comes out is answered as the rules want it, whatever that is. */

import type { Block, Transaction } from '../../gen/hourcoin/v1/block.js';
import type { RoundInfo } from '../../gen/hourcoin/v1/validator_service.js';
import { meetsDifficulty } from '../../src/engine/difficulty.js';
import { meetsTonce } from '../../src/engine/tonce.js';
import { coinbaseTo, mined, output, sealed } from '../support/blocks.js';

export const BREAKS: Readonly<Record<string, (block: Block, round: RoundInfo) => Block>> = {
  'an earlier index': (block) => sealed({ ...block, index: Math.max(0, block.index - 1) }),
  'a later index': (block) => sealed({ ...block, index: block.index + 1 }),
  'another previous hash': (block) => sealed({ ...block, prevBlockHash: Buffer.alloc(32, 7) }),
  'a short previous hash': (block) => sealed({ ...block, prevBlockHash: Buffer.alloc(3, 7) }),
  'an old timestamp': (block, round) => again(block, round, { timestamp: round.serverTime - 300_100n }),
  "the tip's timestamp": (block, round) => again(block, round, { timestamp: round.tipTimestamp ?? 1n }),
  'a timestamp to come': (block, round) => again(block, round, { timestamp: round.serverTime + 3_000n }),
  'a timestamp at the edge': (block, round) => again(block, round, { timestamp: round.serverTime + 500n }),
  'a missed tonce': (block, round) => {
    const { tonce = 1 } = round;
    let { timestamp } = block;
    while (tonce > 1 && meetsTonce(timestamp, tonce)) timestamp++;
    return again(block, round, { timestamp });
  },
  'another hash': (block) => ({ ...block, hash: Buffer.alloc(32) }),
  'a short hash': (block) => ({ ...block, hash: Buffer.alloc(5) }),
  'no work': (block, { difficulty }) => {
    let weak = block;
    while (meetsDifficulty(weak.hash, BigInt(difficulty))) weak = sealed({ ...weak, nonce: weak.nonce + 1n });
    return weak;
  },
  'no transactions': (block, round) => again(block, round, { transactions: [] }),
  'a coinbase of 3': (block, round) => paying(block, round, [3]),
  'a negative output': (block, round) => paying(block, round, [3, -1]),
  'an output of -0': (block, round) => paying(block, round, [2, -0]),
  'the same output twice': (block, round) => paying(block, round, [1, 1]),
  'the same output for ever': (block, round) =>
    again(block, round, { transactions: [{ inputs: [], outputs: [output('twin', 2, 1n)] }] }),
  "a coin that is nobody's": (block, round) =>
    further(block, round, {
      inputs: [output('nobody', 2, 5n)],
      outputs: [output('thief', 2, block.timestamp)],
    }),
  'dust from nothing': (block, round) =>
    further(block, round, { inputs: [], outputs: [output('thief', 5e-324, block.timestamp)] }),
};

/** The block with other parts, and work for them. */
function again(block: Block, { difficulty }: RoundInfo, parts: Partial<Block>): Block {
  return mined({ ...block, ...parts }, BigInt(difficulty));
}

function paying(block: Block, round: RoundInfo, values: readonly number[]): Block {
  const outputs = values.map((value) => output('thief', value, block.timestamp));
  return again(block, round, { transactions: [{ inputs: [], outputs }] });
}

function further(block: Block, round: RoundInfo, transaction: Transaction): Block {
  return again(block, round, { transactions: [coinbaseTo('thief', block.timestamp), transaction] });
}
