/** Random values for properties. */

import fc from 'fast-check';
import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { MAX_U64 } from '../../src/engine/bytes.js';

/** Any Unicode text without lone surrogates, which UTF-8 cannot hold. */
export const anyText = fc.string({ unit: 'binary', maxLength: 12 });

/** Any bytes, a few. */
export const anyBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

export const anyU32 = fc.nat(0xffff_ffff);

export const anyU64 = fc.bigInt({ min: 0n, max: MAX_U64 });

/** Any double that JSON can write. */
export const anyFinite = fc.double({ noNaN: true, noDefaultInfinity: true });

/** Any block of the right types, whether or not it keeps a rule, with timestamps of a kind. */
export function anyBlock(timestamp: fc.Arbitrary<bigint>, value = anyFinite): fc.Arbitrary<Block> {
  const output: fc.Arbitrary<Output> = fc.record({ toAddr: anyText, value, timestamp });
  const outputs = fc.array(output, { maxLength: 3 });
  const transaction: fc.Arbitrary<Transaction> = fc.record({ inputs: outputs, outputs });
  return fc.record({
    index: anyU32,
    timestamp,
    hash: anyBytes,
    prevBlockHash: anyBytes,
    nonce: anyU64,
    transactions: fc.array(transaction, { maxLength: 3 }),
  });
}
