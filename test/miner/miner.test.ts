/** The mining loop, on our validators over both wires (spec, sections 7 and 8). */

import { expect } from 'chai';
import { type RoundInfo, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import { Fault } from '../../src/engine/fault.js';
import { meetsTonce, tonceOf } from '../../src/engine/tonce.js';
import type { MinerEvent } from '../../src/miner/events.js';
import { Miner, type MiningOptions } from '../../src/miner/miner.js';
import { ValidatorNode } from '../../src/validator/node.js';
import type { ChainValidator } from '../../src/validator/validator.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { TestClock } from '../support/clock.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { Recorder } from '../support/recorder.js';
import { intercepted } from '../support/servers.js';
import { proxyTo } from '../support/sockets.js';
import { systemNode } from '../support/system-node.js';
import { TestTimer } from '../support/timer.js';
import { turn, until } from '../support/wait.js';
import { WIRES } from '../support/wires.js';

const HOUR = 3_600_000;

/** Where a miner passes the first submission to. */
type Submit = ValidatorNode['submitBlock'];

for (const { wire, connect, serve } of WIRES) {
  describe(`A miner over ${wire}`, () => {
    const atEnd = cleanup();
    let test: TestNode;
    let timer: TestTimer;
    let events: Recorder<MinerEvent>;

    beforeEach(async () => {
      test = await memoryNode();
      atEnd(() => test.node.stop());
      timer = new TestTimer(test.clock);
      events = new Recorder();
    });

    /** A miner on the test's validator, some of whose calls are replaced, through a proxy that can be cut. */
    async function begin(instead: Partial<ChainValidator> = {}, options: MiningOptions = {}) {
      const calls = intercepted(test.node, instead);
      const served = await serve(calls.validator);
      atEnd(() => served.close());
      const proxy = await proxyTo(served.address);
      atEnd(proxy.close);
      const client = connect(proxy.address);
      atEnd(() => client.close());
      const stop = new AbortController();
      const miner = new Miner(client, 'alice', { signal: stop.signal, onEvent: events.observe, ...options }, timer);
      const done = miner.run();
      done.catch(() => {});
      atEnd(async () => {
        stop.abort();
        await done.catch(() => {});
      });
      return { done, stop, calls, served, proxy };
    }

    const height = async (): Promise<number> => Number((await test.node.getBlockchainInfo()).blockCount);

    /** Another miner's block is accepted. */
    async function rivalWins(name = 'rival'): Promise<void> {
      const { result } = await test.node.submitBlock(name, winning(await test.node.getRoundInfo(name), name));
      expect(result).to.equal(SubmitResult.ACCEPTED);
    }

    /** Does something else with the first submission, and passes the others on. */
    function firstSubmission(other: Submit): Partial<ChainValidator> {
      let first = true;
      return {
        submitBlock: (...submission) => {
          const submit = first ? other : test.node.submitBlock.bind(test.node);
          first = false;
          return submit(...submission);
        },
      };
    }

    /** Spoils the first submission: it uses the attempt up. */
    const spoilt = (): Partial<ChainValidator> =>
      firstSubmission((minerId, block) => test.node.submitBlock(minerId, { ...block, hash: NO_HASH }));

    /** Tells the first round with a difficulty that nobody meets. */
    function hopelessFirstRound(): Partial<ChainValidator> {
      const told = (round: RoundInfo): RoundInfo => (round.round === 1n ? { ...round, difficulty: '0x1' } : round);
      return {
        getRoundInfo: async (...asked) => told(await test.node.getRoundInfo(...asked)),
        async *watchRounds(...asked) {
          for await (const round of test.node.watchRounds(...asked)) yield told(round);
        },
      };
    }

    it('mines a block that pays the reward address, and stops right after the last one asked for', async () => {
      const { done } = await begin({}, { rewardAddress: 'purse', blocks: 1 });
      expect(await done).to.equal(1);
      const sequence = ['connected', 'clock-differs', 'mining', 'timestamp', 'mined', 'submitting', 'accepted'];
      expect(events.types.sort()).to.deep.equal(sequence.sort());
      const { block, minerId } = await test.node.getBlock({ index: 0 });
      expect(minerId).to.equal('alice');
      const [coinbase] = block?.transactions ?? [];
      expect(coinbase).to.deep.equal({
        inputs: [],
        outputs: [{ toAddr: 'purse', value: 2, timestamp: block?.timestamp }],
      });
      expect(events.all('accepted')[0]).to.deep.include({ block, type: 'accepted' });
      expect(events.all('accepted')[0]?.verdict?.message).to.equal('Block accepted! You are now in 1-hour lockout.');
    });

    it('pays itself unless it is told otherwise', async () => {
      await (await begin({}, { blocks: 1 })).done;
      expect((await test.node.getAddress('alice', { pageSize: 0, pageToken: '' })).balance).to.equal(2);
    });

    it("tells the round that it found, and goes by the validator's clock however much the host's differs", async () => {
      await (await begin({}, { blocks: 1 })).done;
      const [connected] = events.all('connected');
      expect(connected?.round).to.deep.include({ tonce: 15, nextIndex: 0, serverTime: 1_762_800_000_000n });
      const [mining] = events.all('mining');
      expect(mining).to.deep.equal({ type: 'mining', index: 0, tonce: 15, secondsRemaining: 60n });
      expect(Number(events.all('timestamp')[0]?.timestamp)).to.be.within(1_762_800_000_000, 1_762_800_000_500);
      const [differs, ...further] = events.all('clock-differs');
      expect(Number(differs?.aheadMs)).to.be.above(HOUR);
      expect(further, 'said once').to.have.length(0);
    });

    it("says nothing of a host's clock that agrees", async () => {
      const node = await systemNode();
      atEnd(() => node.stop());
      const served = await serve(node);
      atEnd(served.close);
      const client = connect(served.address);
      atEnd(() => client.close());
      expect(await new Miner(client, 'alice', { blocks: 1, onEvent: events.observe }).run()).to.equal(1);
      expect(events.types).to.not.include('clock-differs');
    });

    it('waits for its lockout, then mines on: seconds_remaining and one more, as they are rounded down', async () => {
      const { done } = await begin({}, { blocks: 3 });
      for (let blocks = 1; blocks < 3; blocks++) {
        await events.next('accepted');
        expect(await events.next('lockout')).to.deep.equal({
          type: 'lockout',
          seconds: 3_600n,
          waitMs: 3_601_000,
        });
        expect(await timer.pass()).to.equal(3_601_000);
      }
      expect(await done).to.equal(3);
      expect(events.types.at(-1)).to.equal('accepted');
      expect(await height()).to.equal(3);
    });

    it('that is in lockout when it begins waits first', async () => {
      await rivalWins('alice');
      test.clock.advance(HOUR - 1_500);
      const { done } = await begin({}, { blocks: 1 });
      expect((await events.next('lockout')).waitMs).to.equal(2_000);
      expect(events.types).to.not.include('mining');
      await timer.pass();
      expect(await done).to.equal(1);
    });

    it("waits by the validator's clock, which may run faster", async () => {
      const faster = (round: RoundInfo): RoundInfo => ({ ...round, clockSpeed: 600 });
      await rivalWins('alice');
      await begin({
        getRoundInfo: async (...asked) => faster(await test.node.getRoundInfo(...asked)),
        async *watchRounds(...asked) {
          for await (const round of test.node.watchRounds(...asked)) yield faster(round);
        },
      });
      const { seconds, waitMs } = await events.next('lockout');
      expect(seconds).to.equal(3_600n);
      expect(waitMs).to.be.closeTo(3_601_000 / 600, 1e-6);
    });

    it('that has lost a race goes on at once on the new tip', async () => {
      const { done } = await begin(
        firstSubmission(async (...submission) => {
          await rivalWins();
          return test.node.submitBlock(...submission);
        }),
        { blocks: 1 },
      );
      // No time passes: nothing was waited for.
      expect(await done).to.equal(1);
      expect(events.all('rejected')[0]?.verdict.message).to.equal('Blockchain validation failed: MismatchedIndex');
      expect(events.all('mining').map(({ index }) => index)).to.deep.equal([0, 1]);
    });

    it('gives up a block that another has overtaken, and goes on with the new tip', async () => {
      const { done } = await begin(hopelessFirstRound(), { blocks: 1 });
      await events.next('mining');
      await rivalWins();
      // Over JSON/TCP the miner looks every five seconds.
      if (wire === 'JSON/TCP') expect(await timer.pass()).to.equal(5_000);
      await events.next('overtaken');
      expect(await done).to.equal(1);
      expect((await test.node.getBlock({ index: 1 })).minerId).to.equal('alice');
    });

    it('begins a block anew, with a later timestamp, before the old one leaves the window', async () => {
      await begin(hopelessFirstRound());
      const first = await events.next('timestamp');
      timer.advance(149_000);
      for (let turns = 0; turns < 100; turns++) await turn();
      expect(events.types.at(-1)).to.equal('timestamp');
      timer.advance(1_500);
      const second = await events.next('timestamp');
      expect(Number(second.timestamp - first.timestamp)).to.be.within(150_000, 152_000);
    });

    describe('whose attempt is used up waits for the next round', () => {
      it('that begins when another is accepted', async () => {
        const { done } = await begin(spoilt(), { blocks: 1 });
        expect((await events.next('rejected')).verdict.result).to.equal(SubmitResult.REJECTED_INVALID_HASH);
        await events.next('next-round');
        await rivalWins();
        if (wire === 'JSON/TCP') await timer.pass();
        expect(await done).to.equal(1);
        expect(events.all('rejected')).to.have.length(1);
      });

      it('that begins when the hour is over', async () => {
        const { done, calls } = await begin(spoilt(), { blocks: 1 });
        await events.next('next-round');
        if (wire === 'JSON/TCP') {
          expect(await timer.pass()).to.equal(5_000);
          await timer.asleep();
        }
        expect(calls.count('submitBlock')).to.equal(1);
        test.clock.advance(HOUR);
        await test.node.getBlockchainInfo();
        if (wire === 'JSON/TCP') await timer.pass();
        expect(await done).to.equal(1);
        expect(calls.count('submitBlock')).to.equal(2);
      });
    });

    it('keeps a block whose timestamp is too far ahead until the clock is near', async () => {
      // The tip's own timestamp is as far ahead of the clock as may be.
      const round = await test.node.getRoundInfo('');
      const tip = winning({ ...round, serverTime: round.serverTime + 460n }, 'rival');
      expect((await test.node.submitBlock('rival', tip)).result).to.equal(SubmitResult.ACCEPTED);
      const { done, calls } = await begin({}, { blocks: 1 });
      const { timestamp } = await events.next('timestamp');
      expect(timestamp > tip.timestamp).to.equal(true);
      await events.next('mined');
      expect(await timer.pass()).to.equal(Number(timestamp - 250n - round.serverTime));
      expect(await done).to.equal(1);
      expect(calls.count('submitBlock')).to.equal(1);
    });

    it('that finds no timestamp for the tonce says so, and tries again every 5 seconds until the challenge is over', async () => {
      // A chain whose tonce none of the first timestamps meets, whether or not the miner allows for clocks that drift.
      const tries = Array.from({ length: 12 }, (_, i) => BigInt(5_000 * i));
      let start = test.clock.time;
      const meets = (after: bigint): boolean => meetsTonce(start + after, tonceOf(start));
      while (tries.some((after) => meets(after) || meets(after - after / 1_000n))) start++;
      await test.node.stop();
      test = await memoryNode(EASY, new TestClock(start));
      atEnd(() => test.node.stop());
      timer = new TestTimer(test.clock);

      const { done } = await begin({}, { blocks: 1, maxAttempts: 1 });
      let tonce: number;
      do {
        ({ tonce } = await events.next('mining'));
        if (tonce === 1) break;
        expect(await events.next('no-timestamp')).to.deep.equal({ type: 'no-timestamp', tried: 1 });
        expect(await timer.pass()).to.equal(5_000);
      } while (events.events.length < 100);
      expect(await done).to.equal(1);
      const told = events.all('mining').map(({ secondsRemaining }) => Number(secondsRemaining));
      expect(told.slice(0, 12)).to.deep.equal(Array.from({ length: 12 }, (_, i) => 60 - 5 * i));
      // What is told is rounded down: who does not ask again tries once more.
      expect(told.slice(12)).to.be.deep.oneOf([[0], [0, 0]]);
    });

    it('whose blocks are not taken makes others, after waits that grow', async () => {
      let refused = 0;
      const submitBlock: Submit = (...submission) =>
        refused++ < 8 ? overloaded() : test.node.submitBlock(...submission);
      const { done } = await begin({ submitBlock }, { blocks: 1 });
      const waits: number[] = [];
      for (let i = 0; i < 8; i++) {
        const { fault, retryMs } = await events.next('not-taken');
        expect(fault.message).to.contain('too many requests are waiting');
        const { retryMs: told = 250 } = fault;
        expect(retryMs).to.be.within(told, Math.max(told, Math.min(10_000, 500 * 2 ** i)));
        expect(await timer.pass()).to.equal(retryMs);
        waits.push(retryMs);
      }
      expect(Math.max(...waits)).to.be.above(500);
      expect(await done).to.equal(1);
      expect(await height()).to.equal(1);
      expect(events.types).to.not.include('disconnected');
    });

    it('that is told when to come again does not come before, and within an hour in any case', async () => {
      const told = [45_000, 2 ** 40];
      const submitBlock: Submit = async (...submission) => {
        const retryMs = told.shift();
        if (retryMs === undefined) return test.node.submitBlock(...submission);
        throw new Fault('OVERLOADED', 'too many', '', retryMs);
      };
      const { done } = await begin({ submitBlock }, { blocks: 1 });
      for (const most of [45_000, 3_600_000]) {
        const { fault, retryMs } = await events.next('not-taken');
        // JSON/TCP has no place for it.
        if (fault.retryMs !== undefined) expect(retryMs).to.equal(most);
        expect(await timer.pass()).to.equal(retryMs);
      }
      expect(await done).to.equal(1);
    });

    describe('whose answer was lost', () => {
      it('knows the accepted block by the tip, even where the lockout is over', async () => {
        const { done, proxy } = await begin(
          firstSubmission(async (...submission) => {
            const verdict = await test.node.submitBlock(...submission);
            test.clock.advance(HOUR);
            proxy.dropAll();
            return verdict;
          }),
          { blocks: 1 },
        );
        await events.next('disconnected');
        await pump(timer, events, 'accepted');
        expect(await done).to.equal(1);
        const [accepted, ...further] = events.all('accepted');
        expect(further).to.have.length(0);
        expect(accepted?.verdict).to.equal(undefined);
        expect(accepted?.block).to.deep.equal((await test.node.getBlock({ index: 0 })).block);
        expect(await height()).to.equal(1);
      });

      /** The block is accepted, another's stands on it, and the answer is lost. */
      async function buried(later: number) {
        let cut = (): void => {};
        const begun = await begin(
          firstSubmission(async (...submission) => {
            const verdict = await test.node.submitBlock(...submission);
            await rivalWins();
            test.clock.advance(later);
            cut();
            return verdict;
          }),
          { blocks: 1 },
        );
        cut = begun.proxy.dropAll;
        return begun;
      }

      it('knows the accepted block where another stands on it', async () => {
        const { done } = await buried(0);
        await pump(timer, events, 'accepted');
        expect(await done).to.equal(1);
        expect(await height()).to.equal(2);
      });

      if (wire === 'gRPC') {
        it('knows it even where the lockout is over', async () => {
          const { done } = await buried(HOUR);
          await pump(timer, events, 'accepted');
          expect(await done).to.equal(1);
          expect(await height()).to.equal(2);
        });
      } else {
        it('cannot tell where the lockout is over, says so, and goes on', async () => {
          const { done } = await buried(HOUR);
          await pump(timer, events, 'unknown');
          expect(await done).to.equal(1);
          expect(await height()).to.equal(3);
        });
      }

      it('makes another block where it was not accepted', async () => {
        const { done, proxy } = await begin(
          firstSubmission(async () => {
            proxy.dropAll();
            throw new Fault('UNAVAILABLE', 'the validator is stopping');
          }),
          { blocks: 1 },
        );
        await events.next('disconnected');
        await pump(timer, events, 'accepted');
        expect(await done).to.equal(1);
        expect(events.all('mined')).to.have.length(2);
        expect(await height()).to.equal(1);
      });
    });

    it('goes on where it was when the validator is gone for a while, as often as that is', async () => {
      const { done, served, calls } = await begin({}, { blocks: 3 });
      let serving = served;
      for (let times = 0; times < 2; times++) {
        await events.next('lockout');
        await serving.close();
        await timer.pass();
        const first = await events.next('disconnected');
        expect(first.retryMs, 'the waits begin anew').to.be.within(250, 500);
        for (let i = 0; i < 8; i++) {
          await timer.pass();
          await events.next('disconnected');
        }
        serving = await serve(calls.validator, served.address);
        const { close } = serving;
        atEnd(() => close());
        await pump(timer, events, 'connected');
      }
      expect(await done).to.equal(3);
      expect(await height()).to.equal(3);
    });

    it('goes on waiting for the next round when the validator is restarted', async () => {
      const { done, served } = await begin(spoilt(), { blocks: 1 });
      await events.next('next-round');
      await test.node.stop();
      await served.close();
      if (wire === 'JSON/TCP') await timer.pass();
      await events.next('disconnected');
      const node = new ValidatorNode(test.store, test.clock);
      atEnd(() => node.stop());
      const again = await serve(node, served.address);
      atEnd(() => again.close());
      await pump(timer, events, 'connected');
      expect(events.all('rejected')).to.have.length(1);
      const block = winning(await node.getRoundInfo('rival'), 'rival');
      expect((await node.submitBlock('rival', block)).result).to.equal(SubmitResult.ACCEPTED);
      if (wire === 'JSON/TCP') await pump(timer, events, 'accepted');
      expect(await done).to.equal(1);
      expect((await node.getBlock({ index: 1 })).minerId).to.equal('alice');
    });

    it('whose id another has used waits for that lockout', async () => {
      const { done } = await begin(
        firstSubmission(async (...submission) => {
          await rivalWins('alice');
          return test.node.submitBlock(...submission);
        }),
        { blocks: 1 },
      );
      expect((await events.next('rejected')).verdict.result).to.equal(SubmitResult.REJECTED_MINER_IN_LOCKOUT);
      expect((await events.next('lockout')).seconds).to.equal(3_600n);
      await timer.pass();
      expect(await done).to.equal(1);
      expect(events.types).to.not.include('next-round');
    });

    it('waits for a validator that is not there yet, longer and longer', async () => {
      const { done, served, calls } = await begin({ getRoundInfo: refuse, watchRounds: refuseStream }, { blocks: 1 });
      const waits: number[] = [];
      for (let i = 0; i < 8; i++) {
        waits.push((await events.next('disconnected')).retryMs);
        await timer.pass();
      }
      for (const [i, wait] of waits.entries()) expect(wait).to.be.within(250, Math.min(10_000, 500 * 2 ** i));
      expect(Math.max(...waits)).to.be.above(500);
      await served.close();
      const back = await serve(intercepted(test.node).validator, served.address);
      atEnd(() => back.close());
      await pump(timer, events, 'connected');
      expect(await done).to.equal(1);
      expect(calls.count('submitBlock')).to.equal(0);
    });

    describe('that is stopped', () => {
      it('in its lockout ends with what it has', async () => {
        const { done, stop } = await begin();
        await events.next('lockout');
        stop.abort();
        expect(await done).to.equal(1);
      });

      it('while it searches ends', async () => {
        const { done, stop } = await begin(hopelessFirstRound());
        await events.next('mining');
        stop.abort();
        expect(await done).to.equal(0);
        expect(events.types).to.not.include('mined');
      });

      it('while it waits for the validator ends', async () => {
        const { done, stop } = await begin({ getRoundInfo: refuse, watchRounds: refuseStream });
        await events.next('disconnected');
        stop.abort();
        expect(await done).to.equal(0);
      });

      it('before it has begun does nothing', async () => {
        const { done, calls } = await begin({}, { signal: AbortSignal.abort() });
        expect(await done).to.equal(0);
        expect(calls.count('submitBlock')).to.equal(0);
      });
    });

    if (wire === 'gRPC') {
      it('listens for rounds, and asks only for the time, where it was told long ago', async () => {
        const { done, calls } = await begin({}, { blocks: 3 });
        for (let blocks = 1; blocks < 3; blocks++) {
          await events.next('lockout');
          await timer.pass();
        }
        expect(await done).to.equal(3);
        // After each lockout.
        expect(calls.count('getRoundInfo')).to.equal(2);
        expect(calls.count('watchRounds')).to.equal(1);
      });
    }
  });
}

async function overloaded(): Promise<never> {
  throw new Fault('OVERLOADED', 'too many requests are waiting');
}

async function refuse(): Promise<never> {
  throw new Fault('UNAVAILABLE', 'the validator is stopping');
}

// biome-ignore lint/correctness/useYield: it fails before its first round
async function* refuseStream(): AsyncGenerator<never, void> {
  throw new Fault('UNAVAILABLE', 'the validator is stopping');
}

/** Lets time pass, again and again, until an event happens. */
async function pump(timer: TestTimer, events: Recorder<MinerEvent>, type: MinerEvent['type']): Promise<void> {
  const happens = (): boolean => {
    if (events.has(type)) return true;
    timer.skip();
    return false;
  };
  await until(happens, `${type} happens`);
  await events.next(type);
}
