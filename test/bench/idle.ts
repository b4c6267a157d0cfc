/** Idle connections on JSON/TCP: what they take, whether it comes back, and whether others notice them. Beside a bare echo of the same frames. */

import { end, start, startValidator, temporaryFolder } from '../support/programs.js';
import { type Measured, median, middle, resident, type Side, script, underLoad } from './measure.js';
import type { Benchmark, Row } from './row.js';

/** As many as a validator serves (LIMITS.connections), but for some that come and go beside them. */
const ALL = 9_900;

/** How long the validator may take to give memory back, milliseconds: it looks every ten seconds. */
const PATIENCE_MS = 15_000;

/** What a server took before, with and after the idle connections, bytes; and how long others waited before and with them. */
interface Visit {
  readonly before: number;
  readonly with: number;
  readonly after: number;
  /** Until it was given back, or was waited for no more. */
  readonly seconds: number;
  readonly fresh: Waits;
  readonly kept: Waits;
}

/** Of one client, one request at a time. */
interface Waits {
  readonly without: Measured;
  readonly with: Measured;
}

export const idle: Benchmark = {
  name: 'idle',
  async *rows({ seconds, rounds }) {
    // Opening them all takes longer than a smoke may.
    const connections = seconds > 1 ? ALL : 1_000;
    const ours: Visit[] = [];
    const theirs: Visit[] = [];
    for (let i = 0; i < rounds; i++) {
      // A server that has had no crowd yet: one that has reuses what it took then.
      const folder = temporaryFolder();
      const validator = await startValidator(folder.path, ['--log-level', 'warn']);
      const echo = start(process.execPath, [script('floor'), 'json']);
      try {
        const [, floor] = await echo.printed(/^listening on (\S+)$/m);
        const side = { server: validator, address: validator.jsonTcp };
        ours.push(await visit(side, connections, seconds / 2, PATIENCE_MS));
        theirs.push(await visit({ server: echo, address: String(floor) }, connections, seconds / 2, 0));
      } finally {
        await Promise.all([end(validator, 'SIGKILL'), end(echo, 'SIGKILL')]);
        folder.remove();
      }
    }
    yield* memoryRows(connections, ours, theirs);
    const beside = `beside ${connections.toLocaleString('en')} idle connections`;
    yield waitRow(`a new client ${beside}: connects and asks`, ours, theirs, ({ fresh }) => fresh);
    yield waitRow(`a connected client ${beside}: asks`, ours, theirs, ({ kept }) => kept);
  },
};

async function visit(side: Side, connections: number, effort: number, patienceMs: number): Promise<Visit> {
  const waits = async (fresh: boolean): Promise<Measured> =>
    underLoad(side.server, {
      wire: 'json-tcp',
      address: side.address,
      connections: 1,
      inFlight: 1,
      seconds: effort,
      requests: ['{"GetRoundInfo":{"miner_id":"alice"}}'],
      fresh,
    });
  const keptWithout = await waits(false);
  const before = resident(side.server);
  const crowd = start(process.execPath, [script('crowd'), side.address, String(connections)]);
  await crowd.printed(/^open$/m);
  const keptWith = await waits(false);
  const took = resident(side.server);
  const freshWith = await waits(true);
  await end(crowd, 'SIGKILL');
  const left = performance.now();
  // Nobody tells the server to collect garbage: it serves on, as an operator's does.
  do await waits(false);
  while (resident(side.server) > before + (took - before) / 10 && performance.now() - left < patienceMs);
  const after = resident(side.server);
  const seconds = (performance.now() - left) / 1_000;
  return {
    before,
    with: took,
    after,
    seconds,
    fresh: { without: await waits(true), with: freshWith },
    kept: { without: keptWithout, with: keptWith },
  };
}

function* memoryRows(connections: number, ours: readonly Visit[], theirs: readonly Visit[]): Generator<Row, void> {
  const of = (visits: readonly Visit[], figure: (visit: Visit) => number): number => median(visits.map(figure));
  const each = (visit: Visit): number => (visit.with - visit.before) / connections / 1_024;
  const kept = (visit: Visit): number => (visit.after - visit.before) / (visit.with - visit.before);
  const [one, floor] = [of(ours, each), of(theirs, each)];
  yield {
    work: `${connections.toLocaleString('en')} idle connections`,
    figure: one,
    unit: 'KiB each',
    beside: 'framed echo',
    floor,
    ratio: one / floor,
    goal: 'at most 5 KiB each',
    met: one <= 5,
    more: {
      'MiB before': of(ours, (visit) => visit.before) / 2 ** 20,
      'MiB with them': of(ours, (visit) => visit.with) / 2 ** 20,
    },
  };
  const above = of(ours, (visit) => visit.after - visit.before) / 2 ** 20;
  const share = of(ours, kept);
  yield {
    work: `${connections.toLocaleString('en')} idle connections that have left`,
    figure: above,
    unit: 'MiB more than before they came',
    beside: 'with them',
    floor: of(ours, (visit) => visit.with - visit.before) / 2 ** 20,
    ratio: share,
    goal: 'memory back down: at most a tenth is kept',
    met: share <= 0.1,
    more: { 'after seconds': of(ours, ({ seconds }) => seconds), 'share that the echo keeps': of(theirs, kept) },
  };
}

function waitRow(work: string, ours: readonly Visit[], theirs: readonly Visit[], of: (visit: Visit) => Waits): Row {
  const [before, beside] = [
    middle(ours.map((visit) => of(visit).without)),
    middle(ours.map((visit) => of(visit).with)),
  ];
  const echo = {
    before: middle(theirs.map((visit) => of(visit).without)),
    with: middle(theirs.map((visit) => of(visit).with)),
  };
  return {
    work,
    figure: beside.p50,
    unit: 'ms, the median',
    beside: 'without them',
    floor: before.p50,
    ratio: beside.p50 / before.p50,
    goal: 'unchanged: p50 within 1.1x, p99 within 1.25x',
    met: beside.p50 <= 1.1 * before.p50 && beside.p99 <= 1.25 * before.p99,
    more: {
      p99: beside.p99,
      'p99 without them': before.p99,
      'echo p50': echo.with.p50,
      'echo p50 without them': echo.before.p50,
      'echo p99': echo.with.p99,
      'echo p99 without them': echo.before.p99,
    },
  };
}
