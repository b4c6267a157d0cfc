/**
 * The metrics of a validator, for Prometheus. Everything is read when somebody asks: where nobody does, nothing but plain numbers is kept. docs/operations.md
 * names them all; a test holds it to this file.
 */

import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { RESULT_NAMES } from './engine/verdict.js';
import { Histogram, type Meter } from './server/meter.js';
import { LEAP_SECOND_TABLE } from './time/leap-seconds.js';
import type { TimeStatus } from './time/time-sync.js';
import type { ValidatorEvent } from './validator/events.js';
import type { ValidatorNode } from './validator/node.js';
import { VERSION } from './version.js';

/** Where the figures come from. */
export interface Figured {
  readonly meter: Meter;
  /** The chain's file. */
  readonly file: string;
  /** Undefined before the start. */
  readonly mostConnections: () => number | undefined;
  /** Undefined before the start. */
  readonly node: () => Pick<ValidatorNode, 'figures'> | undefined;
  /** Undefined where it goes by the system's clock. */
  readonly time: () => TimeStatus | undefined;
  readonly isReady: () => boolean;
}

/** What is no more than so many seconds has a bucket of its own. */
const COMMIT_BOUNDS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

type Labels = Readonly<Record<string, string | number>>;

interface Value {
  readonly value: number;
  readonly labels: Labels;
  /** Where it is not the metric's own. */
  readonly metricName?: string;
}

type Labelled<T> = readonly (readonly [labels: Labels, value: T])[];

/** Node's own are the process's: once for all validators in it. */
let ofNode: Registry | undefined;

export class Metrics {
  private readonly registry = new Registry();
  private readonly verdicts = new Map(Object.keys(RESULT_NAMES).map((result) => [Number(result), 0]));
  private readonly commits = new Histogram(COMMIT_BOUNDS);

  constructor(private readonly figured: Figured) {
    if (ofNode === undefined) {
      ofNode = new Registry();
      collectDefaultMetrics({ register: ofNode });
    }
    this.addRequests(figured.meter);
    this.addConnections(figured.meter);
    this.addChain();
    this.addTime();
    this.addHost();
  }

  /** Hears what happens in the validator. */
  hear(event: ValidatorEvent): void {
    if (event.type === 'commit') this.commits.observe(event.ms / 1_000);
    if (event.type !== 'verdict') return;
    const { result } = event.verdict;
    this.verdicts.set(result, (this.verdicts.get(result) ?? 0) + 1);
  }

  /** All of them, in Prometheus' text format. */
  async read(): Promise<{ type: string; text: string }> {
    const own = await this.registry.metrics();
    return { type: this.registry.contentType, text: `${own}\n${await ofNode?.metrics()}` };
  }

  private addRequests({ kinds, slowed }: Meter): void {
    this.add('counter', 'requests_total', 'Requests that have ended, by how.', () =>
      [...kinds.values()].flatMap(({ protocol, call, results }) =>
        Object.entries(results).map(([result, count]) => [{ protocol, call, result }, count] as const),
      ),
    );
    this.addHistograms('request_seconds', 'How long answers took to make.', () =>
      [...kinds.values()]
        .filter(({ isStream, call }) => !isStream && call !== 'unknown')
        .map(({ protocol, call, seconds }) => [{ protocol, call }, seconds]),
    );
    this.add('counter', 'slowed_requests_total', 'JSON/TCP requests that came too fast, and had to wait.', () =>
      Object.entries(slowed).map(([by, count]) => [{ by }, count]),
    );
    this.add('counter', 'verdicts_total', 'Submissions that were judged, by their result.', () =>
      [...this.verdicts].map(([result, count]) => [{ result: RESULT_NAMES[result] ?? '' }, count]),
    );
    this.addHistograms('commit_seconds', 'How long it took to make what was judged durable.', () => [
      [{}, this.commits],
    ]);
  }

  private addConnections({ connections, refused }: Meter): void {
    const each = (read: (count: { open: number; taken: number }) => number): Labelled<number> =>
      Object.entries(connections).map(([protocol, count]) => [{ protocol }, read(count)]);
    this.add('gauge', 'connections', 'Open connections.', () => each(({ open }) => open));
    this.add('counter', 'connections_total', 'Connections that were taken.', () => each(({ taken }) => taken));
    this.add('gauge', 'connections_limit', 'How many may be open: --max-connections.', () => {
      const most = this.figured.mostConnections();
      return most === undefined ? [] : [[{}, most]];
    });
    this.add('counter', 'refused_connections_total', 'Connections that were turned away at the door, by why.', () =>
      Object.entries(refused).map(([reason, count]) => [{ reason }, count]),
    );
  }

  private addChain(): void {
    const gauge = (name: string, help: string, read: (figures: ReturnType<ValidatorNode['figures']>) => number): void =>
      this.add('gauge', name, help, () => {
        const figures = this.figured.node()?.figures();
        return figures === undefined ? [] : [[{}, read(figures)]];
      });
    const seconds = (ms: bigint): number => Number(ms) / 1_000;
    gauge('queue_length', 'Requests that wait to be judged.', ({ queued }) => queued);
    gauge('streams', 'Open WatchRounds and WatchBlocks.', ({ streams }) => streams);
    gauge('chain_height', 'Blocks on the chain.', ({ height }) => height);
    gauge('tip_age_seconds', "Since the newest block's timestamp, or since the chain was begun.", ({ tipAge }) =>
      seconds(tipAge),
    );
    gauge('round', 'The number of the round in force.', ({ round }) => Number(round));
    gauge('round_age_seconds', 'Since it began.', ({ roundAge }) => seconds(roundAge));
    gauge('round_attempts', 'Miners who have used their attempt in it up.', ({ attempts }) => attempts);
    gauge('lockouts', 'Miners who are locked out.', ({ lockouts }) => lockouts);
  }

  private addTime(): void {
    const { time } = this.figured;
    const gauge = (name: string, help: string, read: (status: TimeStatus) => number | undefined): void =>
      this.add('gauge', name, help, () => {
        const status = time();
        const ms = status && read(status);
        return ms === undefined ? [] : [[{}, ms / 1_000]];
      });
    gauge('clock_offset_seconds', 'How far the clock is ahead of the time sources.', ({ offsetMs }) => offsetMs);
    gauge('clock_uncertainty_seconds', 'How far they may be wrong.', ({ uncertaintyMs }) => uncertaintyMs);
    gauge(
      'system_clock_offset_seconds',
      "How far the system's clock is ahead of them.",
      ({ systemOffsetMs }) => systemOffsetMs,
    );
    this.add(
      'gauge',
      'clock_trusted',
      "1 where the time sources agree, or the system's clock is the source; else 0.",
      () => {
        const status = time();
        return [[{}, Number(status === undefined || status.state === 'synchronized')]];
      },
    );
    this.add('gauge', 'time_sources', 'Time sources, by what is known of them.', () => {
      const counts = { agrees: 0, differs: 0, uncertain: 0, silent: 0 };
      for (const { state } of time()?.sources ?? []) counts[state]++;
      return Object.entries(counts).map(([state, count]) => [{ state }, count]);
    });
    this.add(
      'gauge',
      'leap_second_unknown',
      '1 where a leap second is announced that is not in the table; else 0.',
      () => [[{}, Number(time()?.unknownLeapSecond ?? false)]],
    );
    this.add(
      'gauge',
      'leap_seconds_expire_timestamp_seconds',
      'Until when no leap second can be missing in the table, since the Unix epoch.',
      () => [[{}, Number(LEAP_SECOND_TABLE.expires) / 1_000]],
    );
  }

  private addHost(): void {
    const { file, isReady } = this.figured;
    this.add('gauge', 'ready', 'What /readyz says: 1 or 0.', () => [[{}, Number(isReady())]]);
    this.add('gauge', 'data_bytes', "The size of the chain's file.", () => readSize(() => statSync(file).size));
    this.add('gauge', 'data_free_bytes', 'What is free on its disk.', () =>
      readSize(() => {
        const { bavail, bsize } = statfsSync(dirname(file));
        return bavail * bsize;
      }),
    );
    this.add('gauge', 'build_info', 'What runs.', () => [[{ version: VERSION, node: process.version }, 1]]);
  }

  private add(type: 'counter' | 'gauge', name: string, help: string, read: () => Labelled<number>): void {
    this.addValues(type, name, help, () => read().map(([labels, value]) => ({ labels, value })));
  }

  private addHistograms(name: string, help: string, read: () => Labelled<Histogram>): void {
    this.addValues('histogram', name, help, () =>
      read().flatMap(([labels, { bounds, counts, sum }]) => {
        let total = 0;
        const buckets = counts.map((count, place) => {
          total += count;
          const le = bounds[place] ?? '+Inf';
          return { metricName: `hourcoin_${name}_bucket`, labels: { ...labels, le }, value: total };
        });
        return [
          ...buckets,
          { metricName: `hourcoin_${name}_sum`, labels, value: sum },
          { metricName: `hourcoin_${name}_count`, labels, value: total },
        ];
      }),
    );
  }

  private addValues(type: string, plainName: string, help: string, read: () => readonly Value[]): void {
    const name = `hourcoin_${plainName}`;
    // What the registry asks of a metric. prom-client's own kinds are written to as things happen, which takes longer than the things themselves.
    const metric = { name, help, type, get: async () => ({ name, help, type, values: read() }) };
    this.registry.registerMetric(metric as unknown as Metric);
  }
}

/** A size that the system tells, or none. */
function readSize(read: () => number): Labelled<number> {
  try {
    return [[{}, read()]];
  } catch {
    return [];
  }
}
