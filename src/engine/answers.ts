/**
 * What a state says when it is asked (spec, section 2 and section 8, "Further members"). The state is at the given time; asking changes
 * nothing that the rules know.
 */

import type {
  CheckLockoutResponse,
  GetBlockchainInfoResponse,
  RoundInfo,
} from '../../gen/hourcoin/v1/validator_service.js';
import { NO_HASH } from './bytes.js';
import { formatDifficulty } from './difficulty.js';
import { dropOldLockouts, LOCKOUT_MS, lockoutRemaining, previousTimestamp, type State } from './state.js';
import { WINDOW_FUTURE_MS, WINDOW_PAST_MS } from './step.js';
import { challengeAt } from './tonce.js';

/** The round in force at a time, milliseconds. `clockSpeed` is that of the validator's clock, for miners to follow. */
export function roundInfo(state: State, now: bigint, clockSpeed: number): RoundInfo {
  const { parameters, tip, height, round, lockouts } = state;
  const { tonce, secondsRemaining } = challengeAt(previousTimestamp(state), now);
  dropOldLockouts(state, now);
  return {
    roundStart: round.start,
    tonce,
    challengeSecondsRemaining: secondsRemaining,
    attemptedMiners: BigInt(round.attempts.size),
    activeLockouts: BigInt(lockouts.size),
    difficulty: formatDifficulty(parameters.difficulty),
    round: round.number,
    nextIndex: height,
    prevBlockHash: tip?.hash ?? NO_HASH,
    tipTimestamp: tip?.timestamp,
    serverTime: now,
    timescale: parameters.timescale,
    windowPastMs: WINDOW_PAST_MS,
    windowFutureMs: WINDOW_FUTURE_MS,
    lockoutMs: LOCKOUT_MS,
    clockSpeed,
  };
}

/** A miner's lockout at a time, milliseconds. */
export function lockoutStatus(state: State, minerId: string, now: bigint): CheckLockoutResponse {
  const remaining = lockoutRemaining(state, minerId, now);
  return { isLocked: remaining > 0n, secondsRemaining: remaining / 1000n };
}

/** The chain's height, tip and difficulty. */
export function blockchainInfo({ height, parameters, tip }: State): GetBlockchainInfoResponse {
  return {
    blockCount: BigInt(height),
    difficulty: formatDifficulty(parameters.difficulty),
    tipHash: tip?.hash,
  };
}
