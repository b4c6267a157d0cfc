/** What holds for one validator holds for all: the same cases in memory, over JSON/TCP and over gRPC (design, "One engine, many doors"). */

import { expect } from 'chai';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import { ChainCode, type RoundInfo, SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { MAX_U64, NO_HASH } from '../../src/engine/bytes.js';
import { meetsDifficulty } from '../../src/engine/difficulty.js';
import { Fault } from '../../src/engine/fault.js';
import { EASY, output, sealed, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { grow } from '../support/growth.js';
import { CHAIN_DOORS, DOORS, type Made } from '../support/makers.js';
import { SUBMISSION_LIMITS } from '../support/submissions.js';
import { BROKEN, FOUNDER, found, WRONG_GENESIS } from '../support/verdicts.js';
import { until } from '../support/wait.js';

const HOUR = 3_600_000n;
const START = 1_762_800_000_000n;
const DIFFICULTY = '0x10000000000000000000000000000000';

/** The fault of a call that must not be answered. */
async function faultOf(call: Promise<unknown>): Promise<Fault> {
  const fault = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (fault instanceof Fault) return fault;
  throw new Error(`no fault, but ${fault}`);
}

for (const [door, make] of Object.entries(DOORS)) {
  describe(`A validator ${door}`, () => {
    const atEnd = cleanup();
    let made: Made;
    /** JSON/TCP carries no retry_after_ms. */
    const retryAfterMs = (ms: bigint): bigint => (door === 'over JSON/TCP' ? 0n : ms);

    beforeEach(async () => {
      made = await make(atEnd);
    });

    const good = async (): Promise<Block> => winning(await made.validator.getRoundInfo('alice'), 'alice');
    const result = async (minerId: string, block: Block): Promise<SubmitResult> =>
      (await made.validator.submitBlock(minerId, block)).result;
    const attempted = async (): Promise<bigint> => (await made.validator.getRoundInfo('')).attemptedMiners;

    describe('tells the round', () => {
      const empty: RoundInfo = {
        roundStart: START,
        tonce: 15,
        challengeSecondsRemaining: 60n,
        attemptedMiners: 0n,
        activeLockouts: 0n,
        difficulty: DIFFICULTY,
        round: 1n,
        nextIndex: 0,
        prevBlockHash: NO_HASH,
        tipTimestamp: undefined,
        serverTime: START,
        timescale: Timescale.TAI,
        windowPastMs: 300_000n,
        windowFutureMs: 500n,
        lockoutMs: HOUR,
        clockSpeed: 1,
      };

      it('of an empty chain', async () => {
        expect(await made.validator.getRoundInfo('alice')).to.deep.equal(empty);
      });

      it('as time passes: floor of the seconds, and the tonce in force, 1 once the challenge is over', async () => {
        made.clock.advance(1);
        expect(await made.validator.getRoundInfo('')).to.deep.include({ tonce: 15, challengeSecondsRemaining: 59n });
        made.clock.advance(59_998);
        expect(await made.validator.getRoundInfo('')).to.deep.include({ tonce: 15, challengeSecondsRemaining: 0n });
        made.clock.advance(1);
        expect(await made.validator.getRoundInfo('')).to.deep.include({ tonce: 1, challengeSecondsRemaining: 0n });
      });

      it('of a chain with blocks', async () => {
        const { timestamp } = await found(made);
        const { tipHash } = await made.validator.getBlockchainInfo();
        made.clock.advance(60_000);
        expect(await made.validator.getRoundInfo('alice')).to.deep.equal({
          ...empty,
          tonce: 1,
          challengeSecondsRemaining: 0n,
          activeLockouts: 1n,
          round: 2n,
          nextIndex: 1,
          prevBlockHash: tipHash,
          tipTimestamp: timestamp,
          serverTime: START + 61_000n,
        });
      });

      it('A round ends an hour after it began: another begins, with no attempts, and the challenge stays over', async () => {
        await result('alice', { ...(await good()), hash: NO_HASH });
        expect(await attempted()).to.equal(1n);
        made.clock.advance(HOUR - 1n);
        expect(await made.validator.getRoundInfo('')).to.deep.include({ round: 1n, attemptedMiners: 1n });
        made.clock.advance(1);
        const next = { round: 2n, roundStart: START + HOUR, attemptedMiners: 0n, tonce: 1, nextIndex: 0 };
        expect(await made.validator.getRoundInfo('')).to.deep.include(next);
        made.clock.advance(5n * HOUR + 7n);
        const later = { round: 7n, roundStart: START + 6n * HOUR, tonce: 1 };
        expect(await made.validator.getRoundInfo('')).to.deep.include(later);
        expect(await result('alice', await good())).to.equal(SubmitResult.ACCEPTED);
      });
    });

    it('tells the chain', async () => {
      const empty = { blockCount: 0n, difficulty: DIFFICULTY, tipHash: undefined };
      expect(await made.validator.getBlockchainInfo()).to.deep.equal(empty);
      const [, second] = await grow(made, 2);
      expect(await made.validator.getBlockchainInfo()).to.deep.equal({
        blockCount: 2n,
        difficulty: DIFFICULTY,
        tipHash: second?.hash,
      });
    });

    it('accepts a block whole: every bit of its integers and doubles', async () => {
      const timestamp = winning(await made.validator.getRoundInfo(''), 'any').timestamp;
      const transactions = [
        {
          inputs: [],
          outputs: [output('é漢😀', 0.1, timestamp), output('', 1.9, MAX_U64), output('"\\\0', 5e-324, 0n)],
        },
      ];
      let block = sealed({ index: 0, timestamp, prevBlockHash: NO_HASH, nonce: MAX_U64, transactions, hash: NO_HASH });
      while (!meetsDifficulty(block.hash, EASY)) block = sealed({ ...block, nonce: block.nonce - 1n });
      expect(await result('é漢😀 "\\\0', block)).to.equal(SubmitResult.ACCEPTED);
      const stored = await made.node.getBlock({ index: 0 });
      expect(stored.block).to.deep.equal(block);
      expect(stored.minerId).to.equal('é漢😀 "\\\0');
    });

    it('locks the miner of an accepted block out for an hour, and then accepts it again', async () => {
      expect(await made.validator.checkLockout('alice')).to.deep.equal({ isLocked: false, secondsRemaining: 0n });
      expect(await made.validator.submitBlock('alice', await good())).to.deep.equal({
        result: SubmitResult.ACCEPTED,
        message: 'Block accepted! You are now in 1-hour lockout.',
        code: ChainCode.UNSPECIFIED,
        retryAfterMs: retryAfterMs(HOUR),
      });
      made.clock.advance(HOUR - 1_500n);
      expect(await made.validator.checkLockout('alice')).to.deep.equal({ isLocked: true, secondsRemaining: 1n });
      expect(await made.validator.submitBlock('alice', await good())).to.deep.equal({
        result: SubmitResult.REJECTED_MINER_IN_LOCKOUT,
        message: 'Miner in lockout. 1 seconds remaining.',
        code: ChainCode.UNSPECIFIED,
        retryAfterMs: retryAfterMs(1_500n),
      });
      made.clock.advance(1_499);
      expect(await made.validator.checkLockout('alice')).to.deep.equal({ isLocked: true, secondsRemaining: 0n });
      made.clock.advance(1);
      expect(await made.validator.checkLockout('alice')).to.deep.equal({ isLocked: false, secondsRemaining: 0n });
      expect((await made.validator.getRoundInfo('')).activeLockouts).to.equal(0n);
      expect(await result('alice', await good())).to.equal(SubmitResult.ACCEPTED);
    });

    it('takes one attempt a round of each miner, until a block is accepted', async () => {
      const bad = { ...(await good()), hash: NO_HASH };
      expect(await result('alice', bad)).to.equal(SubmitResult.REJECTED_INVALID_HASH);
      made.clock.advance(1_000);
      expect(await made.validator.submitBlock('alice', await good())).to.deep.equal({
        result: SubmitResult.REJECTED_MINER_ALREADY_ATTEMPTED,
        message: 'Already attempted this round',
        code: ChainCode.UNSPECIFIED,
        retryAfterMs: retryAfterMs(HOUR - 1_000n),
      });
      expect(await result('bob', bad)).to.equal(SubmitResult.REJECTED_INVALID_HASH);
      expect(await attempted()).to.equal(2n);
      expect(await result('carol', await good())).to.equal(SubmitResult.ACCEPTED);
      expect(await attempted()).to.equal(0n);
      expect(await result('alice', await good())).to.equal(SubmitResult.ACCEPTED);
    });

    describe('rejects, and says why', () => {
      for (const { name, result, code, message, usesUp, block } of BROKEN) {
        it(name, async () => {
          const unspent = await found(made);
          const round = await made.validator.getRoundInfo('alice');
          expect(await made.validator.submitBlock('alice', block(round, unspent))).to.deep.equal({
            result,
            code,
            message,
            retryAfterMs: retryAfterMs(usesUp ? round.roundStart + HOUR - made.clock.time : 0n),
          });
          expect(await attempted()).to.equal(usesUp ? 1n : 0n);
          expect(await made.validator.checkLockout('alice')).to.deep.equal({ isLocked: false, secondsRemaining: 0n });
        });
      }

      it(WRONG_GENESIS.name, async () => {
        const { code, message, block } = WRONG_GENESIS;
        const bad = block(await made.validator.getRoundInfo('alice'), output('', 0, 0n));
        expect(await made.validator.submitBlock('alice', bad)).to.deep.include({ code, message });
        expect(await attempted()).to.equal(0n);
      });
    });

    it('judges in order: of two blocks for one tip the first is accepted, and the other uses nothing up', async () => {
      const round = await made.validator.getRoundInfo('');
      const [first, second] = await Promise.all([
        made.validator.submitBlock('alice', winning(round, 'alice')),
        made.validator.submitBlock('bob', winning(round, 'bob')),
      ]);
      expect(first.result).to.equal(SubmitResult.ACCEPTED);
      expect(second.code).to.equal(ChainCode.MISMATCHED_INDEX);
      expect(await result('bob', await good())).to.equal(SubmitResult.ACCEPTED);
    });

    it('answers many calls at once, each with its own answer', async () => {
      await found(made);
      const ids = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? FOUNDER : `miner ${i}`));
      const answers = await Promise.all(ids.map((id) => made.validator.checkLockout(id)));
      expect(answers.map(({ isLocked }) => isLocked)).to.deep.equal(ids.map((id) => id === FOUNDER));
    });

    if (door !== 'in memory') {
      for (const { what, limit, of } of SUBMISSION_LIMITS) {
        it(`does not take ${limit + 1} ${what}: a fault, and nothing is used up`, async () => {
          const { minerId, block } = of(limit + 1);
          expect((await faultOf(made.validator.submitBlock(minerId, block))).message).to.contain(`at most ${limit} `);
          expect(made.count('submitBlock')).to.equal(0);
          expect(await attempted()).to.equal(0n);
        });
      }
    }

    it('that has stopped takes no block: a fault, UNAVAILABLE', async () => {
      const block = await good();
      await made.node.stop();
      expect(await faultOf(made.validator.submitBlock('alice', block))).to.deep.include({ reason: 'UNAVAILABLE' });
    });

    describe('A call that is given up: a fault, CANCELLED', () => {
      it('before it was made', async () => {
        const bad = { ...(await good()), hash: NO_HASH };
        const signal = AbortSignal.abort();
        expect((await faultOf(made.validator.submitBlock('alice', bad, { signal }))).reason).to.equal('CANCELLED');
        expect((await faultOf(made.validator.getRoundInfo('alice', { signal }))).reason).to.equal('CANCELLED');
        expect((await faultOf(made.validator.checkLockout('alice', { signal }))).reason).to.equal('CANCELLED');
        expect((await faultOf(made.validator.getBlockchainInfo({ signal }))).reason).to.equal('CANCELLED');
        expect(await attempted()).to.equal(0n);
      });

      it('while others wait, and the next call is answered', async () => {
        const block = await good();
        made.store.hold();
        atEnd(() => made.store.release());
        const accepted = made.node.submitBlock('alice', block);
        const giveUp = new AbortController();
        const call = faultOf(made.validator.checkLockout('alice', giveUp));
        await until(() => made.count('checkLockout') === 1, 'it waits behind the block');
        giveUp.abort();
        made.store.release();
        expect((await call).reason).to.equal('CANCELLED');
        await accepted;
        expect((await made.validator.checkLockout('alice')).isLocked).to.equal(true);
      });
    });
  });
}

for (const [door, make] of Object.entries(CHAIN_DOORS)) {
  describe(`A validator with its chain ${door}`, () => {
    const atEnd = cleanup();
    let made: Awaited<ReturnType<typeof make>>;

    beforeEach(async () => {
      made = await make(atEnd);
    });

    it('gives a block by its index and by its hash, and none that is not there', async () => {
      const [first, second] = await grow(made, 2);
      const byHash = await made.validator.getBlock({ hash: second?.hash ?? NO_HASH });
      expect(byHash.block).to.deep.equal(second);
      expect(await made.validator.getBlock({ index: 1 })).to.deep.equal(byHash);
      expect((await made.validator.getBlock({ index: 0 })).block).to.deep.equal(first);
      for (const name of [{ index: 2 }, { hash: NO_HASH }]) {
        expect((await faultOf(made.validator.getBlock(name))).reason).to.equal('NOT_FOUND');
      }
    });

    it('gives pages of blocks', async () => {
      const blocks = await grow(made, 5);
      const first = await made.validator.listBlocks(1, { pageSize: 2 });
      const { nextPageToken: pageToken } = first;
      const second = await made.validator.listBlocks(1, { pageSize: 2, pageToken });
      expect([...first.blocks, ...second.blocks].map(({ block }) => block)).to.deep.equal(blocks.slice(1));
      expect(second.nextPageToken).to.equal('');
    });

    it('A page token is good for the question that it was given for, and no other', async () => {
      await grow(made, 3);
      const { nextPageToken: pageToken } = await made.validator.listBlocks(1, { pageSize: 1 });
      expect(pageToken).to.match(/^[A-Za-z0-9_-]+$/);
      for (const asked of [
        made.validator.listBlocks(0, { pageToken }),
        made.validator.getAddress('wallet', { pageToken }),
        made.validator.listBlocks(1, { pageToken: pageToken.slice(1) }),
      ]) {
        expect(await faultOf(asked)).to.include({ reason: 'MALFORMED', field: 'page_token' });
      }
    });

    it('gives an address its balance and pages of outputs', async () => {
      await grow(made, 3);
      const page = await made.validator.getAddress('wallet', { pageSize: 2 });
      expect(page).to.deep.include({ address: 'wallet', balance: 6, unspentCount: 3n });
      expect(page.unspentOutputs.map(({ blockIndex }) => blockIndex)).to.deep.equal([0, 1]);
      const { nextPageToken: pageToken } = page;
      const rest = await made.validator.getAddress('wallet', { pageSize: 2, pageToken });
      expect(rest.unspentOutputs.map(({ blockIndex }) => blockIndex)).to.deep.equal([2]);
    });

    it('tells what it knows of a miner', async () => {
      await found(made);
      expect(await made.validator.getMiner(FOUNDER)).to.deep.equal({
        minerId: FOUNDER,
        isLocked: true,
        lockoutRemainingMs: HOUR - 1_000n,
        hasAttempted: false,
        blockCount: 1n,
        lastBlockIndex: 0,
      });
    });

    for (const [what, ask, field] of [
      ['a page of -1 blocks', () => made.validator.listBlocks(0, { pageSize: -1 }), 'page_size'],
      ['a token of its own', () => made.validator.getAddress('a', { pageToken: 'x' }), 'page_token'],
    ] as const) {
      it(`refuses ${what}, and says which field is wrong`, async () => {
        await grow(made, 1);
        expect((await faultOf(ask())).field).to.equal(field);
      });
    }

    it('tells rounds and blocks as they come, until the signal aborts', async () => {
      const giveUp = new AbortController();
      const rounds = made.validator.watchRounds('alice', giveUp)[Symbol.asyncIterator]();
      const blocks = made.validator.watchBlocks(1, giveUp)[Symbol.asyncIterator]();
      expect((await rounds.next()).value).to.deep.equal(await made.node.getRoundInfo(''));
      const [, second] = await grow(made, 2);
      expect((await blocks.next()).value.block).to.deep.equal(second);
      let round = await rounds.next();
      if (round.value.round === 2n) round = await rounds.next();
      expect(round.value).to.deep.include({ round: 3n, nextIndex: 2 });
      const [noRound, noBlock] = [faultOf(rounds.next()), faultOf(blocks.next())];
      giveUp.abort();
      expect((await noRound).reason).to.equal('CANCELLED');
      expect((await noBlock).reason).to.equal('CANCELLED');
    });

    it(`${door === 'in memory' ? 'ends' : 'interrupts, and does not end,'} its streams when it stops`, async () => {
      const giveUp = new AbortController();
      const interruptions: string[] = [];
      const onInterrupted = ({ message }: Error): void => void interruptions.push(message);
      const options = { signal: giveUp.signal, onInterrupted };
      const rounds = made.validator.watchRounds('alice', options)[Symbol.asyncIterator]();
      const blocks = made.validator.watchBlocks(0, options)[Symbol.asyncIterator]();
      await rounds.next();
      const [noRound, noBlock] = [rounds.next(), blocks.next()];
      await until(() => made.count('watchBlocks') === 1, 'it watches');
      await made.node.stop();
      if (door === 'in memory') {
        expect((await noRound).done).to.equal(true);
        expect((await noBlock).done).to.equal(true);
        expect(interruptions).to.deep.equal([]);
      } else {
        await until(() => interruptions.length === 2, 'both are interrupted');
        for (const message of interruptions) expect(message).to.contain('has ended the stream');
        giveUp.abort();
        expect((await faultOf(noRound)).reason).to.equal('CANCELLED');
        expect((await faultOf(noBlock)).reason).to.equal('CANCELLED');
      }
    });
  });
}
