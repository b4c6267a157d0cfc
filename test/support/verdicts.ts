/** A good block broken in one place at a time: one for every verdict that a single block can get, in order of precedence. */

import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { ChainCode, type RoundInfo, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import { meetsDifficulty } from '../../src/engine/difficulty.js';
import { meetsTonce } from '../../src/engine/tonce.js';
import type { ValidatorNode } from '../../src/validator/node.js';
import { coinbaseTo, mined, output, sealed, winning } from './blocks.js';
import type { TestClock } from './clock.js';

/** The miner of the first block, which is in lockout from then on. */
export const FOUNDER = 'founder';

/** Puts one block of FOUNDER on a chain, and lets a second pass. Returns the output that it made. */
export async function found({ node, clock }: { node: ValidatorNode; clock: TestClock }): Promise<Output> {
  const block = winning(await node.getRoundInfo(FOUNDER), 'wallet');
  const { message } = await node.submitBlock(FOUNDER, block);
  const [made] = block.transactions[0]?.outputs ?? [];
  if (made === undefined || !message.startsWith('Block accepted')) throw new Error(`no first block: ${message}`);
  clock.advance(1_000);
  return made;
}

/** A block, and what it is answered. */
export interface Broken {
  readonly name: string;
  readonly result: SubmitResult;
  /** The result's name on JSON/TCP. */
  readonly wire: string;
  readonly code: ChainCode;
  readonly message: string;
  /** Whether it costs the miner its attempt. */
  readonly usesUp: boolean;
  /** The block, for a round of a chain that FOUNDER has begun; `unspent` is the only output on it. */
  block(round: RoundInfo, unspent: Output): Block;
}

/** A block on the tip with the given transactions, and any timestamp that is fit. */
function onTip(round: RoundInfo, transactions: (timestamp: bigint) => Transaction[]): Block {
  const { index, prevBlockHash, timestamp } = winning(round, 'any');
  return mined({ index, prevBlockHash, timestamp, transactions: transactions(timestamp) });
}

function rejected(name: string, result: SubmitResult, wire: string, message: string, block: Broken['block']): Broken {
  return { name, result, wire, code: ChainCode.UNSPECIFIED, message, usesUp: true, block };
}

function chainRule(name: string, code: ChainCode, text: string, usesUp: boolean, block: Broken['block']): Broken {
  const message = `Blockchain validation failed: ${text}`;
  const wire = 'RejectedBlockchainValidation';
  return { name, result: SubmitResult.REJECTED_BLOCKCHAIN_VALIDATION, wire, code, message, usesUp, block };
}

const CODE = ChainCode;

export const BROKEN: readonly Broken[] = [
  chainRule('an index that is not the height', CODE.MISMATCHED_INDEX, 'MismatchedIndex', false, (round) =>
    mined({ ...winning(round, 'any'), index: round.nextIndex + 1 }),
  ),
  chainRule('another previous hash', CODE.MISMATCHED_PREVIOUS_HASH, 'MismatchedPreviousHash', false, (round) =>
    mined({ ...winning(round, 'any'), prevBlockHash: NO_HASH }),
  ),
  chainRule("the tip's own timestamp", CODE.ACHRONOLOGICAL_TIMESTAMP, 'AchronologicalTimestamp', false, (round) =>
    mined({ ...winning(round, 'any'), timestamp: round.tipTimestamp ?? 0n }),
  ),
  rejected(
    'a timestamp beyond the window',
    SubmitResult.REJECTED_INVALID_TIMESTAMP,
    'RejectedInvalidTimestamp',
    'Invalid timestamp',
    (round) => mined({ ...winning(round, 'any'), timestamp: round.serverTime + 501n }),
  ),
  rejected(
    'a timestamp that fails the tonce',
    SubmitResult.REJECTED_TONCE_CHALLENGE,
    'RejectedTonceChallenge',
    'Timestamp failed tonce challenge',
    (round) => {
      let timestamp = round.serverTime;
      while (meetsTonce(timestamp, round.tonce ?? 1)) timestamp++;
      return mined({ ...winning(round, 'any'), timestamp });
    },
  ),
  rejected(
    'a claimed hash that is not its own',
    SubmitResult.REJECTED_INVALID_HASH,
    'RejectedInvalidHash',
    'Block hash does not match its contents',
    (round) => ({ ...winning(round, 'any'), hash: NO_HASH }),
  ),
  chainRule('too little work', CODE.INVALID_HASH, 'InvalidHash', true, (round) => {
    let block = winning(round, 'any');
    while (meetsDifficulty(block.hash, BigInt(round.difficulty))) block = sealed({ ...block, nonce: block.nonce + 1n });
    return block;
  }),
  chainRule('a negative value', CODE.INVALID_OUTPUT_VALUE, 'InvalidOutputValue', true, (round) =>
    onTip(round, (now) => [{ inputs: [], outputs: [output('a', 3, now), output('b', -1, now)] }]),
  ),
  chainRule('a coinbase of 3', CODE.INVALID_COINBASE_TRANSACTION, 'InvalidCoinbaseTransaction', true, (round) =>
    onTip(round, (now) => [{ inputs: [], outputs: [output('a', 3, now)] }]),
  ),
  chainRule('an input that was never made', CODE.INVALID_INPUT, 'InvalidInput', true, (round) =>
    onTip(round, (now) => [
      coinbaseTo('a', now),
      { inputs: [output('nobody', 1, now)], outputs: [output('b', 1, now)] },
    ]),
  ),
  chainRule(
    'an output older than its input',
    CODE.INVALID_TRANSACTION_TIMESTAMP,
    'InvalidTransactionTimestamp',
    true,
    (round, unspent) =>
      onTip(round, (now) => [
        coinbaseTo('a', now),
        { inputs: [unspent], outputs: [output('b', 1, unspent.timestamp - 1n)] },
      ]),
  ),
  chainRule(
    'outputs worth more than inputs',
    CODE.INSUFFICIENT_INPUT_VALUE,
    'InsufficientInputValue',
    true,
    (round, unspent) =>
      onTip(round, (now) => [coinbaseTo('a', now), { inputs: [unspent], outputs: [output('b', 2.5, now)] }]),
  ),
  chainRule('an output that was made before', CODE.DUPLICATE_OUTPUT, 'DuplicateOutput', true, (round, unspent) =>
    onTip(round, () => [{ inputs: [], outputs: [unspent] }]),
  ),
];

/** What only a first block can be: it names another block before it. */
export const WRONG_GENESIS: Broken = chainRule(
  'a first block with a previous hash',
  CODE.INVALID_GENESIS_BLOCK_FORMAT,
  'InvalidGenesisBlockFormat',
  false,
  (round) => mined({ ...winning(round, 'any'), prevBlockHash: Buffer.alloc(32, 1) }),
);
