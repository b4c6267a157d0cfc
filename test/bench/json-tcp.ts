/** JSON/TCP: the calls that miners make all day, beside a bare echo of the same frames. */

import { end, type Program, start, startValidator, temporaryFolder } from '../support/programs.js';
import type { Plan } from './load.js';
import { type Measured, median, script, underLoad } from './measure.js';
import type { Benchmark, Effort, Row } from './row.js';

const CALLS = {
  GetRoundInfo: '{"GetRoundInfo":{"miner_id":"alice"}}',
  CheckLockout: '{"CheckLockout":{"miner_id":"alice"}}',
  GetBlockchainInfo: '"GetBlockchainInfo"',
};

const ONE_AT_A_TIME = [1, 16, 100, 1_000];

export const jsonTcp: Benchmark = {
  name: 'json-tcp',
  async *rows(effort) {
    const folder = temporaryFolder();
    const validator = await startValidator(folder.path, ['--log-level', 'warn']);
    const echo = start(process.execPath, [script('floor'), 'json']);
    try {
      const [, floor] = await echo.printed(/^listening on (\S+)$/m);
      const servers = { validator, echo, address: validator.jsonTcp, floor: String(floor) };
      for (const [call, request] of Object.entries(CALLS)) {
        const [ours, theirs] = await sideBySide(servers, effort, {
          connections: 16,
          inFlight: 16,
          requests: [request],
        });
        yield row(
          `${call}, 16 connections, 16 in flight`,
          ours,
          theirs,
          'at least 120,000 a CPU-second, CPU within 2x',
          {
            met: ours.cpuUs <= 1e6 / 120_000 && ours.cpuUs <= 2 * theirs.cpuUs,
          },
        );
      }
      for (const connections of ONE_AT_A_TIME) {
        const requests = Object.values(CALLS);
        const [ours, theirs] = await sideBySide(servers, effort, { connections, inFlight: 1, requests });
        yield row(`one at a time, ${connections} connections`, ours, theirs, 'CPU within 1.3x, p99 within 2x', {
          met: ours.cpuUs <= 1.3 * theirs.cpuUs && ours.p99 <= 2 * theirs.p99,
        });
      }
    } finally {
      await Promise.all([end(validator), end(echo, 'SIGKILL')]);
      folder.remove();
    }
  },
};

interface Servers {
  readonly validator: Program;
  readonly echo: Program;
  readonly address: string;
  readonly floor: string;
}

/** The medians of both, measured in turn. */
async function sideBySide(
  { validator, echo, address, floor }: Servers,
  { seconds, rounds }: Effort,
  plan: Pick<Plan, 'connections' | 'inFlight' | 'requests'>,
): Promise<[Measured, Measured]> {
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  for (let i = 0; i < rounds; i++) {
    ours.push(await underLoad(validator, { ...plan, wire: 'json-tcp', address, seconds }));
    theirs.push(await underLoad(echo, { ...plan, wire: 'json-tcp', address: floor, seconds }));
  }
  return [middle(ours), middle(theirs)];
}

/** Each figure's median. */
export function middle(runs: readonly Measured[]): Measured {
  const of = (figure: (run: Measured) => number): number => median(runs.map(figure));
  return {
    answered: of((run) => run.answered),
    seconds: of((run) => run.seconds),
    cpuUs: of((run) => run.cpuUs),
    p50: of((run) => run.p50),
    p99: of((run) => run.p99),
    p999: of((run) => run.p999),
  };
}

function row(work: string, ours: Measured, theirs: Measured, goal: string, { met }: { met: boolean }): Row {
  return {
    work,
    figure: ours.cpuUs,
    unit: 'µs of CPU an answer',
    beside: 'framed echo',
    floor: theirs.cpuUs,
    ratio: ours.cpuUs / theirs.cpuUs,
    goal,
    met,
    more: {
      'a second': ours.answered / ours.seconds,
      'a CPU-second': 1e6 / ours.cpuUs,
      p50: ours.p50,
      p99: ours.p99,
      p999: ours.p999,
      'echo p99': theirs.p99,
    },
  };
}
