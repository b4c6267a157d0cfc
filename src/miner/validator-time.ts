/** What a miner knows of its validator's clock (spec, sections 3, 5 and 8). `now`: the miner's timer, milliseconds. */

import { type RoundInfo, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { WINDOW_FUTURE_MS, WINDOW_PAST_MS } from '../engine/step.js';
import { type Challenge, NO_CHALLENGE } from '../engine/tonce.js';
import { systemTime } from '../time/clock.js';
import type { ToldRound } from './rounds.js';

/** The validator's clock now: what it told, and the time that has passed since at its pace. */
export function validatorTime({ info, at }: ToldRound, now: number): bigint {
  if (info.round > 0n) return info.serverTime + BigInt(Math.floor((now - at) * info.clockSpeed));
  // A deployed validator does not tell its time. One on UTC refuses TAI, one on TAI takes both while its tip is old enough; a round
  // that begins in the future of UTC is one on TAI (spec, section 3).
  const utc = systemTime(Timescale.UTC);
  if (info.roundStart <= utc) return utc;
  // In the future of TAI, too: the host's clock is wrong, and all that is known is that the round has begun.
  const tai = systemTime(Timescale.TAI);
  return info.roundStart <= tai ? tai : info.roundStart + BigInt(Math.floor(now - at));
}

/** A time that the validator's clock has passed by now, though clocks drift by up to a thousandth: behind is safe, ahead is not. */
export function surelyPassed(round: ToldRound, now: number): bigint {
  const time = validatorTime(round, now);
  return round.info.round > 0n ? time - (time - round.info.serverTime) / 1_000n : time;
}

/** The challenge now: the one that was told, until its seconds are over. They were rounded down. */
export function challengeNow(round: ToldRound, now: number): Challenge {
  const { tonce = NO_CHALLENGE, challengeSecondsRemaining: told, round: number, serverTime } = round.info;
  const passed = number > 0n ? (validatorTime(round, now) - serverTime) / 1_000n : 0n;
  return passed > told ? { tonce: NO_CHALLENGE, secondsRemaining: 0n } : { tonce, secondsRemaining: told - passed };
}

/**
 * How far the host's clock is ahead of the validator's, milliseconds, where a block made by it would be refused; undefined where it would not, or that
 * cannot be told. `doubt`: how long the answer took, milliseconds.
 */
export function hostDiffers(info: RoundInfo, doubt: bigint): bigint | undefined {
  if (info.clockSpeed !== 1) return undefined;
  if (info.round === 0n) {
    // No round of a deployed validator's begins in the future.
    const ahead = systemTime(Timescale.TAI) - info.roundStart;
    return ahead < 0n ? ahead : undefined;
  }
  const ahead = systemTime(info.timescale) - info.serverTime;
  return ahead <= WINDOW_FUTURE_MS + doubt && ahead >= -WINDOW_PAST_MS ? undefined : ahead;
}
