/** `hourcoin time`: holds this host's clock against sources of time and a validator. */

import { setMaxListeners } from 'node:events';
import { type RoundInfo, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { connectTo } from '../client/connect.js';
import { WINDOW_FUTURE_MS, WINDOW_PAST_MS } from '../engine/step.js';
import { systemTime } from '../time/clock.js';
import type { TimeSourceError } from '../time/reading.js';
import { timeSource } from '../time/source.js';
import { MOST_SOURCES } from '../time/source-spec.js';
import { disagreement, TimeKeeper } from '../time/time-keeper.js';
import { TIMESCALE_NAMES } from '../wire/answers.js';
import { type CredentialOptions, readCredentials, rightly } from './credentials.js';
import { ExitError } from './exit.js';
import { plainJson } from './json.js';
import { colour, harmless, say } from './text.js';

export interface TimeArguments extends CredentialOptions {
  readonly timeSource: readonly string[];
  readonly timeTolerance: number;
  readonly json?: boolean | undefined;
}

/** How long a source has, milliseconds. */
const READ_MS = 6_000;

/** How often a validator is asked: the fastest answer says most, and the first one waits for the connection. */
const ROUNDS = 4;

/** How far this host is ahead of somebody, in milliseconds; behind where it is less than 0. */
interface Measured {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly roundTripMs: number;
}

/** A source that was asked. */
interface AskedSource extends Partial<Measured> {
  readonly name: string;
  readonly state: string;
  readonly error: string | undefined;
}

/** A validator that was asked. */
interface AskedValidator extends Partial<Measured> {
  readonly address: string;
  readonly timescale: Timescale;
  readonly clockSpeed: number;
}

/** All that was found. */
interface Found {
  readonly host: string;
  readonly sources: readonly AskedSource[];
  /** What most of the sources say. */
  readonly agreed: Omit<Measured, 'roundTripMs'> | undefined;
  readonly validator: AskedValidator | undefined;
  /** Whether a block that is made now by this host's clock is in the window; undefined where that cannot be told. */
  readonly inWindow: boolean | undefined;
  readonly good: boolean;
}

export async function runTime(address: string | undefined, args: TimeArguments): Promise<void> {
  const specs = args.timeSource.filter((spec) => spec !== 'system');
  if (specs.length > MOST_SOURCES) throw new ExitError(`give at most ${MOST_SOURCES} sources`, 2);
  const [{ sources, agreed }, validator] = await Promise.all([
    askSources(specs, args.timeTolerance),
    address === undefined ? undefined : askValidator(address, args),
  ]);
  // What a block would be held against: the validator's clock, or one that is right.
  const offsetMs = validator === undefined ? agreed?.offsetMs : validator.offsetMs;
  const inWindow = offsetMs === undefined ? undefined : isInWindow(offsetMs);
  const isRight = specs.length === 0 || (agreed !== undefined && isInWindow(agreed.offsetMs));
  const good = isRight && inWindow !== false;
  const found: Found = { host: new Date().toISOString(), sources, agreed, validator, inWindow, good };
  if (args.json) say(JSON.stringify(plainJson(found), null, 2));
  else show(found);
  if (inWindow === false) throw new ExitError("a block made now by this host's clock would be refused");
  if (agreed === undefined && !isRight) throw new ExitError('what the right time is cannot be told');
  if (!isRight) throw new ExitError("this host's clock is wrong, though the validator goes by it");
}

function isInWindow(aheadMs: number): boolean {
  return aheadMs <= Number(WINDOW_FUTURE_MS) && aheadMs >= -Number(WINDOW_PAST_MS);
}

/** Asks every source once, and holds this host's clock against what most of them say. */
async function askSources(specs: readonly string[], tolerance: number): Promise<Pick<Found, 'sources' | 'agreed'>> {
  const host = (at: number): number => at + Date.now() - performance.now();
  const began = performance.now();
  const keeper = new TimeKeeper(specs.length, tolerance, began, host(began));
  const asking = new AbortController();
  // Every source listens to it: Node would take more than ten for a leak.
  setMaxListeners(0, asking.signal);
  const limit = setTimeout(() => asking.abort(), READ_MS);
  const answers = await Promise.all(
    specs.map(async (spec, index) => {
      const source = timeSource(spec);
      if (source === undefined) throw new ExitError(`${spec} is not a source of time`, 2);
      try {
        const { at, utc, uncertainty, roundTrip } = await source.read(asking.signal);
        keeper.take(index, { at, time: utc, uncertainty });
        return { name: source.name, roundTripMs: roundTrip };
      } catch (error) {
        return { name: source.name, error: (error as TimeSourceError).message };
      }
    }),
  );
  clearTimeout(limit);
  const at = performance.now();
  // The keeper's clock has gone on from when it was begun: the host's may have been set since.
  const set = host(at) - keeper.now(at);
  const { ahead, uncertainty: uncertaintyMs, standings } = keeper.knowledge(at);
  const sources = answers.map(({ name, error, roundTripMs }, index): AskedSource => {
    const { state = 'silent', ahead, uncertainty: uncertaintyMs } = standings[index] ?? {};
    return { name, state, error, offsetMs: ahead === undefined ? ahead : set - ahead, uncertaintyMs, roundTripMs };
  });
  const isAgreed = ahead !== undefined && uncertaintyMs !== undefined;
  return { sources, agreed: isAgreed ? { offsetMs: set - ahead, uncertaintyMs } : undefined };
}

/** Asks a validator for its time. One that does not tell it, or whose clock runs at a speed of its own, is not measured. */
async function askValidator(address: string, options: CredentialOptions): Promise<AskedValidator> {
  const credentials = readCredentials(options);
  const client = rightly(() => connectTo(address, undefined, credentials));
  try {
    let best: Measured | undefined;
    let round: RoundInfo | undefined;
    for (let asked = 0; asked < ROUNDS; asked++) {
      const began = performance.now();
      round = await client.getRoundInfo('time');
      const roundTripMs = performance.now() - began;
      if (round.round === 0n || round.clockSpeed !== 1) break;
      // It told whole milliseconds, somewhere between the question and the answer; so does this host.
      const host = Number(systemTime(round.timescale)) - roundTripMs / 2;
      const measured = { offsetMs: host - Number(round.serverTime), uncertaintyMs: roundTripMs / 2 + 1, roundTripMs };
      if (best === undefined || roundTripMs < best.roundTripMs) best = measured;
    }
    const { timescale = Timescale.UNRECOGNIZED, clockSpeed = 1 } = round ?? {};
    return { address, timescale, clockSpeed, ...best };
  } finally {
    client.close();
  }
}

function show({ host, sources, agreed, validator, inWindow }: Found): void {
  say(`This host: ${host}`);
  for (const { name, state, error, ...measured } of sources) {
    say(`Source:    ${harmless(name)}: ${error === undefined ? `${shown(measured)}, ${state}` : harmless(error)}`);
  }
  if (agreed !== undefined) say(`Sources:   ${shown(agreed)}`);
  else if (sources.length > 0) say(colour('red', `Sources:   none can be trusted${whyNone(sources)}`));
  if (validator !== undefined) showValidator(validator, agreed);
  if (inWindow === undefined) return;
  const whose = validator === undefined ? 'a validator whose clock is right' : 'that validator';
  const text = `a block made now by this host's clock is ${inWindow ? 'in' : 'outside'} the window of ${whose}`;
  const window = `${WINDOW_PAST_MS} ms behind to ${WINDOW_FUTURE_MS} ms ahead`;
  say(colour(inWindow ? 'green' : 'red', `Window:    ${text}: ${window}`));
}

function whyNone(sources: readonly AskedSource[]): string {
  const apart = disagreement(sources);
  return apart === undefined ? '' : `: they differ from each other by ${milliseconds(apart)}`;
}

function showValidator(validator: AskedValidator, agreed: Found['agreed']): void {
  const { address, timescale, clockSpeed, offsetMs, uncertaintyMs = 0 } = validator;
  const name = `Validator: ${address} (${TIMESCALE_NAMES[timescale] ?? 'no timescale told'})`;
  if (clockSpeed !== 1) return say(`${name}: its clock runs ${clockSpeed} times as fast as real time: miners go by it`);
  if (offsetMs === undefined) return say(`${name}: it does not tell its time`);
  say(`${name}: ${shown(validator)}`);
  if (agreed === undefined) return;
  const doubt = milliseconds(agreed.uncertaintyMs + uncertaintyMs);
  say(`           it is ${aheadOrBehind(agreed.offsetMs - offsetMs)} the sources ± ${doubt}`);
}

function shown({ offsetMs = 0, uncertaintyMs = 0, roundTripMs }: Partial<Measured>): string {
  const took = roundTripMs === undefined ? '' : `, round trip ${milliseconds(roundTripMs)}`;
  return `this host is ${aheadOrBehind(offsetMs)} it ± ${milliseconds(uncertaintyMs)}${took}`;
}

function aheadOrBehind(ms: number): string {
  return `${milliseconds(Math.abs(ms))} ${ms >= 0 ? 'ahead of' : 'behind'}`;
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
