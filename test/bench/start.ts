/** Starting: what the programs cost before they do anything. */

import { end, MAIN, start, startValidator, temporaryFolder } from '../support/programs.js';
import { median } from './measure.js';
import type { Benchmark } from './row.js';

export const starting: Benchmark = {
  name: 'start',
  async *rows({ rounds }) {
    const folder = temporaryFolder();
    const first: number[] = [];
    const bare: number[] = [];
    const status: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const begun = performance.now();
      const validator = await startValidator(`${folder.path}/${i}`, ['--log-level', 'warn']);
      first.push(performance.now() - begun);
      status.push(await cpuOf([MAIN, 'status', validator.jsonTcp]));
      await end(validator);
      bare.push(await cpuOf(['-e', '0']));
    }
    folder.remove();
    const node = median(bare);
    const ready = median(first);
    yield {
      work: '`hourcoin validator` until it waits for miners',
      figure: ready,
      unit: 'ms',
      beside: 'the goal',
      floor: 300,
      ratio: ready / 300,
      goal: 'less than 300 ms',
      met: ready < 300,
      more: {},
    };
    const told = median(status);
    yield {
      work: '`hourcoin status`',
      figure: told,
      unit: 'ms of CPU',
      beside: 'node without a program',
      floor: node,
      ratio: told / node,
      goal: 'less than 250 ms of CPU',
      met: told < 250,
      more: {},
    };
  },
};

/** Milliseconds of CPU that a program of node's takes from its start to its end. */
async function cpuOf(args: readonly string[]): Promise<number> {
  const account = `process.on('exit', () => { const { user, system } = process.cpuUsage(); process.stderr.write('CPU ' + (user + system) + '\\n'); });`;
  const preload = `data:text/javascript,${encodeURIComponent(account)}`;
  const program = start(process.execPath, ['--import', preload, ...args]);
  await program.ended;
  const [, used] = /CPU (\d+)/.exec(program.stderr()) ?? [];
  if (used === undefined) throw new Error(`it told no CPU time: ${program.stderr()}`);
  return Number(used) / 1_000;
}
