/** How a validator stands, in numbers, for whoever looks on. */

import { previousTimestamp, type State } from '../engine/state.js';

/** How a validator stands. Times are milliseconds of the chain's clock. */
export interface Figures {
  /** The number of the round in force. */
  readonly round: bigint;
  readonly roundAge: bigint;
  /** How many miners have used their attempt in it up. */
  readonly attempts: number;
  /** How many miners are locked out. */
  readonly lockouts: number;
  /** How long ago the newest block was made, or the chain begun. */
  readonly tipAge: bigint;
}

/** How a state stands at a time. */
export function figuresOf(state: State, now: bigint): Figures {
  let lockouts = state.lockouts.size;
  // In the order of their ends: those that are over come first.
  for (const end of state.lockouts.values()) {
    if (end > now) break;
    lockouts--;
  }
  const { number: round, start, attempts } = state.round;
  return { round, roundAge: now - start, attempts: attempts.size, lockouts, tipAge: now - previousTimestamp(state) };
}
