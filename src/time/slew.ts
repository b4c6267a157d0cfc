/**
 * A clock that is set right by running a little faster or slower, and never steps. It reads no clock itself: every call is given the time that
 * has passed, milliseconds on a clock that only grows.
 */

/** An error is to be gone in about this long, milliseconds. */
const SETTLE_MS = 60_000;

/** The last bit of an error is gone at this rate: half of what miners allow a clock to drift. */
const SLOWEST = 0.0005;

/**
 * At most twice as fast: a miner that goes by what the clock told before then stamps too early, which the window has room for.
 * At most a tenth slower: it then stamps ahead of the clock, for which there is half a second.
 */
const MOST_FORWARD = 1;
const MOST_BACK = 0.1;

export class Slew {
  /** How much is still to be made up for, and how much of it in a millisecond. */
  private error = 0;
  private rate = 0;
  private last: number;

  /** Shows a time, milliseconds, at a moment. */
  constructor(
    private at: number,
    private time: number,
  ) {
    this.last = time;
  }

  /** The time at a moment, milliseconds; moments only grow. Never less than before. */
  now(at: number): number {
    const passed = at - this.at;
    const made = Math.sign(this.error) * Math.min(Math.abs(this.error), this.rate * passed);
    // Rounding alone could take it back, by less than a microsecond.
    this.last = Math.max(this.last, this.time + passed + made);
    return this.last;
  }

  /** From this moment on it makes for what would be right now, milliseconds. */
  steer(at: number, right: number): void {
    this.time = this.now(at);
    this.at = at;
    this.error = right - this.time;
    const most = this.error > 0 ? MOST_FORWARD : MOST_BACK;
    this.rate = Math.min(most, Math.max(SLOWEST, Math.abs(this.error) / SETTLE_MS));
  }
}
