/** A timer that stands still until the test lets time pass, on the validator's clock too. */

import type { Timer } from '../../src/time/timer.js';
import type { TestClock } from './clock.js';
import { until } from './wait.js';

interface Sleeper {
  readonly due: number;
  wake(): void;
}

export class TestTimer implements Timer {
  private time = 0;
  private readonly sleepers = new Set<Sleeper>();

  constructor(private readonly clock: TestClock) {}

  now(): number {
    return this.time;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const leave = (): void => {
        this.sleepers.delete(sleeper);
        signal?.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        leave();
        reject(signal?.reason);
      };
      const sleeper = {
        due: this.time + ms,
        wake: () => {
          leave();
          resolve();
        },
      };
      this.sleepers.add(sleeper);
      signal?.addEventListener('abort', abort);
    });
  }

  /** Waits until somebody sleeps. */
  asleep(): Promise<void> {
    return until(() => this.sleepers.size > 0, 'somebody sleeps');
  }

  /** Waits until somebody sleeps, and lets time pass until the first one wakes. Returns how long that was. */
  async pass(): Promise<number> {
    await this.asleep();
    return this.skip();
  }

  /** Lets time pass until the first of those who sleep wakes; none where nobody does. Returns how long that was. */
  skip(): number {
    if (this.sleepers.size === 0) return 0;
    const ms = Math.min(...[...this.sleepers].map(({ due }) => due)) - this.time;
    this.advance(ms);
    return ms;
  }

  /** Lets time pass, milliseconds, and wakes whoever has slept enough. */
  advance(ms: number): void {
    this.time += ms;
    this.clock.advance(Math.ceil(ms));
    for (const sleeper of [...this.sleepers]) if (sleeper.due <= this.time) sleeper.wake();
  }
}
