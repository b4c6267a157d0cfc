/** gRPC: a unary call, beside a bare nice-grpc server that gives the same answer. */

import { end, start, startValidator, temporaryFolder } from '../support/programs.js';
import { script, sideBySide } from './measure.js';
import type { Benchmark } from './row.js';

export const grpc: Benchmark = {
  name: 'grpc',
  async *rows(effort) {
    const folder = temporaryFolder();
    const validator = await startValidator(folder.path, ['--log-level', 'warn']);
    const bare = start(process.execPath, [script('floor'), 'grpc']);
    try {
      const [, floor] = await bare.printed(/^listening on (\S+)$/m);
      const sides = [
        { server: validator, address: validator.grpc.replace('grpc://', '') },
        { server: bare, address: String(floor) },
      ] as const;
      const [one, other] = await sideBySide(sides, effort, {
        wire: 'grpc',
        connections: 4,
        inFlight: 16,
        requests: ['0a05616c696365'],
        method: '/hourcoin.v1.ValidatorService/GetRoundInfo',
      });
      yield {
        work: 'GetRoundInfo, 4 connections, 16 in flight',
        figure: one.cpuUs,
        unit: 'µs of CPU an answer',
        beside: 'bare nice-grpc',
        floor: other.cpuUs,
        ratio: one.cpuUs / other.cpuUs,
        goal: 'CPU within 1.25x, then below it',
        met: one.cpuUs < other.cpuUs,
        more: {
          'a second': one.answered / one.seconds,
          p50: one.p50,
          p99: one.p99,
          p999: one.p999,
          'bare p99': other.p99,
        },
      };
    } finally {
      await Promise.all([end(validator), end(bare, 'SIGKILL')]);
      folder.remove();
    }
  },
};
