/** Clocks: the only place where time comes from. */

import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { utcToTai } from './leap-seconds.js';

/** Tells the time. */
export interface Clock {
  /** Milliseconds since the Unix epoch, on the clock's timescale. */
  now(): bigint;
  /** How many times as fast as real time it runs. */
  readonly speed: number;
  /** Why its time is not to be relied on now, so that no block is judged by it; undefined where it is. */
  doubt?(): string | undefined;
}

/** The system's time on a timescale, milliseconds. */
export function systemTime(timescale: Timescale): bigint {
  const utc = BigInt(Date.now());
  return timescale === Timescale.UTC ? utc : utcToTai(utc);
}

/** The system's clock: it follows every correction that the host makes. */
export function systemClock(timescale: Timescale): Clock {
  return { speed: 1, now: () => systemTime(timescale) };
}

/** A clock that starts at a time and runs at a speed of its own, whatever the host's clock does. For trials. */
export function acceleratedClock(start: bigint, speed: number): Clock {
  const origin = performance.now();
  return { speed, now: () => start + BigInt(Math.floor((performance.now() - origin) * speed)) };
}
