/** Waiting: what a client's pace comes from. */

import { setTimeout as wait } from 'node:timers/promises';

/** Measures and waits, in milliseconds of real time. */
export interface Timer {
  /** A time that only grows. */
  now(): number;
  /** Waits; rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node waits at most this long at a time. */
const LONGEST_MS = 2 ** 31 - 1;

/** The host's timer. */
export const systemTimer: Timer = {
  now: () => performance.now(),
  sleep: (ms, signal) => wait(Math.min(LONGEST_MS, Math.max(0, ms)), undefined, signal && { signal }),
};
