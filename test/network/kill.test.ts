/** Power cuts: the validator process is killed at random moments under load, and must remember all that it has acknowledged. */

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { connectTo } from '../../src/client/connect.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { LOCKOUT_MS } from '../../src/engine/state.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { end, hourcoin, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';

const KILLS = 20;
const SUBMITTERS = 16;

/** The load lasts from this long to twice as long before the kill, milliseconds. */
const LOAD_MS = 250;

/** What validators have acknowledged, over all their lives. */
interface Acknowledged {
  /** Accepted blocks: index and hash, as hex. */
  readonly blocks: { readonly index: number; readonly hash: string }[];
  /** Attempts that were used up, with the round. */
  readonly attempts: { readonly minerId: string; readonly round: bigint }[];
  /** Lockouts, each of the miner of an accepted block. */
  readonly lockouts: string[];
}

describe('A validator that is killed at random moments under load', function () {
  this.timeout(120_000);
  const atEnd = cleanup();

  it('has every acknowledged block, attempt and lockout after each of 20 restarts', async () => {
    const seed = Number(process.env.KILL_SEED ?? randomInt(2 ** 32));
    const random = mulberry(seed);
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const acknowledged: Acknowledged = { blocks: [], attempts: [], lockouts: [] };
    let ids = 0;
    const nextId = (): string => `miner-${ids++}`;

    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const validator = await startValidator(folder.path, [String(EASY), '--log-level', 'silent']);
        atEnd(() => end(validator, 'SIGKILL'));
        await checkRemembered(validator, acknowledged);
        const before = acknowledged.blocks.length;

        const submitters = Array.from({ length: SUBMITTERS }, (_, number) =>
          submitUntilCut(number % 2 === 0 ? validator.jsonTcp : validator.grpc, nextId, acknowledged, random),
        );
        await sleep(LOAD_MS * (1 + random()));
        expect(await end(validator, 'SIGKILL')).to.equal('SIGKILL');
        await Promise.all(submitters);
        expect(acknowledged.blocks.length, 'the load had blocks accepted').to.be.greaterThan(before);
      }
      const validator = await startValidator(folder.path);
      atEnd(() => end(validator, 'SIGKILL'));
      await checkRemembered(validator, acknowledged);
      expect(await end(validator)).to.equal(0);
      const verified = hourcoin(['verify', '--data', folder.path]);
      expect(await verified.ended, verified.stdout()).to.equal(0);
      expect(acknowledged.attempts.length, 'attempts were used up too').to.be.greaterThan(KILLS);
    } catch (error) {
      throw new Error(`with KILL_SEED=${seed}`, { cause: error });
    }
  });
});

/** Submits blocks, some of them wrong, until the validator is gone. Every id is used until its attempt is used up or its block accepted. */
async function submitUntilCut(
  address: string,
  nextId: () => string,
  acknowledged: Acknowledged,
  random: () => number,
): Promise<void> {
  const client = connectTo(address, 20_000);
  if (client === undefined) throw new Error(`no address: ${address}`);
  let minerId = nextId();
  try {
    for (;;) {
      const round = await client.getRoundInfo(minerId);
      const block = winning(round, minerId);
      const wrong = random() < 0.3;
      const { result } = await client.submitBlock(minerId, wrong ? { ...block, hash: Buffer.alloc(32, 1) } : block);
      if (result === SubmitResult.ACCEPTED) {
        acknowledged.blocks.push({ index: block.index, hash: block.hash.toString('hex') });
        acknowledged.lockouts.push(minerId);
      } else if (result !== SubmitResult.REJECTED_BLOCKCHAIN_VALIDATION) {
        acknowledged.attempts.push({ minerId, round: round.round });
      } else continue;
      minerId = nextId();
    }
  } catch {
    // Killed: what was not answered was not acknowledged.
  } finally {
    client.close();
  }
}

/** A restarted validator shows all that its earlier lives have acknowledged. */
async function checkRemembered(
  { grpc }: RunningValidator,
  { blocks, attempts, lockouts }: Acknowledged,
): Promise<void> {
  const client = connectTo(grpc, 20_000);
  if (!(client instanceof GrpcClient)) throw new Error(`no gRPC address: ${grpc}`);
  try {
    for (const { index, hash } of blocks) {
      const { block } = await client.getBlock({ index });
      expect(block?.hash.toString('hex'), `block #${index}`).to.equal(hash);
    }
    const { round, lockoutMs } = await client.getRoundInfo('reader');
    expect(lockoutMs).to.equal(LOCKOUT_MS);
    for (const minerId of lockouts) {
      expect((await client.getMiner(minerId)).isLocked, `${minerId} is in lockout`).to.equal(true);
    }
    for (const attempt of attempts.filter((one) => one.round === round)) {
      expect((await client.getMiner(attempt.minerId)).hasAttempted, `${attempt.minerId} has attempted`).to.equal(true);
    }
  } finally {
    client.close();
  }
}

/** Numbers from 0 to 1 that a seed repeats. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
