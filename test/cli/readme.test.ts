/** The README's commands for TLS, run as they are written, but on ports that are free. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { ended } from '../support/ended.js';
import { end, hourcoin, type Program, temporaryFolder } from '../support/programs.js';

/** The repository: this file runs as dist/test/cli/readme.test.js. */
const README = fileURLToPath(new URL('../../../README.md', import.meta.url));

/** What `hourcoin` is given by the commands of the section on TLS: `npm run hourcoin -- X`, and `npm run miner -- X` for `miner X`. */
function commands(): string[][] {
  const [, section = ''] = /^## TLS$(.*?)^## /ms.exec(readFileSync(README, 'utf8')) ?? [];
  const lines = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) => String(block).trim().split('\n'));
  return lines.map((line) => {
    const [, script, rest] = /^npm run (\w+) -- (.*)$/.exec(line) ?? [];
    if (script === undefined || rest === undefined) throw new Error(`not such a command: ${line}`);
    return [...(script === 'hourcoin' ? [] : [script]), ...rest.split(' ')];
  });
}

describe("The README's section on TLS", () => {
  const later = cleanup();

  it('takes three commands from nothing to a block that is accepted over mTLS, on either protocol', async () => {
    const folder = temporaryFolder();
    later(folder.remove);
    const start = (args: readonly string[]): Program => {
      const program = hourcoin(args, { cwd: folder.path });
      later(() => end(program, 'SIGKILL'));
      return program;
    };
    const [init, validator, overJsonTcp, overGrpc, ...others] = commands();
    expect(others).to.deep.equal([]);

    const made = await ended(start(init ?? []));
    expect([made.code, made.stderr]).to.deep.equal([0, '']);

    // Its plain ports are those that it has without being told.
    const free = (validator ?? []).map((word) => word.replace(/:\d+$/, ':0'));
    const running = start([...free.slice(0, 1), '127.0.0.1:0', '--grpc', '127.0.0.1:0', ...free.slice(1)]);
    const [, tls] = await running.printed(/^JSON\/TCP over TLS listening on (\S+)$/m);
    const [, grpcs] = await running.printed(/^gRPC over TLS listening on (\S+)$/m);
    for (const [command, url] of [
      [overJsonTcp, tls],
      [overGrpc, grpcs],
    ] as const) {
      const args = (command ?? []).map((word) => (word.includes('://') ? String(url) : word));
      expect(args, 'the address is one of the command').to.include(url);
      const { code, stdout, stderr } = await ended(start(args));
      expect(stdout).to.contain('  ✓ Block accepted!');
      expect([code, stderr]).to.deep.equal([0, '']);
    }
    expect(await end(running)).to.equal(0);
  });
});
