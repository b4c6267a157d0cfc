/** How long to wait before asking again, where a validator cannot be reached. */

const SHORTEST_MS = 250;
const LONGEST_MS = 10_000;

/** Waits that grow from 250 ms to 10 s, jittered, so that many clients do not come back at once. */
export class Backoff {
  private longest = 2 * SHORTEST_MS;

  /** `random` gives numbers from 0 to 1. */
  constructor(private readonly random: () => number = Math.random) {}

  /** The next wait, milliseconds. */
  next(): number {
    const wait = SHORTEST_MS + this.random() * (this.longest - SHORTEST_MS);
    this.longest = Math.min(LONGEST_MS, 2 * this.longest);
    return Math.round(wait);
  }

  /** Begins again: the validator has answered. */
  reset(): void {
    this.longest = 2 * SHORTEST_MS;
  }
}
