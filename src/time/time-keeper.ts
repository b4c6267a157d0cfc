/**
 * What time it is, as far as several sources tell: their readings go in, a clock that is never stepped comes out. It reads no clock itself, but
 * is given the moment, milliseconds on a clock that only grows. Times are milliseconds on the timescale of whoever uses it.
 */

import { agreement, type Bounds, overlap } from './agreement.js';
import { Slew } from './slew.js';

/** How much a host's oscillator may be wrong: 100 millionths. What was read a while ago is worth that much less. */
const DRIFT = 0.0001;

/**
 * None is more exact than this part of the tolerance, whatever it says of itself: good servers are some milliseconds apart, and those that leave
 * out how far they are from their own source would all seem to lie.
 */
const MOST_EXACT = 1 / 20;

/** What a source has said last. */
export interface Told {
  /** The moment. */
  readonly at: number;
  /** The time at that moment. */
  readonly time: number;
  /** It is at most this much more or less, milliseconds. */
  readonly uncertainty: number;
}

/** What a source is worth at a moment. */
export interface Standing {
  /** `silent`: it has not answered; `uncertain`: it is not exact enough, or what it said is too old; `differs`: from what most say. */
  readonly state: 'agrees' | 'differs' | 'uncertain' | 'silent';
  /** What it says the time is, more than the clock, milliseconds; undefined where it has not answered. */
  readonly ahead: number | undefined;
  readonly uncertainty: number | undefined;
}

/** What is known of the time at a moment. */
export interface Knowledge {
  /** `synchronized`: the clock is right, within the tolerance; `settling`: it is being made so; `unsynchronized`: no sources can be trusted. */
  readonly state: 'synchronized' | 'settling' | 'unsynchronized';
  /** What the sources agree on, less the clock, be it believed or not; undefined where they do not. */
  readonly ahead: number | undefined;
  readonly uncertainty: number | undefined;
  readonly standings: readonly Standing[];
}

export class TimeKeeper {
  private readonly told: (Told | undefined)[];
  /** What was told before this moment is doubtful. */
  private doubtedUntil = Number.NEGATIVE_INFINITY;
  private slew: Slew;

  /**
   * Of so many sources, to be right within a tolerance in milliseconds. The clock shows `time` at first. `believes`: whether what the sources agree
   * on may be the time at a moment.
   */
  constructor(
    sources: number,
    private readonly tolerance: number,
    at: number,
    time: number,
    private readonly believes: (time: number, at: number) => boolean = () => true,
  ) {
    this.told = new Array(sources).fill(undefined);
    this.slew = new Slew(at, time);
  }

  /** The clock's time. */
  now(at: number): number {
    return this.slew.now(at);
  }

  /** Sets the clock, as long as nobody goes by it: to what the sources agree on, or to another time where that is not believed. */
  set(at: number, otherwise: number): void {
    this.slew = new Slew(at, this.believed(at) ?? otherwise);
  }

  /** Brings the clock nearer to what the sources agree on, or to another time where that is not believed: without one it goes on by itself. */
  steer(at: number, otherwise?: number): void {
    this.slew.steer(at, this.believed(at) ?? otherwise ?? this.slew.now(at));
  }

  /** A source has answered. What it said before stays where it is still more exact, and the same. */
  take(source: number, { at, time, uncertainty }: Told): void {
    const told = { at, time, uncertainty: Math.max(uncertainty, MOST_EXACT * this.tolerance) };
    const before = this.told[source];
    const isBetter =
      before !== undefined &&
      before.at >= this.doubtedUntil &&
      worth(before, told.at) < told.uncertainty &&
      overlap(bounds(before, told.at), bounds(told, told.at));
    if (!isBetter) this.told[source] = told;
  }

  /** A source has not answered. What it said before stays, unless it is doubtful. */
  miss(source: number): void {
    const before = this.told[source];
    if (before !== undefined && before.at < this.doubtedUntil) this.told[source] = undefined;
  }

  /** More time may have passed than is known, as where the host was asleep: what was told is good only until the sources were asked again. */
  doubt(at: number): void {
    this.doubtedUntil = at;
  }

  /** What is known at a moment. */
  knowledge(at: number): Knowledge {
    const clock = this.now(at) - at;
    const agreed = this.agreed(at);
    const standings = this.told.map((told): Standing => {
      if (told === undefined) return { state: 'silent', ahead: undefined, uncertainty: undefined };
      const uncertainty = worth(told, at);
      const ahead = told.time - told.at - clock;
      if (uncertainty > this.tolerance) return { state: 'uncertain', ahead, uncertainty };
      const agrees = agreed !== undefined && overlap(agreed, bounds(told, at));
      return { state: agrees ? 'agrees' : 'differs', ahead, uncertainty };
    });
    if (agreed === undefined) return { state: 'unsynchronized', ahead: undefined, uncertainty: undefined, standings };
    const ahead = middle(agreed) - clock;
    const uncertainty = (agreed.high - agreed.low) / 2;
    const isRight = Math.abs(ahead) + uncertainty <= this.tolerance;
    const known = isRight ? 'synchronized' : 'settling';
    const state = this.believed(at) === undefined ? 'unsynchronized' : known;
    return { state, ahead, uncertainty, standings };
  }

  /** The time by what the sources agree on; undefined where they do not, or that is not believed. */
  private believed(at: number): number | undefined {
    const agreed = this.agreed(at);
    if (agreed === undefined) return undefined;
    const time = at + middle(agreed);
    return this.believes(time, at) ? time : undefined;
  }

  /** What most of those sources say that are exact enough: the time less the moment. */
  private agreed(at: number): Bounds | undefined {
    const usable = this.told.filter((told) => told !== undefined && worth(told, at) <= this.tolerance) as Told[];
    const agreed = agreement(usable.map((told) => bounds(told, at)));
    return agreed !== undefined && agreed.high - agreed.low <= 2 * this.tolerance ? agreed : undefined;
  }
}

/** How far apart they are that differ, milliseconds; undefined where fewer than two do. */
export function disagreement(
  sources: readonly { readonly state: string; readonly offsetMs?: number | undefined }[],
): number | undefined {
  const offsets = sources.flatMap(({ state, offsetMs }) =>
    state === 'differs' && offsetMs !== undefined ? [offsetMs] : [],
  );
  return offsets.length < 2 ? undefined : Math.max(...offsets) - Math.min(...offsets);
}

/** How uncertain it is by now. */
function worth({ at: then, uncertainty }: Told, at: number): number {
  return uncertainty + DRIFT * (at - then);
}

function bounds(told: Told, at: number): Bounds {
  const offset = told.time - told.at;
  return { low: offset - worth(told, at), high: offset + worth(told, at) };
}

function middle({ low, high }: Bounds): number {
  return (low + high) / 2;
}
