import { expect } from 'chai';
import { ChainCode, SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { blockchainInfo, lockoutStatus, roundInfo } from '../../src/engine/answers.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import { passRounds } from '../../src/engine/step.js';
import { coinbaseTo, EASY } from '../support/blocks.js';
import { TestChain } from '../support/chains.js';
import { BREAKS, blockOf, draftFor, START } from '../support/drafts.js';

const HOUR = 3_600_000n;

function newChain(timescale = Timescale.TAI): TestChain {
  return new TestChain({ difficulty: EASY, timescale, firstRoundStart: START });
}

/** Uses a miner's attempt up. */
function useAttempt(chain: TestChain, minerId: string, now: bigint): void {
  const draft = BREAKS.claimedHash(draftFor(chain, now, []));
  expect(chain.submit(minerId, blockOf(chain, draft), now).verdict.result).to.equal(SubmitResult.REJECTED_INVALID_HASH);
}

/** A submission that is answered "off the tip" whoever sends it, unless the miner has attempted or is locked out. */
function ask(chain: TestChain, minerId: string, now: bigint): string {
  const draft = BREAKS.index(draftFor(chain, now, []));
  return chain.submit(minerId, blockOf(chain, draft), now).verdict.message;
}
const MAY_SUBMIT = 'Blockchain validation failed: MismatchedIndex';

describe('Rounds (spec, section 8)', () => {
  it('The first round is number 1 and begins where the chain does', () => {
    expect(newChain().state.round).to.deep.equal({ number: 1n, start: START, attempts: new Set() });
  });

  describe('A round ends one hour after it began: k = floor((now − round_start) / 3 600 000) rounds end', () => {
    for (const [elapsed, k] of [
      [-1n, 0n],
      [0n, 0n],
      [1n, 0n],
      [HOUR - 1n, 0n],
      [HOUR, 1n],
      [HOUR + 1n, 1n],
      [2n * HOUR - 1n, 1n],
      [2n * HOUR, 2n],
      [24n * 365n * HOUR + 5n, 24n * 365n],
    ] as const) {
      it(`${elapsed} ms: ${k}`, () => {
        const { state } = newChain();
        const change = { type: 'round', number: 1n + k, start: START + k * HOUR };
        expect(passRounds(state, START + elapsed)).to.deep.equal(k === 0n ? undefined : change);
      });
    }
  });

  it('Attempts last to the end of the round, and the wait that is told is the rest of it', () => {
    const chain = newChain();
    useAttempt(chain, 'a', START + 1n);
    const draft = draftFor(chain, START + HOUR - 1n, [coinbaseTo('a', START)]);
    const refused = chain.submit('a', blockOf(chain, draft), START + HOUR - 1n);
    expect(refused.verdict.result).to.equal(SubmitResult.REJECTED_MINER_ALREADY_ATTEMPTED);
    expect(refused.verdict.retryAfterMs).to.equal(1n);
    expect(refused.changes).to.be.empty;
    expect(ask(chain, 'a', START + HOUR)).to.equal(MAY_SUBMIT);
  });

  it('The change of round comes before those of the submission', () => {
    const chain = newChain();
    const now = START + 3n * HOUR + 7n;
    const draft = BREAKS.claimedHash(draftFor(chain, now, []));
    expect(chain.submit('a', blockOf(chain, draft), now).changes).to.deep.equal([
      { type: 'round', number: 4n, start: START + 3n * HOUR },
      { type: 'attempt', minerId: 'a' },
    ]);
    expect(chain.state.round).to.deep.equal({ number: 4n, start: START + 3n * HOUR, attempts: new Set(['a']) });
  });

  it('p stays when hours pass without a block', () => {
    const chain = newChain();
    ask(chain, 'a', START + 2n * HOUR);
    expect(chain.state.round.start).to.equal(START + 2n * HOUR);
    // A new p would begin a new challenge.
    const { tonce, challengeSecondsRemaining } = roundInfo(chain.state, START + 2n * HOUR + 1n, 1);
    expect([tonce, challengeSecondsRemaining]).to.deep.equal([1, 0n]);

    const block = chain.extend('winner', START + 2n * HOUR + 2n);
    ask(chain, 'a', block.timestamp + HOUR + 1n);
    expect(chain.state.round.number).to.equal(5n);
    expect(roundInfo(chain.state, block.timestamp + HOUR + 1n, 1).tonce).to.equal(1);
    expect(chain.state.tip?.timestamp).to.equal(block.timestamp);
  });

  it('A block that is accepted ends its round: the next begins then, whatever hours had passed before', () => {
    const chain = newChain();
    const now = START + 5n * HOUR + 1_234n;
    chain.extend('winner', now);
    expect(chain.state.round).to.deep.equal({ number: 7n, start: now, attempts: new Set() });
    expect(ask(chain, 'a', now + HOUR - 1n)).to.equal(MAY_SUBMIT);
    expect(chain.state.round.number).to.equal(7n);
    ask(chain, 'a', now + HOUR);
    expect(chain.state.round).to.deep.include({ number: 8n, start: now + HOUR });
  });
});

describe('Lockouts (spec, section 6)', () => {
  describe('Last 3 600 000 ms from the time of acceptance', () => {
    for (const [elapsed, message, locked, seconds] of [
      [0n, 'Miner in lockout. 3600 seconds remaining.', true, 3_600n],
      [1n, 'Miner in lockout. 3599 seconds remaining.', true, 3_599n],
      [3_599_000n, 'Miner in lockout. 1 seconds remaining.', true, 1n],
      [3_599_001n, 'Miner in lockout. 0 seconds remaining.', true, 0n],
      [3_599_999n, 'Miner in lockout. 0 seconds remaining.', true, 0n],
      [3_600_000n, MAY_SUBMIT, false, 0n],
      [3_600_001n, MAY_SUBMIT, false, 0n],
    ] as const) {
      it(`${elapsed} ms: ${message}`, () => {
        const chain = newChain();
        const acceptedAt = START + 70_000n;
        // The block's own timestamp does not count.
        const block = chain.winning('winner', acceptedAt - 10_000n);
        chain.submit('winner', block, acceptedAt);
        const now = acceptedAt + elapsed;
        expect(lockoutStatus(chain.state, 'winner', now)).to.deep.equal({
          isLocked: locked,
          secondsRemaining: seconds,
        });
        expect(roundInfo(chain.state, now, 1).activeLockouts).to.equal(locked ? 1n : 0n);
        expect(ask(chain, 'winner', now)).to.equal(message);
        expect(ask(chain, 'other', now)).to.equal(MAY_SUBMIT);
      });
    }
  });

  it('The wait that is told is the rest of the lockout, to the millisecond', () => {
    const chain = newChain();
    chain.extend('winner', START + 60_000n);
    const block = chain.winning('winner', START + 120_000n);
    const { verdict, changes } = chain.submit('winner', block, START + 121_234n);
    expect(verdict).to.deep.equal({
      result: SubmitResult.REJECTED_MINER_IN_LOCKOUT,
      message: 'Miner in lockout. 3538 seconds remaining.',
      code: ChainCode.UNSPECIFIED,
      retryAfterMs: HOUR - 61_234n,
    });
    expect(changes).to.be.empty;
  });

  it('Are counted for each miner, and a miner may win again when its own is over', () => {
    const chain = newChain();
    const [a, b, again] = [START + 60_000n, START + 120_000n, START + 60_000n + HOUR];
    chain.extend('a', a);
    chain.extend('b', b);
    expect(roundInfo(chain.state, b, 1).activeLockouts).to.equal(2n);
    chain.extend('a', again);
    expect(lockoutStatus(chain.state, 'a', again).secondsRemaining).to.equal(3_600n);
    expect(lockoutStatus(chain.state, 'b', again).secondsRemaining).to.equal(60n);
    expect(roundInfo(chain.state, b + HOUR, 1).activeLockouts).to.equal(1n);
    expect(roundInfo(chain.state, again + HOUR, 1).activeLockouts).to.equal(0n);
  });

  it('That are over are forgotten, so that memory is bounded', () => {
    const chain = newChain();
    for (let count = 1n; count <= 130n; count++) chain.extend(`m${count}`, START + count * 60_000n);
    // Those of the last hour, the one accepted an hour ago being over.
    expect([...chain.state.lockouts.keys()]).to.deep.equal(Array.from({ length: 60 }, (_, index) => `m${index + 71}`));
  });
});

describe('What a state says (spec, sections 2 and 8)', () => {
  it('RoundInfo before the first block', () => {
    expect(roundInfo(newChain(Timescale.UTC).state, START + 1_001n, 60)).to.deep.equal({
      roundStart: START,
      tonce: 15,
      challengeSecondsRemaining: 58n,
      attemptedMiners: 0n,
      activeLockouts: 0n,
      difficulty: '0x10000000000000000000000000000000',
      round: 1n,
      nextIndex: 0,
      prevBlockHash: NO_HASH,
      tipTimestamp: undefined,
      serverTime: START + 1_001n,
      timescale: Timescale.UTC,
      windowPastMs: 300_000n,
      windowFutureMs: 500n,
      lockoutMs: 3_600_000n,
      clockSpeed: 60,
    });
  });

  it('RoundInfo on a chain, with miners that have attempted', () => {
    const chain = newChain();
    const block = chain.extend('winner', START + 240_000n);
    useAttempt(chain, 'a', START + 250_000n);
    useAttempt(chain, 'b', START + 260_000n);
    expect(roundInfo(chain.state, START + 270_000n, 1)).to.deep.equal({
      roundStart: START + 240_000n,
      tonce: 26,
      challengeSecondsRemaining: 30n,
      attemptedMiners: 2n,
      activeLockouts: 1n,
      difficulty: '0x10000000000000000000000000000000',
      round: 2n,
      nextIndex: 1,
      prevBlockHash: block.hash,
      tipTimestamp: START + 240_000n,
      serverTime: START + 270_000n,
      timescale: Timescale.TAI,
      windowPastMs: 300_000n,
      windowFutureMs: 500n,
      lockoutMs: 3_600_000n,
      clockSpeed: 1,
    });
  });

  it('After 60 s RoundInfo names the tonce in force, 1', () => {
    const { state } = newChain();
    const said = (now: bigint) => {
      const { tonce, challengeSecondsRemaining } = roundInfo(state, now, 1);
      return [tonce, challengeSecondsRemaining];
    };
    expect(said(START + 59_999n)).to.deep.equal([15, 0n]);
    expect(said(START + 60_000n)).to.deep.equal([1, 0n]);
  });

  it('A miner that never won is not locked', () => {
    expect(lockoutStatus(newChain().state, 'nobody', START)).to.deep.equal({ isLocked: false, secondsRemaining: 0n });
  });

  it('BlockchainInfo before and after the first block', () => {
    const chain = newChain();
    const difficulty = '0x10000000000000000000000000000000';
    expect(blockchainInfo(chain.state)).to.deep.equal({ blockCount: 0n, difficulty, tipHash: undefined });
    const block = chain.extend('winner', START + 60_000n);
    expect(blockchainInfo(chain.state)).to.deep.equal({ blockCount: 1n, difficulty, tipHash: block.hash });
  });
});
