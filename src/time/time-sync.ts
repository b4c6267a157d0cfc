/** A clock that goes by outside sources of time: it asks them again and again, leaves out those that are wrong, and is never stepped. */

import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { leapSecondIsNear, taiOffsetSeconds } from './leap-seconds.js';
import type { Reading, TimeSourceError } from './reading.js';
import { type TimeSource, timeSource } from './source.js';
import { DEFAULT_TOLERANCE_MS, MOST_SOURCES, SOURCE_FORMS } from './source-spec.js';
import { type Knowledge, TimeKeeper } from './time-keeper.js';

/** How a clock goes by outside time. */
export interface TimeSyncOptions {
  /** `ntp:HOST[:PORT]`, `http://…` or `https://…`: 1 to 16. With three or more, one that is wrong is found out. */
  readonly sources: readonly string[];
  /** How time is counted. `tai`. */
  readonly timescale?: 'tai' | 'utc' | undefined;
  /** How far the clock may be from the right time, milliseconds, above 0 and at most 300,000. 250: half of what a block may be ahead. */
  readonly toleranceMs?: number | undefined;
  /** Where no source can be trusted, the clock goes on by itself and `doubt` says so, in place of going by the system's clock. */
  readonly require?: boolean | undefined;
  /** Hears of it when the state, or that of a source, is another. Must not throw. */
  readonly onChange?: ((status: TimeStatus) => void) | undefined;
}

/** What is known of the time. */
export interface TimeStatus {
  /**
   * `synchronized`: the clock is right, within the tolerance; `settling`: the sources agree, and the clock is being slewed to them; `unsynchronized`:
   * no sources can be trusted, or what they agree on is more than 1,000 s from the system's clock.
   */
  readonly state: 'synchronized' | 'settling' | 'unsynchronized';
  /** How far the clock is ahead of what the sources agree on, milliseconds; undefined where they do not agree. */
  readonly offsetMs: number | undefined;
  /** They may be wrong by this much, milliseconds. */
  readonly uncertaintyMs: number | undefined;
  /** How far the system's clock is ahead of them, milliseconds. */
  readonly systemOffsetMs: number | undefined;
  /** The sources, in the order in which they were given. */
  readonly sources: readonly TimeSourceStatus[];
  /** A source that agrees announces a leap second which the table does not have: the table is out of date. */
  readonly unknownLeapSecond: boolean;
}

/** What a source says. */
export interface TimeSourceStatus {
  /** As it was given; of a URL not what follows the path. */
  readonly name: string;
  /** `uncertain`: not exact enough for the tolerance, or what it said is too old; `differs` from what most say; `silent`: no answer yet. */
  readonly state: 'agrees' | 'differs' | 'uncertain' | 'silent';
  /** How far the clock is ahead of it, milliseconds. */
  readonly offsetMs: number | undefined;
  /** It may be wrong by this much, milliseconds. */
  readonly uncertaintyMs: number | undefined;
  /** How long its last answer took, milliseconds. */
  readonly roundTripMs: number | undefined;
  /** Why it did not answer when it was asked last; undefined where it did. */
  readonly error: string | undefined;
}

/**
 * Sources that are further than this from the system's clock are not believed, milliseconds: ntpd's panic limit. Going by them once would be enough
 * to store a time that is far ahead, behind which the chain can never start again.
 */
const PANIC_MS = 1_000_000;

/** How long a start waits for the sources at most, milliseconds. */
const START_MS = 3_000;

/** How often a source is asked, milliseconds: NTP's least, which public servers expect. Where one does not answer: sooner at first. */
const POLL_MS = 64_000;
const FIRST_RETRY_MS = 2_000;
/** The most that a source can ask for. */
const SELDOM_MS = 1_024_000;

/** How long a source has in all. */
const READ_MS = 6_000;

/** How often the clock is steered, milliseconds. */
const STEER_MS = 1_000;

/** The system's clock was set where it has gone this much more or less than ours within that time, milliseconds. */
const JUMP_MS = 250;

/** A source, and how it does. */
interface Polled {
  readonly source: TimeSource;
  timer?: NodeJS.Timeout | undefined;
  asking?: AbortController | undefined;
  /** Whether it has been asked at all, and has answered or not. */
  tried: boolean;
  /** In a row: no answer, or one that is not exact enough. */
  failures: number;
  pollMs: number;
  reading?: Reading | undefined;
  error?: TimeSourceError | undefined;
}

/**
 * A clock that goes by outside sources of time, in place of the system's: NTP servers, and whatever answers as the World Time API does.
 *
 * What more than half of those that answer agree on is the time; others are left out. The clock is slewed towards it, and never goes back. What the
 * sources said is good for a while after they have fallen silent, less and less; then the clock goes by the system's again.
 *
 * @example
 * ```ts
 * import { TimeSync } from 'hourcoin';
 *
 * const time = new TimeSync({ sources: ['ntp:pool.ntp.org'], timescale: 'utc' });
 * const { state, uncertaintyMs, systemOffsetMs } = await time.start();
 * console.log(`${new Date(Number(time.now())).toISOString()} ± ${uncertaintyMs} ms (${state})`);
 * console.log(`the system's clock is ${systemOffsetMs} ms ahead`);
 * time.stop();
 * ```
 */
export class TimeSync {
  /** As fast as real time. */
  readonly speed = 1;
  private readonly keeper: TimeKeeper;
  private readonly polled: Polled[];
  private readonly timescale: Timescale;
  private readonly toleranceMs: number;
  private readonly require: boolean;
  private readonly onChange: (status: TimeStatus) => void;
  /** The system's clock less the one that only grows, as it was at first. */
  private readonly firstOffset = systemOffset();
  private steering: NodeJS.Timeout | undefined;
  private stopped = false;
  /** The system's clock less the one that only grows, when it was looked at last. */
  private systemOffset = systemOffset();
  private shown = '';
  private heard: () => void = () => {};

  /** Asks nobody yet. Throws a TypeError where a source is none, a RangeError where there are none or too many, or the tolerance is none. */
  constructor(options: TimeSyncOptions) {
    const { sources, timescale = 'tai', toleranceMs = DEFAULT_TOLERANCE_MS } = options;
    if (sources.length < 1 || sources.length > MOST_SOURCES) throw new RangeError(`give 1 to ${MOST_SOURCES} sources`);
    if (!(toleranceMs > 0 && toleranceMs <= 300_000)) {
      throw new RangeError('the tolerance is above 0 and at most 300,000 ms');
    }
    this.polled = sources.map((spec) => {
      const source = timeSource(spec);
      if (source === undefined) throw new TypeError(`${spec} is not a source of time: write ${SOURCE_FORMS}`);
      return { source, tried: false, failures: 0, pollMs: POLL_MS };
    });
    this.timescale = timescale === 'utc' ? Timescale.UTC : Timescale.TAI;
    this.toleranceMs = toleranceMs;
    this.require = options.require ?? false;
    this.onChange = options.onChange ?? (() => {});
    const at = performance.now();
    this.keeper = new TimeKeeper(sources.length, toleranceMs, at, this.systemTime(at), (time, at) =>
      this.believes(time, at),
    );
  }

  /**
   * Asks every source, and waits until most of them agree, all have answered or not, or three seconds are over; `signal` ends the wait. Only here
   * the clock is set at once, by 1,000 s at most: begin to go by it afterwards. Resolves to what is known then. The sources are asked on, about
   * every minute, until `stop`; that does not keep a process from ending.
   */
  async start(signal?: AbortSignal): Promise<TimeStatus> {
    for (const polled of this.polled) void this.ask(polled);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, START_MS);
      signal?.addEventListener('abort', done);
      if (signal?.aborted) done();
      this.heard = () => {
        if (this.polled.every(({ tried }) => tried) || this.mostAgree()) done();
      };
    });
    this.heard = () => {};
    const at = performance.now();
    this.keeper.set(at, this.systemTime(at));
    if (!this.stopped) this.steering = setInterval(() => this.steer(), STEER_MS).unref();
    this.tell();
    return this.status;
  }

  /** Asks nobody any more. The clock goes on as it goes. */
  stop(): void {
    this.stopped = true;
    clearInterval(this.steering);
    for (const { timer, asking } of this.polled) {
      clearTimeout(timer);
      asking?.abort();
    }
  }

  /** Milliseconds since the Unix epoch on the timescale; never less than before, once it was started. */
  now(): bigint {
    return BigInt(Math.floor(this.keeper.now(performance.now())));
  }

  /** Where sources are required: why the time is not to be relied on now; undefined where it is. */
  doubt(): string | undefined {
    if (!this.require) return undefined;
    const { state } = this.keeper.knowledge(performance.now());
    if (state === 'synchronized') return undefined;
    return state === 'settling'
      ? "the validator's clock is being set right"
      : 'the validator does not know the time: none of its time sources can be trusted';
  }

  /** What is known of the time now. */
  get status(): TimeStatus {
    const at = performance.now();
    const { state, ahead, uncertainty, standings } = this.keeper.knowledge(at);
    const system = this.systemTime(at) - this.keeper.now(at);
    const sources = this.polled.map(({ source, reading, error }, index): TimeSourceStatus => {
      const standing = standings[index] as Knowledge['standings'][number];
      return {
        name: source.name,
        state: standing.state,
        offsetMs: standing.ahead && -standing.ahead,
        uncertaintyMs: standing.uncertainty,
        roundTripMs: reading?.roundTrip,
        error: error && shownError(error),
      };
    });
    return {
      state,
      offsetMs: ahead && -ahead,
      uncertaintyMs: uncertainty,
      systemOffsetMs: ahead === undefined ? undefined : system - ahead,
      sources,
      unknownLeapSecond: this.polled.some(
        ({ reading }, index) => sources[index]?.state === 'agrees' && reading !== undefined && isUnknownLeap(reading),
      ),
    };
  }

  /** It is near the system's clock: as that is now, or as it would be had nobody set it since. */
  private believes(time: number, at: number): boolean {
    const unset = this.onTimescale(at + this.firstOffset);
    return [this.systemTime(at), unset].some((near) => Math.abs(time - near) <= PANIC_MS);
  }

  private mostAgree(): boolean {
    const { standings } = this.keeper.knowledge(performance.now());
    return 2 * standings.filter(({ state }) => state === 'agrees').length > standings.length;
  }

  private async ask(polled: Polled): Promise<void> {
    const asking = new AbortController();
    polled.asking = asking;
    const limit = setTimeout(() => asking.abort(), READ_MS).unref();
    const index = this.polled.indexOf(polled);
    try {
      const reading = await polled.source.read(asking.signal);
      const { at, utc, uncertainty } = reading;
      this.keeper.take(index, { at, time: this.onTimescale(utc), uncertainty });
      polled.reading = reading;
      polled.error = undefined;
      // One that has not been exact enough may be next time: a busy host, too, makes answers late.
      polled.failures = uncertainty <= this.toleranceMs ? 0 : polled.failures + 1;
    } catch (error) {
      this.keeper.miss(index);
      polled.error = error as TimeSourceError;
      polled.failures++;
      if (polled.error.wish === 'seldom') polled.pollMs = Math.min(SELDOM_MS, 2 * polled.pollMs);
    } finally {
      clearTimeout(limit);
      polled.asking = undefined;
      polled.tried = true;
    }
    this.heard();
    if (this.stopped) return;
    if (polled.error?.wish !== 'never') this.askLater(polled);
    if (this.steering !== undefined) this.steer();
  }

  private askLater(polled: Polled): void {
    const { failures, error, pollMs } = polled;
    const isSoon = failures > 0 && error?.wish === undefined;
    const wait = isSoon ? Math.min(pollMs, FIRST_RETRY_MS * 2 ** (failures - 1)) : pollMs;
    // A little more or less, or all who were started together would ask together for ever.
    polled.timer = setTimeout(() => void this.ask(polled), wait * (1 + Math.random() / 10)).unref();
  }

  private steer(): void {
    const at = performance.now();
    const before = this.systemOffset;
    this.systemOffset = systemOffset();
    // The system's clock was set; or this host was asleep, of which the clock that only grows knows nothing. The sources know.
    if (Math.abs(this.systemOffset - before) > JUMP_MS) this.askAll(at);
    this.keeper.steer(at, this.require ? undefined : this.systemTime(at));
    this.tell();
  }

  private askAll(at: number): void {
    this.keeper.doubt(at);
    for (const polled of this.polled) {
      if (polled.asking !== undefined || polled.error?.wish !== undefined) continue;
      clearTimeout(polled.timer);
      void this.ask(polled);
    }
  }

  /** Tells of a change, but not of every millisecond. */
  private tell(): void {
    if (this.stopped) return;
    const { status } = this;
    const sources = status.sources.map(({ state, error }) => [state, error]);
    const shown = JSON.stringify([status.state, sources, status.unknownLeapSecond]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.onChange(status);
  }

  /** The system's time on the timescale. */
  private systemTime(at: number): number {
    return this.onTimescale(at + systemOffset());
  }

  private onTimescale(utc: number): number {
    if (this.timescale === Timescale.UTC) return utc;
    return utc + taiOffsetSeconds(BigInt(Math.floor(utc))) * 1_000;
  }
}

/** The system's clock less the one that only grows, milliseconds. */
function systemOffset(): number {
  return Date.now() - performance.now();
}

function shownError({ message, wish }: TimeSourceError): string {
  return wish === 'never' ? `${message}, and is not asked again until a restart` : message;
}

function isUnknownLeap({ leap, utc }: Reading): boolean {
  if (leap === undefined || leap === 'none') return false;
  return leap === 'left out' || !leapSecondIsNear(BigInt(Math.floor(utc)));
}
