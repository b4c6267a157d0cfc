/** The validator is killed at random moments under load: what it has acknowledged is there when it starts again. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { expectAttempts, expectBlocks, nothingTold, submit } from '../support/acknowledged.js';
import { EASY } from '../support/blocks.js';
import { overGrpc } from '../support/clients.js';
import { run } from '../support/ended.js';
import { end, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';
import { seeded } from '../support/seeded.js';
import { until } from '../support/wait.js';

const KILLS = 20;
const SUBMITTERS = 16;

/**
 * Blocks follow each other so fast that the tonce drives their timestamps ahead of a real clock, to the edge of the window. On this one an
 * hour takes three minutes: every lockout of the test lasts until its end.
 */
const CLOCK_SPEED = '20';

describe('A validator that is killed', () => {
  const folder = temporaryFolder();
  let validator: RunningValidator;

  after(async () => {
    await end(validator, 'SIGKILL');
    folder.remove();
  });

  it(`${KILLS} times under load loses no block, attempt or lockout that it has acknowledged`, () =>
    seeded(async (choose) => {
      const told = nothingTold();
      let attemptsInForce = 0;
      validator = await startValidator(folder.path, [
        String(EASY),
        '--clock-speed',
        CLOCK_SPEED,
        '--log-level',
        'warn',
      ]);
      for (let kills = 0; kills < KILLS; kills++) {
        const before = { blocks: told.blocks.length, attempts: told.attempts.length };
        const submitters = Array.from({ length: SUBMITTERS }, (_, number) =>
          submit(validator, number, `${kills}/${number}`, choose, told),
        );
        await until(() => told.blocks.length > before.blocks, 'a block is accepted');
        await sleep(choose(400));
        await end(validator, 'SIGKILL');
        await Promise.all(submitters);

        validator = await startValidator(folder.path, ['--log-level', 'warn']);
        const client = overGrpc(validator);
        await expectBlocks(client, told.blocks.slice(before.blocks));
        attemptsInForce += await expectAttempts(client, told.attempts.slice(before.attempts));
        client.close();
      }
      expect(attemptsInForce, 'attempts that a killed round had').to.be.greaterThan(0);

      const client = overGrpc(validator);
      await expectBlocks(client, told.blocks);
      client.close();
      expect(await end(validator)).to.equal(0);
      expect(validator.stderr()).to.equal('');
      const { code, stdout } = await run(['verify', '--data', folder.path]);
      expect(stdout).to.match(/^✓ The chain in .* is sound$/m);
      expect(code).to.equal(0);
    })).timeout(100_000);
});
