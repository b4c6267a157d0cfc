/** The validator is killed at random moments under load: what it has acknowledged is there when it starts again. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type SubmitBlockResponse, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../../src/client/errors.js';
import type { GrpcClient } from '../../src/client/grpc.js';
import { Fault } from '../../src/engine/fault.js';
import type { Validator } from '../../src/validator/validator.js';
import { EASY, winning } from '../support/blocks.js';
import { overGrpc, overJsonTcp } from '../support/clients.js';
import { run } from '../support/ended.js';
import { end, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';
import { type Choose, seeded } from '../support/seeded.js';
import { present } from '../support/stores.js';
import { until } from '../support/wait.js';

const KILLS = 20;
const SUBMITTERS = 16;

/**
 * Blocks follow each other so fast that the tonce drives their timestamps ahead of a real clock, to the edge of the window. On this one an
 * hour takes three minutes: every lockout of the test lasts until its end.
 */
const CLOCK_SPEED = '20';

/** What the validator has acknowledged: each miner submits once. */
interface Acknowledged {
  readonly blocks: { readonly minerId: string; readonly index: number; readonly hash: string }[];
  /** Attempts that were used up, in the round of a height. */
  readonly attempts: { readonly minerId: string; readonly height: number }[];
}

describe('A validator that is killed', () => {
  const folder = temporaryFolder();
  let validator: RunningValidator;

  after(async () => {
    await end(validator, 'SIGKILL');
    folder.remove();
  });

  it(`${KILLS} times under load loses no block, attempt or lockout that it has acknowledged`, () =>
    seeded(async (choose) => {
      const told: Acknowledged = { blocks: [], attempts: [] };
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

/** Submits blocks in ever new names, good ones and such that use the attempt up, until the validator is gone. */
async function submit(
  validator: RunningValidator,
  number: number,
  name: string,
  choose: Choose,
  told: Acknowledged,
): Promise<void> {
  const client = number % 2 === 0 ? overJsonTcp(validator) : overGrpc(validator);
  try {
    for (let blocks = 0; ; blocks++) {
      const minerId = `${name}/${blocks}`;
      const good = winning(await (client as Validator).getRoundInfo(minerId), minerId);
      const block = choose(24) === 0 ? good : { ...good, hash: Buffer.alloc(32) };
      const verdict = await client.submitBlock(minerId, block);
      if (verdict.result === SubmitResult.ACCEPTED) {
        told.blocks.push({ minerId, index: block.index, hash: block.hash.toString('hex') });
      } else if (usesUp(verdict)) told.attempts.push({ minerId, height: block.index });
    }
  } catch (error) {
    if (!(error instanceof ConnectionError || error instanceof Fault)) throw error;
  } finally {
    client.close();
  }
}

/** Whether a verdict is one of those that cost the attempt of a miner who had one. */
function usesUp({ result }: SubmitBlockResponse): boolean {
  return (
    result === SubmitResult.REJECTED_INVALID_HASH ||
    result === SubmitResult.REJECTED_INVALID_TIMESTAMP ||
    result === SubmitResult.REJECTED_TONCE_CHALLENGE
  );
}

/** Acknowledged blocks stand in the chain, and their miners are in lockout. */
async function expectBlocks(client: GrpcClient, blocks: Acknowledged['blocks']): Promise<void> {
  for (const { minerId, index, hash } of blocks) {
    const accepted = await client.getBlock({ index });
    expect(present(accepted.block).hash.toString('hex'), `block #${index}`).to.equal(hash);
    expect(accepted.minerId).to.equal(minerId);
    expect(await client.checkLockout(minerId), minerId).to.include({ isLocked: true });
  }
}

/** Acknowledged attempts hold while their round is in force. Returns how many are. */
async function expectAttempts(client: GrpcClient, attempts: Acknowledged['attempts']): Promise<number> {
  const { nextIndex, attemptedMiners } = await client.getRoundInfo('');
  const inForce = attempts.filter(({ height }) => height === nextIndex);
  for (const { minerId } of inForce) {
    expect(await client.getMiner(minerId), minerId).to.include({ hasAttempted: true });
  }
  expect(attemptedMiners >= BigInt(inForce.length)).to.equal(true);
  return inForce.length;
}
