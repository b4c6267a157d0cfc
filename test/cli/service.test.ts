/** docs/hourcoin.service: systemd understands it, and what it runs starts and stops as it says. Nothing here starts a service. */

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { OPERATOR_LIMITS } from '../../src/engine/limits.js';
import { cleanup } from '../support/cleanup.js';
import { run } from '../support/ended.js';
import { end, hourcoin, MAIN, temporaryFolder } from '../support/programs.js';
import { present } from '../support/stores.js';

/** docs: this file runs as dist/test/cli/service.test.js. */
const DOCS = fileURLToPath(new URL('../../../docs/', import.meta.url));

const unit = readFileSync(`${DOCS}hourcoin.service`, 'utf8');

/** What is said of a name, the last time. */
function setting(name: string): string {
  return present([...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].at(-1)?.[1]);
}

describe('docs/hourcoin.service', () => {
  const later = cleanup();

  it('has sections, comments and settings, each once, but for those that add up', () => {
    const lines = unit.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const names = lines.filter((line) => !/^\[(Unit|Service|Install)\]$/.test(line)).map((line) => line.split('=')[0]);
    for (const name of names) expect(name).to.match(/^[A-Z][A-Za-z]+$/);
    const twice = names.filter((name, at) => names.indexOf(name) !== at);
    expect(twice).to.deep.equal(['SystemCallFilter']);
  });

  it('is sound to systemd-analyze, where there is one', function () {
    if (spawnSync('systemd-analyze', ['--version']).status !== 0) this.skip();
    const folder = temporaryFolder();
    later(folder.remove);
    // It looks for the program, which is not installed here.
    const path = join(folder.path, 'hourcoin.service');
    writeFileSync(path, unit.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
    expect([status, stderr]).to.deep.equal([0, '']);
  }).timeout(10_000);

  it('has room for as many connections as are taken, and may write machine code as V8 does', () => {
    expect(Number(setting('LimitNOFILE'))).to.be.greaterThan(OPERATOR_LIMITS.maxConnections.default + 1_000);
    expect(unit).to.not.match(/^MemoryDenyWriteExecute=/m);
  });

  it('runs the program with a file, in the folder that it may write to, and stops it in time', async () => {
    const [program, ...args] = setting('ExecStart').split(' ');
    expect(program).to.match(/\/hourcoin$/);
    const folder = temporaryFolder();
    later(folder.remove);
    const file = join(folder.path, 'hourcoin.yaml');
    const sample = readFileSync(`${DOCS}hourcoin.yaml`, 'utf8');
    writeFileSync(file, sample.replaceAll(/^([a-z]+: 127\.0\.0\.1):\d+$/gm, '$1:0'));
    const running = hourcoin(
      args.map((word) => (word.startsWith('/etc/') ? file : word)),
      { cwd: folder.path },
    );
    later(() => end(running, 'SIGKILL'));
    await running.printed(/^Waiting for miner connections\.\.\.$/m);
    expect(await end(running, setting('KillSignal') as NodeJS.Signals)).to.equal(0);
    const { stdout } = await run(['config', '--config', file, '--json']);
    const { grace } = JSON.parse(stdout).settings;
    expect(1_000 * Number.parseInt(setting('TimeoutStopSec'), 10)).to.be.greaterThan(2 * grace.value);
  });

  it('does not try again with a wrong configuration', () => {
    const code = present(spawnSync(process.execPath, [MAIN, 'validator', '--config', '/dev/null/none']).status);
    expect(setting('RestartPreventExitStatus')).to.equal(String(code));
  });
});
