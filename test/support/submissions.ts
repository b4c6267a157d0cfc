/** Submissions at the limits of section 8 of the spec, and just above each of them. */

import type { Block, Transaction } from '../../gen/hourcoin/v1/block.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import { coinbaseTo, output } from './blocks.js';

const TIME = 1_762_800_000_000n;

const GOOD: Block = {
  index: 0,
  timestamp: TIME,
  hash: NO_HASH,
  prevBlockHash: NO_HASH,
  nonce: 0n,
  transactions: [coinbaseTo('alice', TIME)],
};

export interface Submission {
  readonly minerId: string;
  readonly block: Block;
}

/** A small submission; `parts` replace some of its own. It is not mined. */
export function submission(parts: Partial<Submission> & { transactions?: readonly Transaction[] } = {}): Submission {
  const { minerId = 'alice', block = GOOD, transactions = block.transactions } = parts;
  return { minerId, block: { ...block, transactions } };
}

/** A bound of what a submission may hold in one respect. */
export interface Limit {
  readonly what: string;
  readonly limit: number;
  /** The field that a fault names. */
  readonly field: string;
  /** A submission of a size. */
  of(size: number): Submission;
}

/** Every limit of a submission. Sizes of texts are in UTF-8 bytes, and hold three-byte characters where they can. */
export const SUBMISSION_LIMITS: readonly Limit[] = [
  {
    what: 'transactions',
    limit: 1_000,
    field: 'block.transactions',
    of: (size) => submission({ transactions: Array(size).fill({ inputs: [], outputs: [] }) }),
  },
  {
    what: 'inputs in one transaction',
    limit: 10_000,
    field: 'block.transactions.inputs',
    of: (size) => submission({ transactions: [{ inputs: outputs(size), outputs: [] }] }),
  },
  {
    what: 'inputs over all transactions',
    limit: 10_000,
    field: 'block.transactions.inputs',
    of: (size) => submission({ transactions: spread(size).map((count) => ({ inputs: outputs(count), outputs: [] })) }),
  },
  {
    what: 'outputs in one transaction',
    limit: 10_000,
    field: 'block.transactions.outputs',
    of: (size) => submission({ transactions: [{ inputs: [], outputs: outputs(size) }] }),
  },
  {
    what: 'outputs over all transactions',
    limit: 10_000,
    field: 'block.transactions.outputs',
    of: (size) => submission({ transactions: spread(size).map((count) => ({ inputs: [], outputs: outputs(count) })) }),
  },
  { what: 'bytes of miner id', limit: 256, field: 'miner_id', of: (size) => submission({ minerId: 'm'.repeat(size) }) },
  {
    what: 'bytes of miner id in three-byte characters',
    limit: 256,
    field: 'miner_id',
    of: (size) => submission({ minerId: wide(size) }),
  },
  {
    what: "bytes of an output's address",
    limit: 256,
    field: 'block.transactions[1].outputs[1].to_addr',
    of: (size) => submission({ transactions: [{ inputs: [], outputs: [] }, paying('a'.repeat(size))] }),
  },
  {
    what: "bytes of an output's address in three-byte characters",
    limit: 256,
    field: 'block.transactions[0].outputs[1].to_addr',
    of: (size) => submission({ transactions: [paying(wide(size))] }),
  },
  {
    what: "bytes of an input's address",
    limit: 256,
    field: 'block.transactions[0].inputs[0].to_addr',
    of: (size) => submission({ transactions: [{ inputs: [output('a'.repeat(size), 1, TIME)], outputs: [] }] }),
  },
];

function outputs(count: number): Transaction['outputs'] {
  return Array(count).fill(output('a', 1, TIME));
}

function paying(address: string): Transaction {
  return { inputs: [], outputs: [output('a', 1, TIME), output(address, 1, TIME)] };
}

/** A count in three parts. */
function spread(count: number): number[] {
  const part = Math.floor(count / 3);
  return [part, part, count - 2 * part];
}

/** A text of some UTF-8 bytes, of as few characters as can be. */
function wide(bytes: number): string {
  return '漢'.repeat(Math.floor(bytes / 3)) + 'a'.repeat(bytes % 3);
}
