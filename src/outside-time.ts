/** The outside time that a validator goes by, if it does: what its operator has said of it, and what is logged of it. */

import { Timescale } from '../gen/hourcoin/v1/validator_service.js';
import { StartError } from './doors.js';
import type { Log } from './server/log.js';
import type { StoredChain } from './store/store.js';
import { LEAP_SECOND_TABLE } from './time/leap-seconds.js';
import { disagreement } from './time/time-keeper.js';
import { type TimeSourceStatus, type TimeStatus, TimeSync } from './time/time-sync.js';

/** Whose time a validator goes by. */
export interface TimeOptions {
  /**
   * `system`, or 1 to 16 of `ntp:HOST[:PORT]`, `http://…` and `https://…`, which answers as the World Time API does. With three or more, one that is
   * wrong is found out. The system's clock.
   */
  readonly timeSource?: readonly string[] | undefined;
  /** How far the clock may be from the right time and still be trusted, milliseconds, above 0 and at most 300,000. 250. */
  readonly timeTolerance?: number | undefined;
  /** Take no submissions while no source can be trusted, in place of going by the system's clock. */
  readonly requireTime?: boolean | undefined;
}

/**
 * The clock that the options ask for, for a chain that is stored or that they are to begin; undefined where they ask for the system's. It is not
 * started. Throws a StartError.
 */
export function outsideTime(
  options: TimeOptions & { readonly timescale?: 'tai' | 'utc' | undefined; readonly clockSpeed?: number | undefined },
  stored: StoredChain | undefined,
  log: Log,
): TimeSync | undefined {
  const { timeSource = ['system'], timeTolerance: toleranceMs, requireTime = false } = options;
  if (timeSource.length === 1 && timeSource[0] === 'system') {
    if (requireTime) throw new StartError('time can be required of outside sources only: name some with --time-source');
    return undefined;
  }
  if (timeSource.includes('system')) {
    throw new StartError('the system is no source among others: it is gone by where none of them can be trusted');
  }
  const clockSpeed = stored?.clockSpeed ?? options.clockSpeed ?? 1;
  if (clockSpeed !== 1) {
    throw new StartError(
      `a clock that runs ${clockSpeed} times as fast as real time cannot go by outside time: leave --time-source out`,
    );
  }
  const stores = stored?.parameters.timescale === Timescale.UTC ? 'utc' : 'tai';
  const timescale = stored === undefined ? options.timescale : stores;
  const logger = new TimeLog(log, requireTime);
  const onChange = (status: TimeStatus): void => logger.show(status);
  try {
    return new TimeSync({ sources: timeSource, timescale, toleranceMs, require: requireTime, onChange });
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new StartError(error.message);
    throw error;
  }
}

/** Says where the leap seconds that TAI is counted by may be out of date. It is no warning to those who go by a clock that nobody checks. */
export function checkLeapSeconds(timescale: Timescale, time: TimeSync | undefined, now: bigint, log: Log): void {
  const { source, expires } = LEAP_SECOND_TABLE;
  if (timescale !== Timescale.TAI || now < expires) return;
  const text = `The table of leap seconds has expired (${source}): a later version of this program may know more of them`;
  if (time === undefined) log.info(text);
  else log.warn(text);
}

/** Logs what is new in a status. */
class TimeLog {
  private last: TimeStatus | undefined;

  constructor(
    private readonly log: Log,
    private readonly isRequired: boolean,
  ) {}

  show(status: TimeStatus): void {
    const { last } = this;
    this.last = status;
    for (const [index, source] of status.sources.entries()) this.showSource(source, last?.sources[index]);
    if (status.unknownLeapSecond && !last?.unknownLeapSecond) {
      this.log.warn(
        'A leap second is announced that this program does not know: install a later version before the month ends',
      );
    }
    const isNew = status.state !== last?.state || isTooFar(status) !== isTooFar(last);
    if (isNew) this.showState(status);
  }

  private showState(status: TimeStatus): void {
    const { state, sources, offsetMs = 0, uncertaintyMs = 0, systemOffsetMs = 0 } = status;
    const then = this.isRequired ? 'no submissions are taken' : "going by the system's clock";
    if (isTooFar(status)) {
      this.log.error(
        `The system's clock is ${aheadOrBehind(systemOffsetMs)} the time sources, too far for these to be believed: ${then}. ` +
          "Set the system's clock, as with the host's own NTP service, then start again; or name other sources",
      );
    } else if (state === 'unsynchronized') {
      const apart = disagreement(sources);
      const why = apart === undefined ? '' : `, as the sources differ from each other by ${seconds(apart)}`;
      this.log.warn(`No time source can be trusted${why}: ${then}`);
    } else if (state === 'settling') {
      this.log.warn(`The clock is ${aheadOrBehind(offsetMs)} the time sources: it is being set right, without a step`);
    } else {
      const names = sources.filter(({ state }) => state === 'agrees').map(({ name }) => name);
      const system = `the system's clock is ${aheadOrBehind(systemOffsetMs)} it`;
      this.log.info(`The time is that of ${names.join(', ')}, ± ${seconds(uncertaintyMs)}: ${system}`);
    }
  }

  private showSource(
    { name, state, offsetMs = 0, uncertaintyMs = 0, error }: TimeSourceStatus,
    last?: TimeSourceStatus,
  ): void {
    if (error !== undefined && error !== last?.error)
      this.log.warn(`The time source ${name} has not answered: ${error}`);
    if (error === undefined && last?.error !== undefined) this.log.info(`The time source ${name} answers again`);
    if (state === last?.state) return;
    if (state === 'differs') {
      this.log.warn(`The time source ${name} is left out: the clock is ${aheadOrBehind(offsetMs)} it`);
    } else if (state === 'uncertain') {
      this.log.warn(`The time source ${name} is left out: it may be wrong by ${seconds(uncertaintyMs)}`);
    }
  }
}

/** The sources agree, but on a time that is not believed. */
function isTooFar(status: TimeStatus | undefined): boolean {
  return status?.state === 'unsynchronized' && status.offsetMs !== undefined;
}

/** So much `ahead of` something, where milliseconds are positive. */
function aheadOrBehind(ms: number): string {
  return `${seconds(Math.abs(ms))} ${ms >= 0 ? 'ahead of' : 'behind'}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`;
}
