/** A clock that stands where a test puts it. */

import type { Clock } from '../../src/time/clock.js';

export class TestClock implements Clock {
  readonly speed = 1;

  constructor(public time = 1_762_800_000_000n) {}

  now(): bigint {
    return this.time;
  }

  advance(ms: bigint | number): void {
    this.time += BigInt(ms);
  }
}
