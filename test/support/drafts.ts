/** Submissions in parts, good ones, and for every rule a way to break it that leaves all others as they are. */

import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { ChainCode, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { blockHash, NO_HASH } from '../../src/engine/bytes.js';
import { meetsDifficulty } from '../../src/engine/difficulty.js';
import { checkBlock, type OutputChanges } from '../../src/engine/rules.js';
import { previousTimestamp, type State } from '../../src/engine/state.js';
import { type Judgement, type Submission, step } from '../../src/engine/step.js';
import { meetsTonce, tonceOf } from '../../src/engine/tonce.js';
import { coinbaseTo, EASY, output, sealed } from './blocks.js';
import { TestChain } from './chains.js';

/** When the first round begins: a tonce of 15, and of 26 four minutes later. */
export const START = 1_762_800_000_000n;

/** When the later scene's last block was made. */
export const MADE = START + 240_000n;

/** What a submission and the moment of its judging are made from. */
export interface Draft {
  readonly minerId: string;
  /** Whether the miner's attempt is used up before. */
  readonly attempted: boolean;
  readonly now: bigint;
  readonly index: number;
  readonly prevBlockHash: Buffer;
  /** The block's timestamp is the first from here on that meets the tonce, or does not. */
  readonly from: bigint;
  readonly meetsTonce: boolean;
  readonly meetsDifficulty: boolean;
  /** What is claimed to be the block's hash, given the true one. */
  readonly claim: (hash: Buffer) => Buffer;
  readonly transactions: readonly Transaction[];
}

/** A chain, and a good draft to submit to it. */
export interface Scene {
  readonly chain: TestChain;
  readonly draft: Draft;
}

/** Changes a draft. */
export type Break = (draft: Draft) => Draft;

/** A chain without blocks, one second after it began. */
export function firstScene(): Scene {
  const chain = new TestChain({ difficulty: EASY, timescale: Timescale.TAI, firstRoundStart: START });
  return { chain, draft: draftFor(chain, START + 1_000n, [coinbaseTo('winner', START)]) };
}

/**
 * A chain of four blocks, one second after the last. miner0's coinbase is spent; those of miner1, miner2 and miner3 are not, nor are
 * alice's 1.5 and bob's 0.5 that were made of it. The draft has a coinbase and two further transactions.
 */
export function laterScene(): Scene {
  const { chain } = firstScene();
  const times = [1n, 2n, 3n, 4n].map((minutes) => START + minutes * 60_000n);
  for (const [height, time] of times.entries()) {
    const spending = { inputs: [paidTo('miner0')], outputs: [output('alice', 1.5, time), output('bob', 0.5, time)] };
    chain.extend(`miner${height}`, time, height === 3 ? [spending] : []);
  }
  const now = MADE + 1_000n;
  const transactions = [
    coinbaseTo('winner', now),
    { inputs: [paidTo('miner1')], outputs: [output('carol', 1.5, now), output('dave', 0.5, now)] },
    { inputs: [paidTo('miner2')], outputs: [output('erin', 2, now)] },
  ];
  return { chain, draft: draftFor(chain, now, transactions) };
}

/** The coinbase's output of a miner of the later scene. */
export function paidTo(miner: `miner${0 | 1 | 2 | 3}`): Output {
  return output(miner, 2, START + BigInt(Number(miner.slice(5)) + 1) * 60_000n);
}

/** A good draft for a chain at a time. */
export function draftFor({ state }: TestChain, now: bigint, transactions: readonly Transaction[]): Draft {
  return {
    minerId: 'winner',
    attempted: false,
    now,
    index: state.height,
    prevBlockHash: state.tip?.hash ?? NO_HASH,
    from: now,
    meetsTonce: true,
    meetsDifficulty: true,
    claim: (hash) => hash,
    transactions,
  };
}

/** The block that a draft describes. */
export function blockOf({ state }: TestChain, draft: Draft): Block {
  const previous = previousTimestamp(state);
  const tonce = draft.now - previous < 60_000n ? tonceOf(previous) : 1;
  let timestamp = draft.from;
  while (meetsTonce(timestamp, tonce) !== draft.meetsTonce) timestamp++;
  const { index, prevBlockHash, transactions, claim } = draft;
  for (let nonce = 0n; ; nonce++) {
    const block = sealed({ index, timestamp, hash: NO_HASH, prevBlockHash, nonce, transactions });
    if (meetsDifficulty(block.hash, state.parameters.difficulty) === draft.meetsDifficulty)
      return { ...block, hash: claim(block.hash) };
  }
}

export function submissionOf({ chain, draft }: Scene): Submission {
  return { minerId: draft.minerId, block: blockOf(chain, draft) };
}

/** Judges a draft; the chain stays as it is. */
export function judge({ chain, draft }: Scene): Judgement {
  const { state } = chain;
  const attempts = new Set(draft.attempted ? [draft.minerId] : []);
  const before: State = { ...state, round: { ...state.round, attempts } };
  return step(before, submissionOf({ chain, draft }), draft.now, chain.outputs.lookup);
}

/** Judges a draft by the chain rules alone. */
export function check({ chain, draft }: Scene): ChainCode | OutputChanges {
  const block = blockOf(chain, draft);
  return checkBlock(chain.state, block, blockHash(block), chain.state.parameters.difficulty, chain.outputs.lookup);
}

/** Another hash of the same length. */
export function flipped(hash: Buffer): Buffer {
  return Buffer.from(hash.map((byte) => byte ^ 1));
}

/** Adds inputs and outputs to a draft's transaction. */
export function adding(position: number, added: { inputs?: readonly Output[]; outputs?: readonly Output[] }): Break {
  return (draft) => ({
    ...draft,
    transactions: draft.transactions.map((transaction, at) =>
      at === position
        ? {
            inputs: [...transaction.inputs, ...(added.inputs ?? [])],
            outputs: [...transaction.outputs, ...(added.outputs ?? [])],
          }
        : transaction,
    ),
  });
}

/** Adds a transaction at the end of a draft's. */
export function addingTransaction(transaction: Transaction): Break {
  return (draft) => ({ ...draft, transactions: [...draft.transactions, transaction] });
}

/** What breaks one rule of a submission that is not about its transactions, on both scenes unless it says otherwise. */
export const BREAKS = {
  /** On the later scene. */
  lockout: (draft) => ({ ...draft, minerId: 'miner2' }),
  attempted: (draft) => ({ ...draft, attempted: true }),
  index: (draft) => ({ ...draft, index: draft.index + 1 }),
  previousHash: (draft) => ({ ...draft, prevBlockHash: flipped(draft.prevBlockHash) }),
  /** On the later scene; still in the window. */
  achronological: (draft) => ({ ...draft, from: draft.from - 11_000n }),
  /** Ahead of the window, or behind it where the timestamp is behind the tip already. */
  window: (draft) => ({ ...draft, from: draft.from < draft.now ? draft.from - 310_000n : draft.from + 501n }),
  tonce: (draft) => ({ ...draft, meetsTonce: false }),
  claimedHash: (draft) => ({ ...draft, claim: flipped }),
  work: (draft) => ({ ...draft, meetsDifficulty: false }),
} as const satisfies Record<string, Break>;

/** A chain rule, what is answered where it is broken, and what breaks it. */
export interface ChainRule {
  readonly sentence: string;
  readonly code: ChainCode;
  /** The code as texts name it. */
  readonly name: string;
  readonly breaks: Break;
}

const LATER = START + 300_000n;

/** The rules of a coinbase, in order; each is broken by what is added, on both scenes. */
export const COINBASE_RULES: readonly ChainRule[] = [
  {
    sentence: 'an output value of the coinbase is −0',
    code: ChainCode.INVALID_OUTPUT_VALUE,
    name: 'InvalidOutputValue',
    breaks: adding(0, { outputs: [output('value', -0, START)] }),
  },
  {
    sentence: 'an output timestamp of the coinbase is above 2^64 − 1',
    code: ChainCode.INVALID_TRANSACTION_TIMESTAMP,
    name: 'InvalidTransactionTimestamp',
    breaks: adding(0, { outputs: [output('timestamp', 0, 1n << 64n)] }),
  },
  {
    sentence: 'the first transaction is not a coinbase',
    code: ChainCode.INVALID_COINBASE_TRANSACTION,
    name: 'InvalidCoinbaseTransaction',
    breaks: adding(0, { outputs: [output('sum', 0.5, START)] }),
  },
  {
    sentence: 'two outputs of the coinbase are identical',
    code: ChainCode.DUPLICATE_OUTPUT,
    name: 'DuplicateOutput',
    breaks: adding(0, { outputs: [output('twin', 0, START), output('twin', 0, START)] }),
  },
];

/** The rules of further transactions, in order after those of the coinbase; each is broken by what is added, on the later scene. */
export const TRANSACTION_RULES: readonly ChainRule[] = [
  {
    sentence: 'an output value is −0',
    code: ChainCode.INVALID_OUTPUT_VALUE,
    name: 'InvalidOutputValue',
    breaks: adding(1, { outputs: [output('value', -0, LATER)] }),
  },
  {
    sentence: 'an output timestamp is above 2^64 − 1',
    code: ChainCode.INVALID_TRANSACTION_TIMESTAMP,
    name: 'InvalidTransactionTimestamp',
    breaks: adding(1, { outputs: [output('timestamp', 0, 1n << 64n)] }),
  },
  {
    sentence: 'an input is not unspent before this block',
    code: ChainCode.INVALID_INPUT,
    name: 'InvalidInput',
    breaks: adding(1, { inputs: [output('nobody', 1, START)] }),
  },
  {
    sentence: 'an output is older than one of its inputs',
    code: ChainCode.INVALID_TRANSACTION_TIMESTAMP,
    name: 'InvalidTransactionTimestamp',
    breaks: adding(1, { outputs: [output('older', 0, paidTo('miner1').timestamp - 1n)] }),
  },
  {
    sentence: 'outputs are worth more than inputs',
    code: ChainCode.INSUFFICIENT_INPUT_VALUE,
    name: 'InsufficientInputValue',
    breaks: adding(1, { outputs: [output('more', 1.25, LATER)] }),
  },
  {
    sentence: 'two outputs are identical',
    code: ChainCode.DUPLICATE_OUTPUT,
    name: 'DuplicateOutput',
    breaks: adding(1, { outputs: [output('twin', 0, LATER), output('twin', 0, LATER)] }),
  },
  {
    sentence: 'an output value of the next transaction is −0',
    code: ChainCode.INVALID_OUTPUT_VALUE,
    name: 'InvalidOutputValue',
    breaks: adding(2, { outputs: [output('value', -0, LATER + 1n)] }),
  },
  {
    sentence: 'an output of the next transaction is identical to one made on this chain',
    code: ChainCode.DUPLICATE_OUTPUT,
    name: 'DuplicateOutput',
    breaks: adding(2, { inputs: [output('bob', 0.5, MADE)], outputs: [output('bob', 0.5, MADE)] }),
  },
  {
    sentence: 'the fees are above the coinbase’s 2.0',
    code: ChainCode.INVALID_COINBASE_TRANSACTION,
    name: 'InvalidCoinbaseTransaction',
    breaks: addingTransaction({ inputs: [paidTo('miner3'), output('alice', 1.5, MADE)], outputs: [] }),
  },
];
