/** The chain rules (spec, section 6 step 6, with the changes of section 8): whether a block may stand on a tip. */

import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { ChainCode } from '../../gen/hourcoin/v1/validator_service.js';
import { MAX_U64, NO_HASH, outputId } from './bytes.js';
import { meetsDifficulty } from './difficulty.js';
import { exactUnits } from './exact.js';

/** The value of a coinbase, in hours. */
export const COINBASE_VALUE = 2;

/** What is known of an output: never made, made and not spent, or spent. Spent outputs are never forgotten. */
export type OutputStatus = 'absent' | 'unspent' | 'spent';

/** Looks an output up by its id, synchronously. */
export type OutputLookup = (id: Buffer) => OutputStatus;

/** Where a chain ends. */
export interface Tip {
  readonly hash: Buffer;
  readonly timestamp: bigint;
}

/** A chain that a block would extend: its height, and its tip where it has blocks. */
export interface ChainEnd {
  readonly height: number;
  readonly tip: Tip | undefined;
}

/** An output with its id. */
export interface KnownOutput {
  readonly id: Buffer;
  readonly output: Output;
}

/** What a sound block does to outputs: those that it makes and those that it spends. */
export interface OutputChanges {
  readonly made: readonly KnownOutput[];
  readonly spent: readonly KnownOutput[];
}

/** The rules that say whether a block is on the tip at all, in the order of section 8: breaking them uses no attempt up. */
export function offTip(chain: ChainEnd, block: Block): ChainCode | undefined {
  if (block.index !== chain.height) return ChainCode.MISMATCHED_INDEX;
  if (chain.tip === undefined)
    return block.prevBlockHash.equals(NO_HASH) ? undefined : ChainCode.INVALID_GENESIS_BLOCK_FORMAT;
  if (!block.prevBlockHash.equals(chain.tip.hash)) return ChainCode.MISMATCHED_PREVIOUS_HASH;
  if (block.timestamp <= chain.tip.timestamp) return ChainCode.ACHRONOLOGICAL_TIMESTAMP;
  return undefined;
}

/**
 * Holds a block against the chain rules in their order. `hash` is the block's own, computed hash: the claimed one is compared
 * before (section 8). Returns the first code that applies, or what the block does to outputs.
 */
export function checkBlock(
  chain: ChainEnd,
  block: Block,
  hash: Buffer,
  difficulty: bigint,
  lookup: OutputLookup,
): ChainCode | OutputChanges {
  // "index ≠ height → MismatchedIndex"
  if (block.index !== chain.height) return ChainCode.MISMATCHED_INDEX;
  // "proof of work not met → InvalidHash"
  if (!meetsDifficulty(hash, difficulty)) return ChainCode.INVALID_HASH;
  if (chain.tip !== undefined) {
    // "not the first block: timestamp ≤ the previous block's → AchronologicalTimestamp"
    if (block.timestamp <= chain.tip.timestamp) return ChainCode.ACHRONOLOGICAL_TIMESTAMP;
    // "prev_block_hash ≠ the previous block's hash → MismatchedPreviousHash"
    if (!block.prevBlockHash.equals(chain.tip.hash)) return ChainCode.MISMATCHED_PREVIOUS_HASH;
  } else if (!block.prevBlockHash.equals(NO_HASH)) {
    // "first block: prev_block_hash ≠ 32 zero bytes → InvalidGenesisBlockFormat"
    return ChainCode.INVALID_GENESIS_BLOCK_FORMAT;
  }
  return checkTransactions(block.transactions, lookup);
}

/** The rules of a block's transactions. A block with none is sound. */
function checkTransactions(transactions: readonly Transaction[], lookup: OutputLookup): ChainCode | OutputChanges {
  const made = new Map<string, KnownOutput>();
  const spent = new Map<string, KnownOutput>();
  let fees = 0;
  for (const [position, transaction] of transactions.entries()) {
    const { inputs, outputs } = transaction;
    for (const { value } of outputs) {
      // "an output value that is not finite, negative or −0 → InvalidOutputValue"
      if (!Number.isFinite(value) || value < 0 || Object.is(value, -0)) return ChainCode.INVALID_OUTPUT_VALUE;
    }
    for (const { timestamp } of outputs) {
      // "an output timestamp above 2^64 − 1 → InvalidTransactionTimestamp"
      if (timestamp > MAX_U64) return ChainCode.INVALID_TRANSACTION_TIMESTAMP;
    }
    if (position === 0) {
      // "first transaction not a coinbase (no inputs, outputs summing, left to right in doubles, to exactly 2.0)"
      if (inputs.length > 0 || sum(outputs) !== COINBASE_VALUE) return ChainCode.INVALID_COINBASE_TRANSACTION;
    } else {
      for (const input of inputs) {
        // "an input that is not unspent before this block, or spent by an earlier transaction of it → InvalidInput", and "the
        // same input twice in one transaction"
        const id = outputId(input);
        const key = id.toString('latin1');
        if (spent.has(key) || lookup(id) !== 'unspent') return ChainCode.INVALID_INPUT;
        spent.set(key, { id, output: input });
      }
      // "an output older than one of its inputs → InvalidTransactionTimestamp"
      let newestInput = 0n;
      for (const { timestamp } of inputs) if (timestamp > newestInput) newestInput = timestamp;
      if (outputs.some(({ timestamp }) => timestamp < newestInput)) return ChainCode.INVALID_TRANSACTION_TIMESTAMP;
      // "outputs worth more than inputs → InsufficientInputValue", in doubles and exactly
      const fee = sum(inputs) - sum(outputs);
      if (fee < 0 || exactSum(outputs) > exactSum(inputs)) return ChainCode.INSUFFICIENT_INPUT_VALUE;
      fees += fee;
    }
    for (const output of outputs) {
      // "an output identical to one made earlier in this block or ever on this chain, spent or not → DuplicateOutput"
      const id = outputId(output);
      const key = id.toString('latin1');
      if (made.has(key) || lookup(id) !== 'absent') return ChainCode.DUPLICATE_OUTPUT;
      made.set(key, { id, output });
    }
  }
  // "at the end, fees above the coinbase's 2.0 → InvalidCoinbaseTransaction"
  if (fees > COINBASE_VALUE) return ChainCode.INVALID_COINBASE_TRANSACTION;
  return { made: [...made.values()], spent: [...spent.values()] };
}

/** The sum of values in doubles, from the first to the last. */
function sum(outputs: readonly Output[]): number {
  return outputs.reduce((total, { value }) => total + value, 0);
}

/** The sum of values without rounding, in units of 2^-1074. */
function exactSum(outputs: readonly Output[]): bigint {
  return outputs.reduce((total, { value }) => total + exactUnits(value), 0n);
}
