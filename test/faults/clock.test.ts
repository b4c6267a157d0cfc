/** The host's clock is stepped: the validator's time never goes back, follows what goes ahead, and waits where it must. */

import { join } from 'node:path';
import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc } from '../support/clients.js';
import { expectRefusal, run } from '../support/ended.js';
import {
  end,
  MAIN,
  type RunningValidator,
  startValidator,
  temporaryFolder,
  validatorArguments,
} from '../support/programs.js';
import { steppedClock } from '../support/stepped-clock.js';
import { until } from '../support/wait.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

describe('A host whose clock is stepped', () => {
  const later = cleanup();

  function host(ms = 0) {
    const folder = temporaryFolder();
    later(folder.remove);
    const data = join(folder.path, 'data');
    const clock = steppedClock(join(folder.path, 'clock'), ms);
    return {
      data,
      clock,
      start: async (args: readonly string[] = []) => {
        const validator = await startValidator(data, args, MAIN, clock.env);
        later(() => end(validator, 'SIGKILL'));
        return { validator, client: clientOf(validator) };
      },
    };
  }

  function clientOf(validator: RunningValidator) {
    const client = overGrpc(validator);
    later(() => client.close());
    return client;
  }

  it('Back: time stands still, lockouts do not grow and rounds do not begin anew; it goes on when the clock has caught up', async () => {
    const { clock, start } = host();
    const { validator, client } = await start([String(EASY)]);
    const round = await client.getRoundInfo('alice');
    expect((await client.submitBlock('alice', winning(round, 'alice'))).result).to.equal(SubmitResult.ACCEPTED);
    clock.set(-HOUR_MS);
    const first = await client.getRoundInfo('');
    expect(first.serverTime >= round.serverTime).to.equal(true);
    const again = await client.getRoundInfo('');
    expect(again.serverTime).to.equal(first.serverTime);
    expect(again.round).to.equal(first.round);
    const { lockoutRemainingMs } = await client.getMiner('alice');
    expect(lockoutRemainingMs <= BigInt(HOUR_MS)).to.equal(true);
    await until(() => validator.stderr().includes("The system's clock has gone back 3"), 'it is said');
    clock.set(MINUTE_MS);
    const { serverTime } = await client.getRoundInfo('');
    expect(serverTime - first.serverTime >= BigInt(MINUTE_MS - 10_000)).to.equal(true);
    // A later step is no end of it.
    clock.set(0);
    expect((await client.getRoundInfo('')).serverTime >= serverTime).to.equal(true);
    expect(await end(validator)).to.equal(0);
  });

  it('Ahead: it is followed, rounds that are over end and lockouts with them', async () => {
    const { clock, start, data } = host();
    const { validator, client } = await start([String(EASY)]);
    const before = await client.getRoundInfo('alice');
    await client.submitBlock('alice', winning(before, 'alice'));
    expect((await client.checkLockout('alice')).isLocked).to.equal(true);
    clock.set(2 * HOUR_MS + MINUTE_MS);
    const after = await client.getRoundInfo('alice');
    expect(after.serverTime - before.serverTime >= BigInt(2 * HOUR_MS)).to.equal(true);
    // One by the block, two by their hours.
    expect(after.round - before.round).to.equal(3n);
    expect((await client.checkLockout('alice')).isLocked).to.equal(false);
    const verdict = await client.submitBlock('alice', winning(after, 'alice'));
    expect(verdict.result).to.equal(SubmitResult.ACCEPTED);
    expect(await end(validator)).to.equal(0);
    expect((await run(['verify', '--data', data])).code).to.equal(0);
  });

  it('Back while it was killed: a minute is refused at start, two seconds are waited for', async () => {
    const { clock, start, data } = host(MINUTE_MS);
    const { validator, client } = await start([String(EASY)]);
    const { serverTime } = await client.getRoundInfo('alice');
    await client.submitBlock('alice', winning(await client.getRoundInfo('alice'), 'alice'));
    await end(validator, 'SIGKILL');

    clock.set(0);
    const refused = await run([...validatorArguments(data)], clock.env);
    expectRefusal(refused, 1, /the system's clock stands [45]\d\.\d+ s before the last time that this chain has used/);

    // However long that took, its clock is behind by less than it waits for, or not any more.
    clock.set(MINUTE_MS - 2_000);
    const again = await start();
    const told = await again.client.getRoundInfo('alice');
    expect(told.serverTime >= serverTime).to.equal(true);
    expect(told.nextIndex).to.equal(1);
    expect((await again.client.checkLockout('alice')).isLocked).to.equal(true);
  });
});
