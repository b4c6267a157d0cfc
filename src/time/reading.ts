/** What a source of time answers, or why it does not. */

/** What a source has answered. */
export interface Reading {
  /** When the answer came, milliseconds on the clock of `performance.now()`. */
  readonly at: number;
  /** UTC at that moment, milliseconds since the Unix epoch, with fractions. */
  readonly utc: number;
  /** UTC is at most this much more or less, milliseconds. */
  readonly uncertainty: number;
  /** How long the answer took, milliseconds. */
  readonly roundTrip: number;
  /** Whether a second is announced to be inserted at the end of the month, or left out; undefined where the source tells nothing of it. */
  readonly leap?: 'none' | 'inserted' | 'left out' | undefined;
}

/** What is no time at all, however a source came to say it, lies outside of these years. */
const EARLIEST = Date.parse('2020-01-01');
const LATEST = Date.parse('2200-01-01');

/** Whether it can be the time, milliseconds UTC since the Unix epoch: from 2020 to 2200. */
export function isPossible(utc: number): boolean {
  return utc >= EARLIEST && utc < LATEST;
}

/** A source has not answered, or not with a time. */
export class TimeSourceError extends Error {
  override readonly name = 'TimeSourceError';

  /** `wish`: what the source has asked for: to be asked more seldom, or never again. */
  constructor(
    message: string,
    readonly wish?: 'seldom' | 'never',
  ) {
    super(message);
  }
}
