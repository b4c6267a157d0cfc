/**
 * Bounds gRPC requests that have not arrived whole: grpc-js keeps what has arrived of each for as long as its client likes. A request that takes
 * too long is ended; where there are too many, so is the oldest that has had a fair chance.
 */

import { LIMITS } from '../engine/limits.js';

/** How old a request must be to be ended because there are too many, milliseconds: an honest one is whole at once. */
const FAIR_MS = 250;

/** A call whose request may be ended before it has arrived. */
export interface Unfinished {
  /** Ends the call: its request did not arrive in time. */
  expire(): void;
}

/** The calls of a server whose requests have begun to arrive. */
export class UnfinishedRequests {
  /** Since when each has been arriving, in the order in which they began. */
  private readonly since = new Map<Unfinished, number>();
  private readonly timer = setInterval(() => {
    this.expire(this.patience, 0);
    this.expire(FAIR_MS, LIMITS.unfinishedRequests);
  }, FAIR_MS).unref();

  /** `patience`: how long a request may take to arrive, milliseconds. */
  constructor(private readonly patience: number) {}

  /** A call's request begins to arrive; a stream's next one does, where one has just arrived. */
  begin(call: Unfinished): void {
    this.since.delete(call);
    this.since.set(call, performance.now());
    if (this.since.size > LIMITS.unfinishedRequests) this.expire(FAIR_MS, LIMITS.unfinishedRequests);
  }

  /** A call's request has arrived whole, or nobody waits for it any more. */
  finish(call: Unfinished): void {
    this.since.delete(call);
  }

  /** Ends the watch over them. */
  close(): void {
    clearInterval(this.timer);
  }

  /** Ends those that are older than so many milliseconds, as long as there are more than `spared`. */
  private expire(age: number, spared: number): void {
    const latest = performance.now() - age;
    for (const [call, since] of this.since) {
      if (this.since.size <= spared || since > latest) break;
      this.since.delete(call);
      call.expire();
    }
  }
}
