/** The validator is killed where it does not expect it: while it starts, while it stops, and while its chain is copied. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { expectBlocks, nothingTold, submit } from '../support/acknowledged.js';
import { EASY } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc } from '../support/clients.js';
import { run } from '../support/ended.js';
import {
  end,
  hourcoin,
  type RunningValidator,
  startValidator,
  temporaryFolder,
  validatorArguments,
} from '../support/programs.js';
import { type Choose, seeded } from '../support/seeded.js';
import { until } from '../support/wait.js';

/** How often, each. */
const KILLS = 6;
const SUBMITTERS = 8;

/** An hour takes three minutes, so that blocks do not run ahead of the clock, and every lockout lasts until the test's end. */
const FAST = [String(EASY), '--clock-speed', '20', '--log-level', 'warn'];
const AGAIN = ['--log-level', 'warn'];

describe('A validator that is killed', () => {
  const later = cleanup();

  function newFolder(): string {
    const folder = temporaryFolder();
    later(folder.remove);
    return folder.path;
  }

  async function started(data: string, args = AGAIN): Promise<RunningValidator> {
    const validator = await startValidator(data, args);
    later(() => end(validator, 'SIGKILL'));
    return validator;
  }

  /** Submits until the validator is gone. Resolves once a block was accepted. */
  async function load(validator: RunningValidator, name: string, choose: Choose) {
    const told = nothingTold();
    const submitters = Array.from({ length: SUBMITTERS }, (_, number) =>
      submit(validator, number, `${name}/${number}`, choose, told),
    );
    await until(() => told.blocks.length > 0, 'a block is accepted');
    return { told, over: Promise.all(submitters) };
  }

  async function expectSound(data: string): Promise<void> {
    const { code, stdout, stderr } = await run(['verify', '--data', data]);
    expect(stderr).to.equal('');
    expect(stdout).to.match(/^✓ The chain in .* is sound$/m);
    expect(code).to.equal(0);
  }

  it(`${KILLS} times while it starts for the first time: a chain is begun whole or not at all, and the next start serves`, () =>
    seeded(async (choose) => {
      for (let kills = 0; kills < KILLS; kills++) {
        const data = join(newFolder(), 'data');
        const program = hourcoin([...validatorArguments(data), ...FAST]);
        // What begins a chain is done in some tens of milliseconds after its file is there.
        await until(() => existsSync(join(data, 'data.mdb')), 'the data file is made');
        await sleep(choose(40));
        await end(program, 'SIGKILL');
        expect(await end(await started(data))).to.equal(0);
        await expectSound(data);
      }
    })).timeout(60_000);

  it(`${KILLS} times while it starts on a chain: nothing is lost, and the next start serves`, () =>
    seeded(async (choose) => {
      const data = newFolder();
      const first = await started(data, FAST);
      const { told, over } = await load(first, 'first', choose);
      await sleep(300);
      await end(first, 'SIGKILL');
      await over;
      for (let kills = 0; kills < KILLS; kills++) {
        const program = hourcoin([...validatorArguments(data), ...AGAIN]);
        await sleep(choose(700));
        await end(program, 'SIGKILL');
      }
      const validator = await started(data);
      const client = overGrpc(validator);
      later(() => client.close());
      await expectBlocks(client, told.blocks);
      expect(await end(validator)).to.equal(0);
      await expectSound(data);
    })).timeout(60_000);

  it(`${KILLS} times while it stops under load: nothing that it has acknowledged is lost`, () =>
    seeded(async (choose) => {
      const data = newFolder();
      let validator = await started(data, FAST);
      for (let kills = 0; kills < KILLS; kills++) {
        const { told, over } = await load(validator, `${kills}`, choose);
        await sleep(choose(100));
        validator.process.kill('SIGTERM');
        await sleep(choose(150));
        await end(validator, 'SIGKILL');
        await over;
        validator = await started(data);
        const client = overGrpc(validator);
        await expectBlocks(client, told.blocks);
        client.close();
      }
      expect(await end(validator)).to.equal(0);
      await expectSound(data);
    })).timeout(60_000);

  for (const [whom, killsBackup] of [
    ['the backup is', true],
    ['the validator is', false],
  ] as const) {
    it(`${KILLS} times while its chain is copied (${whom}): the copy is whole or not there, and the chain goes on`, () =>
      seeded(async (choose) => {
        const data = newFolder();
        let validator = await started(data, FAST);
        for (let kills = 0; kills < KILLS; kills++) {
          const { told, over } = await load(validator, `${kills}`, choose);
          const copy = join(newFolder(), 'copy');
          const backup = hourcoin(['backup', copy, '--data', data]);
          await sleep(150 + choose(400));
          await end(killsBackup ? backup : validator, 'SIGKILL');
          await backup.ended;
          if (killsBackup) await end(validator, 'SIGKILL');
          await over;
          if (existsSync(join(copy, 'data.mdb'))) {
            expect(readFileSync(join(copy, 'data.mdb')).length).to.be.greaterThan(0);
            await expectSound(copy);
          }
          // The same folder can be tried again.
          const again = await run(['backup', copy, '--data', data]);
          if (!existsSync(join(copy, 'data.mdb'))) expect(again.code, again.stderr).to.equal(0);
          validator = await started(data);
          const client = overGrpc(validator);
          await expectBlocks(client, told.blocks);
          client.close();
        }
        expect(await end(validator)).to.equal(0);
        await expectSound(data);
      })).timeout(90_000);
  }
});
