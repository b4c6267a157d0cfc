/**
 * The rules, one at a time: a good block broken in one place, for any running validator, whatever its chain and its clock. test/vectors/README.md
 * describes the format of rules.json.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import type { RoundInfo } from '../../gen/hourcoin/v1/validator_service.js';
import { blockHash } from '../engine/bytes.js';
import { meetsDifficulty } from '../engine/difficulty.js';
import { meetsTonce, NO_CHALLENGE, tonceOf } from '../engine/tonce.js';
import { findNonce } from '../miner/search.js';

/** A file of rules. */
export interface RuleFile {
  readonly version: number;
  readonly rules: readonly Rule[];
}

/** A broken block, and its answer. */
export interface Rule {
  readonly name: string;
  readonly on?: 'an empty chain';
  readonly block: Recipe;
  /** As JSON/TCP names it. */
  readonly result: string;
  readonly message: string;
  /** Whether it costs the miner its attempt. */
  readonly uses_attempt: boolean;
}

/** What is other than in a good block for the round in force. */
export interface Recipe {
  readonly index?: 'height + 1';
  readonly prev_block_hash?: 'other';
  readonly timestamp?: 'tip' | 'too old' | 'too new' | 'misses the tonce';
  readonly work?: 'missed';
  readonly hash?: 'other';
  readonly transactions?: readonly {
    readonly inputs: readonly RecipeOutput[];
    readonly outputs: readonly RecipeOutput[];
  }[];
}

/** `unspent`: the output that the trial's accepted block made. */
type RecipeOutput =
  | 'unspent'
  | { readonly to_addr: string; readonly value: number; readonly timestamp: 'block' | 'unspent - 1' };

/** A block cannot be made as asked on this validator, for a reason that is no fault of it. */
export class CannotTry extends Error {
  override readonly name = 'CannotTry';
}

/** How far beyond the window a timestamp is that is outside it: milliseconds of real time. */
const BEYOND_MS = 1_000;

/** How long a timestamp is waited for at most, milliseconds of real time. */
const LONGEST_WAIT_MS = 60_000;

/** A tonce of 31 is met by every 31st timestamp on average. */
const TIMESTAMPS_TRIED = 10_000n;

/** How long a nonce is searched, milliseconds, and how many are tried to miss the difficulty. */
const SEARCH_MS = 30_000;
const MISSES_TRIED = 10_000n;

/**
 * A block for a round that pays an address: a good one but for the recipe. It is made once the validator's clock has reached its
 * timestamp. Throws CannotTry where it cannot be made.
 */
export async function makeBlock(
  round: RoundInfo,
  reward: string,
  recipe: Recipe = {},
  unspent?: Output,
): Promise<Block> {
  const timestamp = timestampFor(round, recipe);
  const output = (made: RecipeOutput): Output => {
    if (made === 'unspent' || made.timestamp === 'unspent - 1') {
      if (unspent === undefined) throw new CannotTry('there is no unspent output to try it with');
      if (made === 'unspent') return unspent;
      return { toAddr: made.to_addr, value: made.value, timestamp: unspent.timestamp - 1n };
    }
    return { toAddr: made.to_addr, value: made.value, timestamp };
  };
  const transactions = recipe.transactions?.map(
    ({ inputs, outputs }): Transaction => ({ inputs: inputs.map(output), outputs: outputs.map(output) }),
  );
  const template = {
    index: round.nextIndex + (recipe.index === undefined ? 0 : 1),
    timestamp,
    prevBlockHash: recipe.prev_block_hash === undefined ? round.prevBlockHash : flipped(round.prevBlockHash),
    transactions: transactions ?? [{ inputs: [], outputs: [{ toAddr: reward, value: 2, timestamp }] }],
  };
  const block = recipe.work === undefined ? await mined(template, round) : missing(template, round);
  if (recipe.timestamp === undefined) {
    const waitMs = Number(timestamp - round.serverTime) / round.clockSpeed;
    if (waitMs > LONGEST_WAIT_MS)
      throw new CannotTry(`its clock would reach the timestamp in ${waitMs / 1_000} s only`);
    await sleep(waitMs);
  }
  return recipe.hash === undefined ? block : { ...block, hash: flipped(block.hash) };
}

function timestampFor(round: RoundInfo, { timestamp: wanted }: Recipe): bigint {
  const { serverTime, tipTimestamp, tonce = NO_CHALLENGE, windowPastMs, windowFutureMs, clockSpeed } = round;
  if (wanted === 'tip') return tipTimestamp ?? 0n;
  const beyond = BigInt(Math.ceil(BEYOND_MS * Math.max(1, clockSpeed)));
  if (wanted === 'too new') return serverTime + windowFutureMs + beyond;
  if (wanted === 'too old') return serverTime - windowPastMs - beyond;
  if (wanted === 'misses the tonce' && tonce === NO_CHALLENGE) throw new CannotTry('no challenge is in force');
  const from = tipTimestamp === undefined || serverTime > tipTimestamp ? serverTime : tipTimestamp + 1n;
  for (let timestamp = from; timestamp < from + TIMESTAMPS_TRIED; timestamp++) {
    const meets = meetsTonce(timestamp, tonce);
    // A good block's own tonce is not 1, so that a challenge is in force on the one that is accepted.
    if (wanted === 'misses the tonce' ? !meets : meets && tonceOf(timestamp) !== NO_CHALLENGE) return timestamp;
  }
  throw new CannotTry(`none of ${TIMESTAMPS_TRIED} timestamps would do`);
}

type Template = Omit<Block, 'hash' | 'nonce'>;

async function mined(template: Template, { difficulty }: RoundInfo): Promise<Block> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), SEARCH_MS);
  const block = await findNonce(template, BigInt(difficulty), { signal: late.signal }).finally(() =>
    clearTimeout(timer),
  );
  if (block === undefined) throw new CannotTry(`no nonce met the difficulty within ${SEARCH_MS / 1_000} s`);
  return block;
}

/** A block with its true hash, which does not meet the difficulty. */
function missing(template: Template, { difficulty }: RoundInfo): Block {
  for (let nonce = 0n; nonce < MISSES_TRIED; nonce++) {
    const block = { ...template, nonce, hash: Buffer.alloc(0) };
    const hash = blockHash(block);
    if (!meetsDifficulty(hash, BigInt(difficulty))) return { ...block, hash };
  }
  throw new CannotTry('every hash meets this difficulty');
}

function flipped(hash: Buffer): Buffer {
  const other = Buffer.from(hash);
  other.writeUInt8(other.readUInt8(0) ^ 1, 0);
  return other;
}
