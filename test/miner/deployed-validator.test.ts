/** Our miner on deployed validators: they tell no tip, no time and no round (spec, sections 3 and 7). */

import { expect } from 'chai';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import { SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import type { MinerEvent } from '../../src/miner/events.js';
import { Miner, type MiningOptions } from '../../src/miner/miner.js';
import { systemTime } from '../../src/time/clock.js';
import type { Timer } from '../../src/time/timer.js';
import type { ValidatorNode } from '../../src/validator/node.js';
import type { Request } from '../../src/wire/requests.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { TestClock } from '../support/clock.js';
import { deployedValidator } from '../support/deployed-validator.js';
import { memoryNode } from '../support/nodes.js';
import { Recorder } from '../support/recorder.js';
import { systemNode } from '../support/system-node.js';
import { TestTimer } from '../support/timer.js';
import { until } from '../support/wait.js';

describe('A miner on a deployed validator', () => {
  const atEnd = cleanup();
  let events: Recorder<MinerEvent>;

  beforeEach(() => {
    events = new Recorder();
  });

  async function nodeOf(timescale?: Timescale, age?: bigint): Promise<ValidatorNode> {
    const node = await systemNode(timescale, age);
    atEnd(() => node.stop());
    return node;
  }

  /** A miner on a deployed validator; `say` gives answers of its own, undefined the validator's. */
  async function begin(
    node: ValidatorNode,
    options: MiningOptions,
    { say, timer }: { say?: (request: Request) => string | undefined; timer?: Timer } = {},
  ): Promise<{ done: Promise<number> }> {
    const validator = await deployedValidator(node, say);
    atEnd(validator.close);
    const client = new JsonTcpClient(validator.address);
    atEnd(() => client.close());
    const stop = new AbortController();
    const miner = new Miner(client, 'alice', { signal: stop.signal, onEvent: events.observe, ...options }, timer);
    const done = miner.run();
    done.catch(() => {});
    atEnd(async () => {
      stop.abort();
      await done.catch(() => {});
    });
    return { done };
  }

  for (const { what, timescale, age } of [
    { what: 'on UTC', timescale: Timescale.UTC, age: 0n },
    { what: 'on UTC, late in its round', timescale: Timescale.UTC, age: 50_000n },
    { what: 'on TAI', timescale: Timescale.TAI, age: 0n },
    { what: 'on TAI, late in its round', timescale: Timescale.TAI, age: 50_000n },
  ]) {
    it(`${what}: says that it tells no tip, begins at index 0 on zeros, and is accepted`, async () => {
      const node = await nodeOf(timescale, age);
      const { done } = await begin(node, { blocks: 1 });
      expect(await done).to.equal(1);
      expect(events.all('deployed-validator')).to.deep.equal([
        { type: 'deployed-validator', index: 0, prevBlockHash: NO_HASH },
      ]);
      expect(events.types).to.not.include('clock-differs');
      expect((await node.getBlock({ index: 0 })).minerId).to.equal('alice');
    });
  }

  for (const timescale of [Timescale.UTC, Timescale.TAI]) {
    it(`on ${Timescale[timescale]}, with a young tip: takes index and previous hash as it is told`, async () => {
      const node = await nodeOf(timescale);
      const tip = winning(await node.getRoundInfo('rival'), 'rival');
      expect((await node.submitBlock('rival', tip)).result).to.equal(SubmitResult.ACCEPTED);
      await until(() => systemTime(timescale) > tip.timestamp, 'the clock passes the tip');
      const { done } = await begin(node, { blocks: 1, index: 1, prevHash: tip.hash });
      expect(await done).to.equal(1);
      expect((await node.getBlock({ index: 1 })).minerId).to.equal('alice');
    });
  }

  it('whose round begins in the future: says that the host’s clock is behind, and is accepted all the same', async () => {
    const { node } = await memoryNode(EASY, new TestClock(systemTime(Timescale.TAI) + 100_000n));
    atEnd(() => node.stop());
    const { done } = await begin(node, { blocks: 1 });
    expect(await done).to.equal(1);
    const [differs, ...further] = events.all('clock-differs');
    expect(Number(differs?.aheadMs)).to.be.within(-100_000, -90_000);
    expect(further, 'said once').to.have.length(0);
  });

  describe('whose answers are scripted', () => {
    const ROUND =
      '{"RoundInfo":{"round_start":1,"tonce":null,"challenge_seconds_remaining":0,"attempted_miners":0,"active_lockouts":0,"difficulty":"0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"}}';
    const NOT_LOCKED = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}';
    const result = (name: string, message: string): string =>
      `{"BlockResult":{"result":"${name}","message":"${message}"}}`;
    const ACCEPTED = result('Accepted', 'Block accepted! You are now in 1-hour lockout.');

    /** A miner whose submissions get these answers in turn; an empty one closes the connection. */
    async function answering(answers: readonly string[], options: MiningOptions) {
      const submitted: Block[] = [];
      const timer = new TestTimer(new TestClock());
      const say = (request: Request): string | undefined => {
        if (request.call === 'GetRoundInfo') return ROUND;
        if (request.call === 'CheckLockout') return NOT_LOCKED;
        if (request.call === 'SubmitBlock') submitted.push(request.block);
        const text = answers[submitted.length - 1];
        if (!text) throw new Error('closed without a word');
        return text;
      };
      const { done } = await begin(await nodeOf(), options, { say, timer });
      return { done, submitted, timer };
    }

    it('goes on from its own block, where its tonce is null too', async () => {
      const options = { blocks: 3, index: 7, prevHash: Buffer.alloc(32, 1) };
      const { done, submitted } = await answering([ACCEPTED, ACCEPTED, ACCEPTED], options);
      expect(await done).to.equal(3);
      expect(submitted.map(({ index }) => index)).to.deep.equal([7, 8, 9]);
      expect(submitted[0]?.prevBlockHash).to.deep.equal(options.prevHash);
      expect(submitted[1]?.prevBlockHash).to.deep.equal(submitted[0]?.hash);
      expect(submitted[2]?.prevBlockHash).to.deep.equal(submitted[1]?.hash);
      expect(events.all('deployed-validator'), 'said once').to.have.length(1);
    });

    for (const [name, message] of [
      ['RejectedBlockchainValidation', 'Blockchain validation failed: MismatchedIndex'],
      ['RejectedMinerAlreadyAttempted', 'Already attempted this round'],
      ['RejectedToday', 'a RESULT that no program knows'],
    ] as const) {
      it(`waits 5 seconds after ${name}, and tries again in the same place`, async () => {
        const { done, submitted, timer } = await answering([result(name, message), ACCEPTED], { blocks: 1 });
        expect((await events.next('rejected')).verdict.message).to.equal(message);
        expect(await timer.pass()).to.equal(5_000);
        expect(await done).to.equal(1);
        expect(submitted.map(({ index }) => index)).to.deep.equal([0, 0]);
      });
    }

    for (const [what, answer, event] of [
      ['closes', '', 'disconnected'],
      ['answers with an Error', '{"Error":{"message":"Invalid block data: Hash decode failed"}}', 'not-taken'],
    ] as const) {
      it(`tries again, after a while, where the validator ${what}`, async () => {
        const { done, submitted, timer } = await answering([answer, ACCEPTED], { blocks: 1 });
        const { retryMs } = await events.next(event);
        expect(retryMs).to.be.within(250, 500);
        expect(await timer.pass()).to.equal(retryMs);
        expect(await done).to.equal(1);
        expect(submitted).to.have.length(2);
      });
    }
  });
});
