/**
 * What the rules need to know, and nothing else: the chain's end, the round with its attempts, the lockouts. Outputs are looked up,
 * never held. Only `apply` changes a state, but for lockouts that are over: they may be forgotten at any time.
 */

import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import type { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import type { ChainEnd, OutputChanges, Tip } from './rules.js';

/** How long the miner of an accepted block is locked out, milliseconds (spec, section 6 step 7). */
export const LOCKOUT_MS = 3_600_000n;

/** Blocks between two times when those that are over are forgotten. */
const DROP_EVERY = 64;

/** How long a round lasts at most, milliseconds (spec, section 8, "Rounds"). */
export const ROUND_MS = 3_600_000n;

/** What is fixed when a chain begins. */
export interface ChainParameters {
  /** What a block's hash must meet, 1 to 2^128 − 1. */
  readonly difficulty: bigint;
  /** How times are counted. */
  readonly timescale: Timescale;
  /** When the first round began, milliseconds: the tonce's source before the first block. */
  readonly firstRoundStart: bigint;
}

/** The state of a chain. */
export interface State extends ChainEnd {
  readonly parameters: ChainParameters;
  height: number;
  tip: Tip | undefined;
  /** The round in force, its number from 1, when it began, and who has used an attempt up. */
  round: { number: bigint; start: bigint; readonly attempts: Set<string> };
  /** When each miner's lockout ends, in order of that time. */
  readonly lockouts: Map<string, bigint>;
}

/** What a judged input does to a state; also what is stored. */
export type Change =
  /** Hours have passed without an accepted block: a new round begins, with no attempts. */
  | { readonly type: 'round'; readonly number: bigint; readonly start: bigint }
  /** A miner has used its attempt up. */
  | { readonly type: 'attempt'; readonly minerId: string }
  /** A block joins the chain; its miner is locked out and a new round begins at the time of acceptance. */
  | { readonly type: 'block'; readonly accepted: StoredBlock; readonly outputs: OutputChanges };

/** An accepted block is whole: what protobuf lets be absent is there. */
export type StoredBlock = AcceptedBlock & { readonly block: NonNullable<AcceptedBlock['block']> };

/** The state of a chain without blocks. */
export function initialState(parameters: ChainParameters): State {
  return {
    parameters,
    height: 0,
    tip: undefined,
    round: { number: 1n, start: parameters.firstRoundStart, attempts: new Set() },
    lockouts: new Map(),
  };
}

/** Carries a change out. */
export function apply(state: State, change: Change): void {
  switch (change.type) {
    case 'round':
      state.round = { number: change.number, start: change.start, attempts: new Set() };
      break;
    case 'attempt':
      state.round.attempts.add(change.minerId);
      break;
    case 'block': {
      const { block, minerId, acceptedAt, round } = change.accepted;
      state.height = block.index + 1;
      state.tip = { hash: block.hash, timestamp: block.timestamp };
      // The miner's own last lockout is over, and goes first: the map stays in order of the lockouts' ends.
      state.lockouts.delete(minerId);
      state.lockouts.set(minerId, acceptedAt + LOCKOUT_MS);
      // Only now and then: whoever walks a map passes over all that was deleted at its front.
      if (state.height % DROP_EVERY === 0) dropOldLockouts(state, acceptedAt);
      state.round = { number: round + 1n, start: acceptedAt, attempts: new Set() };
    }
  }
}

/** Forgets the lockouts that are over. Nothing that the rules say depends on it: it bounds memory. */
export function dropOldLockouts(state: State, now: bigint): void {
  for (const [minerId, end] of state.lockouts) {
    if (end > now) break;
    state.lockouts.delete(minerId);
  }
}

/** How long a miner's lockout lasts from a time on, milliseconds; 0 where it is not locked out. */
export function lockoutRemaining(state: State, minerId: string, now: bigint): bigint {
  const end = state.lockouts.get(minerId) ?? now;
  return end > now ? end - now : 0n;
}

/** The tip's own timestamp, or when the first round began: what the tonce is made of (spec, section 5). */
export function previousTimestamp(state: State): bigint {
  return state.tip?.timestamp ?? state.parameters.firstRoundStart;
}
