/** A client watches a validator that is killed and comes back: it is told every block once, in order. */

import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import type { ClientError } from '../../src/client/errors.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc, overJsonTcp } from '../support/clients.js';
import { end, hourcoin, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';
import { fixedChance, watching } from '../support/watching.js';

const KILLS = 4;

const QUIET = ['--log-level', 'warn'];

/** Adds blocks, each by a miner of its own. Those that come too fast for the clock are made again. */
async function mine(validator: RunningValidator, name: string, count: number): Promise<void> {
  const client = overJsonTcp(validator);
  for (let mined = 0, tries = 0; mined < count; tries++) {
    const minerId = `${name}/${tries}`;
    const { result } = await client.submitBlock(minerId, winning(await client.getRoundInfo(minerId), minerId));
    if (result === SubmitResult.ACCEPTED) mined++;
  }
  client.close();
}

/** Starts a validator again where it was. */
async function startAgain({ jsonTcp, grpc }: RunningValidator, data: string): Promise<RunningValidator> {
  const listen = [jsonTcp, '--grpc', grpc.replace('grpc://', '')];
  const program = hourcoin(['validator', ...listen, '--data', data, ...QUIET]);
  await program.printed(/^Waiting for miner connections\.\.\.$/m);
  return { ...program, jsonTcp, grpc };
}

describe('A validator that is watched', () => {
  const atEnd = cleanup();

  it(`and killed ${KILLS} times goes on being watched when it is there again: blocks, and rounds`, async () => {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    atEnd(fixedChance(0));
    // On a fast clock the tonce does not drive the blocks' timestamps ahead of it.
    let validator = await startValidator(folder.path, [String(EASY), '--clock-speed', '20', ...QUIET]);
    atEnd(() => end(validator, 'SIGKILL'));
    const client = overGrpc(validator);
    atEnd(() => client.close());
    const interruptions: ClientError[] = [];
    const onInterrupted = (error: ClientError): void => void interruptions.push(error);
    const blocks = watching(client.watchBlocks(0, { onInterrupted }));
    const rounds = watching(client.watchRounds('watcher', { onInterrupted }));
    let height = 0;
    for (let kills = 0; kills < KILLS; kills++) {
      await mine(validator, `${kills}`, 5);
      height += 5;
      // Now and then it is killed while some are on their way.
      if (kills % 2 === 0) await blocks.count(height);
      await end(validator, 'SIGKILL');
      validator = await startAgain(validator, folder.path);
      await blocks.count(height);
    }
    await mine(validator, 'last', 1);
    height++;
    await blocks.count(height);
    expect(blocks.messages).to.deep.equal((await client.listBlocks(0)).blocks);
    expect(blocks.messages).to.have.length(height);
    for (const { reason, message } of interruptions) {
      expect(reason, message).to.be.oneOf(['UNREACHABLE', 'TIMED_OUT', 'UNAVAILABLE']);
    }
    expect(interruptions.length).to.be.at.least(2 * KILLS);
    await rounds.count(1);
    const heights = rounds.messages.map(({ nextIndex }) => nextIndex);
    expect(heights).to.deep.equal([...new Set(heights)].sort((a, b) => a - b));
  }).timeout(60_000);
});
