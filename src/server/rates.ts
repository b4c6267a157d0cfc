/** How often something may happen, for each of many names: so often a second, and a second's worth at once. */

const SECOND_MS = 1_000;

/** How long a name is remembered at least, milliseconds, unless there are too many of them. */
const KEPT_MS = 60_000;

/** Names that are remembered at most are twice as many: whoever has been quiet is forgotten first. */
const MOST_NAMES = 50_000;

export class Rates {
  private readonly everyMs: number;
  /** When the next one of each name would be due, had they come evenly: of those that came lately, and of those before them. */
  private recent = new Map<string, number>();
  private earlier = new Map<string, number>();
  private turnedAt = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number) {
    this.everyMs = SECOND_MS / perSecond;
  }

  /** Counts one, and says how long it has to wait, whole milliseconds: 0 is now. */
  take(name: string, now: number): number {
    if (now - this.turnedAt >= KEPT_MS || this.recent.size >= MOST_NAMES) {
      this.earlier = this.recent;
      this.recent = new Map();
      this.turnedAt = now;
    }
    const due = Math.max(this.due(name), now) + this.everyMs;
    this.recent.set(name, due);
    return waitFor(due, now);
  }

  /** Counts one unless it would have to wait: how long then, whole milliseconds. */
  tryTake(name: string, now: number): number {
    return waitFor(this.due(name) + this.everyMs, now) || this.take(name, now);
  }

  /** One that was counted last was not to be. */
  giveBack(name: string): void {
    this.recent.set(name, this.due(name) - this.everyMs);
  }

  private due(name: string): number {
    return this.recent.get(name) ?? this.earlier.get(name) ?? 0;
  }
}

/** Less than a microsecond is none: that is how far sums of fractions go wrong. */
function waitFor(due: number, now: number): number {
  return Math.max(0, Math.ceil(due - now - SECOND_MS - 0.001));
}
