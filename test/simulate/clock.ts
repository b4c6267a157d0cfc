/** The clock of a simulated host: it drifts, and somebody steps it. */

import type { Clock } from '../../src/time/clock.js';
import type { VirtualTime } from './time.js';

export class SimClock implements Clock {
  readonly speed = 1;
  private base: number;
  private since = 0;
  private rate = 1;

  /** Shows `start`, milliseconds since the Unix epoch, when the story begins. */
  constructor(
    private readonly time: VirtualTime,
    private readonly start: number,
  ) {
    this.base = start;
  }

  now(): bigint {
    return BigInt(Math.floor(this.base + (this.time.now - this.since) * this.rate));
  }

  /** How far it is ahead of the true time, milliseconds. */
  get ahead(): number {
    return Number(this.now()) - Math.floor(this.start + this.time.now);
  }

  step(ms: number): void {
    this.settle();
    this.base += ms;
  }

  /** Runs so much too fast from now on, in millionths. */
  drift(millionths: number): void {
    this.settle();
    this.rate = 1 + millionths / 1_000_000;
  }

  private settle(): void {
    this.base += (this.time.now - this.since) * this.rate;
    this.since = this.time.now;
  }
}
