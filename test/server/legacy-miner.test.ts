/** Deployed miners, of both timescales, on the real program (spec, sections 3, 6, 7 and 8). */

import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { type LegacyBlock, LegacyMiner } from '../support/legacy-miner.js';
import { end, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';
import { until } from '../support/wait.js';

const ACCEPTED = { result: 'Accepted', message: 'Block accepted! You are now in 1-hour lockout.' };
const ATTEMPTED = { result: 'RejectedMinerAlreadyAttempted', message: 'Already attempted this round' };

function validation(code: string): object {
  return { result: 'RejectedBlockchainValidation', message: `Blockchain validation failed: ${code}` };
}

/** A deployed miner begins with its own clock, whatever the tip: on TAI this waits until that is later than a block's. */
function later({ timestamp }: LegacyBlock): Promise<void> {
  return until(() => BigInt(Date.now()) + 37_000n > timestamp, 'the clock passes the tip');
}

describe('A deployed miner', function () {
  this.slow(2_000);
  const atEnd = cleanup();

  async function validator(...args: string[]): Promise<RunningValidator> {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const program = await startValidator(`${folder.path}/data`, args);
    atEnd(() => end(program, 'SIGKILL'));
    return program;
  }

  for (const clock of ['utc', 'tai'] as const) {
    it(`that counts ${clock.toUpperCase()} is accepted on an empty chain of TAI, and is in lockout then`, async () => {
      const { jsonTcp } = await validator();
      const alice = new LegacyMiner('alice', jsonTcp, clock);
      expect((await alice.checkLockout()).LockoutStatus).to.deep.equal({ is_locked: false, seconds_remaining: 0 });
      const { answer } = await alice.mineAndSubmit();
      expect(answer).to.deep.equal({ BlockResult: ACCEPTED });

      const status = (await alice.checkLockout()).LockoutStatus;
      expect(status?.is_locked).to.equal(true);
      expect(status?.seconds_remaining).to.be.within(3_500, 3_599);
      const again = (await alice.mineAndSubmit()).answer.BlockResult;
      expect(again?.result).to.equal('RejectedMinerInLockout');
      expect(again?.message).to.match(/^Miner in lockout\. 35\d\d seconds remaining\.$/);
    });
  }

  it('that comes second, at index 0 on zeros, is told MismatchedIndex, and nothing is used up', async () => {
    const { jsonTcp } = await validator();
    const first = await new LegacyMiner('alice', jsonTcp).mineAndSubmit();
    expect(first.answer).to.deep.equal({ BlockResult: ACCEPTED });

    const bob = new LegacyMiner('bob', jsonTcp, 'tai');
    expect((await bob.mineAndSubmit()).answer).to.deep.equal({ BlockResult: validation('MismatchedIndex') });
    expect((await bob.mineAndSubmit()).answer).to.deep.equal({ BlockResult: validation('MismatchedIndex') });
    expect((await bob.getRoundInfo()).RoundInfo?.attempted_miners).to.equal(0);
    const onTip = await bob.mineAndSubmit(1, first.block.hash);
    expect(onTip.answer, 'one that passes index and previous hash itself').to.deep.equal({ BlockResult: ACCEPTED });

    const carol = new LegacyMiner('carol', jsonTcp, 'tai');
    await later(onTip.block);
    const wrong = await carol.mineAndSubmit(2, first.block.hash);
    expect(wrong.answer).to.deep.equal({ BlockResult: validation('MismatchedPreviousHash') });
    expect((await carol.mineAndSubmit(2, onTip.block.hash.toUpperCase())).answer).to.deep.equal({
      BlockResult: ACCEPTED,
    });
  });

  it('that counts UTC, on a tip of TAI less than 37 seconds old, is told AchronologicalTimestamp, and nothing is used up', async () => {
    const { jsonTcp } = await validator();
    const { block, answer } = await new LegacyMiner('alice', jsonTcp, 'tai').mineAndSubmit();
    expect(answer).to.deep.equal({ BlockResult: ACCEPTED });
    const bob = new LegacyMiner('bob', jsonTcp, 'utc');
    const refused = await bob.mineAndSubmit(1, block.hash);
    expect(refused.answer).to.deep.equal({ BlockResult: validation('AchronologicalTimestamp') });
    await later(block);
    const onTai = await new LegacyMiner('bob', jsonTcp, 'tai').mineAndSubmit(1, block.hash);
    expect(onTai.answer).to.deep.equal({ BlockResult: ACCEPTED });
  });

  it('that counts TAI is told RejectedInvalidTimestamp by a validator on UTC, which uses its attempt up; one on UTC is accepted', async () => {
    const { jsonTcp } = await validator('--timescale', 'utc');
    const alice = new LegacyMiner('alice', jsonTcp, 'tai');
    const invalid = { result: 'RejectedInvalidTimestamp', message: 'Invalid timestamp' };
    expect((await alice.mineAndSubmit()).answer).to.deep.equal({ BlockResult: invalid });
    const right = new LegacyMiner('alice', jsonTcp, 'utc');
    expect((await right.mineAndSubmit()).answer).to.deep.equal({ BlockResult: ATTEMPTED });
    expect((await right.getRoundInfo()).RoundInfo?.attempted_miners).to.equal(1);
    const bob = await new LegacyMiner('bob', jsonTcp, 'utc').mineAndSubmit();
    expect(bob.answer).to.deep.equal({ BlockResult: ACCEPTED });
    expect((await right.getRoundInfo()).RoundInfo?.attempted_miners).to.equal(0);
  });

  it('uses its one attempt up by a block that is on the tip and fails later, until somebody is accepted', async () => {
    const { jsonTcp } = await validator();
    const alice = new LegacyMiner('alice', jsonTcp);
    const good = await alice.mine();
    const forged = await alice.submit({ ...good, hash: '0'.repeat(64) });
    expect(forged).to.deep.equal({
      BlockResult: { result: 'RejectedInvalidHash', message: 'Block hash does not match its contents' },
    });
    expect(await alice.submit(good)).to.deep.equal({ BlockResult: ATTEMPTED });
    const { block } = await new LegacyMiner('bob', jsonTcp).mineAndSubmit();
    const next = await new LegacyMiner('alice', jsonTcp, 'tai').mineAndSubmit(1, block.hash);
    expect(next.answer).to.deep.equal({ BlockResult: ACCEPTED });
  });

  it('whose hex cannot be read is told so, and nothing is used up', async () => {
    const { jsonTcp } = await validator();
    const alice = new LegacyMiner('alice', jsonTcp);
    const good = await alice.mine();
    const errors = [
      [{ hash: 'z0' }, "Invalid hash hex: Invalid character 'z' at position 0"],
      [{ hash: '123' }, 'Invalid hash hex: Odd number of digits'],
      [{ prev_block_hash: '0x00' }, "Invalid prev_block_hash hex: Invalid character 'x' at position 1"],
    ] as const;
    for (const [broken, message] of errors) {
      expect(await alice.submit({ ...good, ...broken })).to.deep.equal({
        Error: { message: `Invalid block data: ${message}` },
      });
    }
    expect(await alice.submit(good)).to.deep.equal({ BlockResult: ACCEPTED });
  });

  it('finds everything as it was after the validator was killed: its lockout, its attempt, the tip', async () => {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const first = await startValidator(`${folder.path}/data`);
    atEnd(() => end(first, 'SIGKILL'));
    const { block } = await new LegacyMiner('alice', first.jsonTcp).mineAndSubmit();
    const bob = new LegacyMiner('bob', first.jsonTcp, 'tai');
    const good = await bob.mine(1, block.hash);
    await bob.submit({ ...good, hash: block.hash });
    await end(first, 'SIGKILL');

    const second = await startValidator(`${folder.path}/data`);
    atEnd(() => end(second, 'SIGKILL'));
    const { jsonTcp } = second;
    expect((await new LegacyMiner('alice', jsonTcp).checkLockout()).LockoutStatus?.is_locked).to.equal(true);
    const carol = new LegacyMiner('carol', jsonTcp, 'tai');
    expect(await new LegacyMiner('bob', jsonTcp).submit(good)).to.deep.equal({ BlockResult: ATTEMPTED });
    expect((await carol.mineAndSubmit(1, block.hash)).answer).to.deep.equal({ BlockResult: ACCEPTED });
  });
});
