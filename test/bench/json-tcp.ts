/** JSON/TCP: the calls that miners make all day, beside a bare echo of the same frames. */

import { end, start, startValidator, temporaryFolder } from '../support/programs.js';
import { type Measured, script, sideBySide } from './measure.js';
import type { Benchmark, Row } from './row.js';

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
      const sides = [
        { server: validator, address: validator.jsonTcp },
        { server: echo, address: String(floor) },
      ] as const;
      for (const [call, request] of Object.entries(CALLS)) {
        const [ours, theirs] = await sideBySide(sides, effort, {
          wire: 'json-tcp',
          connections: 16,
          inFlight: 16,
          requests: [request],
        });
        yield row(
          `${call}, 16 connections, 16 in flight`,
          ours,
          theirs,
          'at least 120,000 a CPU-second, CPU within 2x',
          ours.cpuUs <= 1e6 / 120_000 && ours.cpuUs <= 2 * theirs.cpuUs,
        );
      }
      for (const connections of ONE_AT_A_TIME) {
        const requests = Object.values(CALLS);
        const [ours, theirs] = await sideBySide(sides, effort, {
          wire: 'json-tcp',
          connections,
          inFlight: 1,
          requests,
        });
        yield row(
          `one at a time, ${connections} connections`,
          ours,
          theirs,
          'CPU within 1.3x, p99 within 2x',
          ours.cpuUs <= 1.3 * theirs.cpuUs && ours.p99 <= 2 * theirs.p99,
        );
      }
    } finally {
      await Promise.all([end(validator), end(echo, 'SIGKILL')]);
      folder.remove();
    }
  },
};

function row(work: string, ours: Measured, theirs: Measured, goal: string, met: boolean): Row {
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
