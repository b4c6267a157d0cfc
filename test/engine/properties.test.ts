import { expect } from 'chai';
import fc from 'fast-check';
import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { ChainCode, SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { MAX_U64, MAX_U128 } from '../../src/engine/bytes.js';
import { exactUnits } from '../../src/engine/exact.js';
import { apply, dropOldLockouts, ROUND_MS, type State } from '../../src/engine/state.js';
import { passRounds, step } from '../../src/engine/step.js';
import { RESULT_NAMES } from '../../src/engine/verdict.js';
import { coinbaseTo, mined, output, sealed } from '../support/blocks.js';
import { type BlockChange, blockChange, TestChain } from '../support/chains.js';
import { flipped } from '../support/drafts.js';

const START = 1_762_800_000_000n;

/** A chain whose difficulty almost every hash meets: mining is not what is tried here. */
function newChain(): TestChain {
  return new TestChain({ difficulty: MAX_U128, timescale: Timescale.TAI, firstRoundStart: START });
}

/** Ends the rounds that are over at a time. */
function bringTo(state: State, time: bigint): void {
  const passed = passRounds(state, time);
  if (passed !== undefined) apply(state, passed);
}

function units(outputs: readonly Output[]): bigint {
  return outputs.reduce((total, { value }) => total + exactUnits(value), 0n);
}

/** Amounts with and without dust, also some that nobody has. */
const amount = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(5e-324, 2 ** -60, 2 ** -53, 2 ** -52, 2 ** -1022, 1e-17, 0) },
  { weight: 3, arbitrary: fc.constantFrom(0.1, 0.25, 0.5, 1, 1.4, 2, 2.0000000000000004) },
  { weight: 2, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
);

/** The values of a coinbase; each list sums to 2.0 in doubles, the last three not exactly. */
const coinbaseValues = fc.constantFrom(
  [2],
  [1.5, 0.5],
  [2 ** -52, 2 - 2 ** -52],
  [2, 2 ** -60],
  [2, 5e-324, 5e-324],
  [0.2, 0.4, 1.4],
);

/** How a transaction is put together from what is unspent: which inputs, and what of them goes where. */
const spending = fc.record({
  picks: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
  values: fc.array(amount, { maxLength: 4 }),
  /** Pays what is left, as doubles count it, before or after the values; or instead of them passes each input's value on. */
  rest: fc.constantFrom('before', 'after', 'burnt', 'passedOn', 'passedOn'),
});
type Spending = typeof spending extends fc.Arbitrary<infer T> ? T : never;

/** Makes a transaction, taking its inputs out of a pool of unspent outputs. */
function spend({ picks, values, rest }: Spending, pool: Output[], name: string, timestamp: bigint): Transaction {
  const inputs = picks.flatMap((pick) => pool.splice(pick % (pool.length || 1), 1));
  const received = inputs.map(({ value }) => value);
  const left = sum(received) - sum(values);
  let paid = values;
  if (rest === 'passedOn') paid = received;
  else if (rest === 'before' && left >= 0) paid = [left, ...values];
  else if (rest === 'after' && left >= 0) paid = [...values, left];
  return { inputs, outputs: paid.map((value, position) => output(`${name}.${position}`, value, timestamp)) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

describe('Properties of the engine', () => {
  it('No transaction but a coinbase makes coins, counted exactly', () => {
    const seen = new Map<string, number>();
    const blocks = fc.array(fc.record({ values: coinbaseValues, spendings: fc.array(spending, { maxLength: 3 }) }), {
      minLength: 2,
      maxLength: 12,
    });
    fc.assert(
      fc.property(blocks, (list) => {
        const chain = newChain();
        let coins = 0n;
        let coinbases = 0n;
        let exactly = true;
        for (const [position, { values, spendings }] of list.entries()) {
          // One a minute: every timestamp passes. A miner each: none is in lockout.
          const now = START + BigInt(position + 1) * 60_000n;
          const pool = chain.outputs.unspent();
          const coinbase = {
            inputs: [],
            outputs: values.map((value, place) => output(`coinbase${place}`, value, now)),
          };
          const further = spendings.map((plan, place) => spend(plan, pool, `${position}.${place}`, now));
          const { height: index, tip } = chain.state;
          const parts = { index, timestamp: now, transactions: [coinbase, ...further] };
          const block = mined(tip === undefined ? parts : { ...parts, prevBlockHash: tip.hash }, MAX_U128);
          const judgement = chain.submit(`miner${position}`, block, now);
          const { code, result } = judgement.verdict;
          const answer = result === SubmitResult.ACCEPTED ? `${further.length} spendings` : ChainCode[code];
          seen.set(answer, (seen.get(answer) ?? 0) + 1);

          if (result === SubmitResult.ACCEPTED) {
            coinbases++;
            exactly &&= units(coinbase.outputs) === exactUnits(2);
            coins += units(coinbase.outputs);
            for (const { inputs, outputs } of further) {
              const fee = units(inputs) - units(outputs);
              expect(fee >= 0n).to.equal(true);
              coins -= fee;
            }
          }
          const unspent = units(chain.outputs.unspent());
          expect(unspent).to.equal(coins);
          if (exactly) expect(unspent <= coinbases * exactUnits(2)).to.equal(true);
        }
      }),
      { numRuns: 300 },
    );
    // What was tried was worth trying.
    for (const answer of ['1 spendings', '2 spendings', '3 spendings', 'INSUFFICIENT_INPUT_VALUE']) {
      expect(seen.get(answer), answer).to.be.greaterThan(20);
    }
  });

  describe('Any block, miner and time', () => {
    // A chain with something to spend, and the block that would be accepted on it.
    const chain = newChain();
    for (const minute of [1n, 2n, 3n]) chain.extend(`m${minute}`, START + minute * 60_000n);
    const now = START + 240_000n;
    const good = chain.winning('good', now, [{ inputs: chain.outputs.unspent().slice(0, 1), outputs: [] }]);

    const orGood = <T>(value: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
      fc.oneof({ weight: 5, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: other });
    const anyBytes = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
    // Code units, lone surrogates among them.
    const anyText = fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 })
      .map((codes) => String.fromCharCode(...codes));
    const u128 = fc.bigInt({ min: 0n, max: MAX_U128 });
    const anyOutput = fc.record({
      toAddr: anyText,
      value: fc.oneof(fc.double(), amount),
      timestamp: fc.oneof(u128, fc.constantFrom(0n, now, MAX_U64, MAX_U64 + 1n, MAX_U128)),
    });
    const anyInput = fc.oneof(fc.constantFrom(...chain.outputs.unspent()), anyOutput);
    const anyTransaction = fc.record({
      inputs: fc.array(anyInput, { maxLength: 3 }),
      outputs: fc.array(anyOutput, { maxLength: 3 }),
    });
    const anyBlock: fc.Arbitrary<Block> = fc
      .record({
        index: orGood(good.index, fc.integer({ min: 0, max: 0xffff_ffff })),
        timestamp: orGood(good.timestamp, u128),
        hash: orGood(undefined, fc.oneof(anyBytes, fc.constant(good.hash))),
        prevBlockHash: orGood(good.prevBlockHash, anyBytes),
        nonce: fc.bigInt({ min: 0n, max: MAX_U64 }),
        transactions: fc.oneof(
          fc.constant(good.transactions),
          fc.array(anyTransaction, { maxLength: 3 }),
          fc.array(anyTransaction, { maxLength: 3 }).map((further) => [coinbaseTo('m', now), ...further]),
        ),
      })
      .map(({ hash, ...rest }) => {
        const block = sealed({ ...rest, hash: Buffer.alloc(0) });
        return hash === undefined ? block : { ...block, hash };
      });
    const anyMiner = orGood('good', fc.oneof(anyText, fc.constantFrom('m1', 'm3', '__proto__')));
    const anyTime = orGood(now, fc.bigInt({ min: 0n, max: 1n << 62n }));

    it('is answered, never thrown at; the same again when asked again; and nothing that is given is changed', () => {
      const results = new Set<SubmitResult>();
      const codes = new Set<ChainCode>();
      fc.assert(
        fc.property(anyBlock, anyMiner, anyTime, (block, minerId, time) => {
          const { outputs } = chain;
          const state = { ...chain.state };
          bringTo(state, time);
          const before = structuredClone({ state, block });
          const judgement = step(state, { minerId, block }, time, outputs.lookup);
          expect({ state, block }).to.deep.equal(before);
          expect(step(state, { minerId, block }, time, outputs.lookup)).to.deep.equal(judgement);

          const { result, code, message, retryAfterMs } = judgement.verdict;
          expect(RESULT_NAMES[result], message).to.be.a('string');
          expect(message).to.not.include('undefined');
          expect(retryAfterMs >= 0n).to.equal(true);
          results.add(result);
          codes.add(code);
        }),
        { numRuns: 2_000 },
      );
      // Blocks came as far as any rule.
      expect(results.size).to.be.greaterThan(3);
      expect([...codes]).to.include.members([
        ChainCode.MISMATCHED_INDEX,
        ChainCode.MISMATCHED_PREVIOUS_HASH,
        ChainCode.INVALID_OUTPUT_VALUE,
        ChainCode.INVALID_TRANSACTION_TIMESTAMP,
        ChainCode.INVALID_COINBASE_TRANSACTION,
        ChainCode.INVALID_INPUT,
      ]);
      expect([...results]).to.include.members([SubmitResult.ACCEPTED, SubmitResult.REJECTED_INVALID_HASH]);
    });
  });

  it('Accepted blocks, judged again each at the time of its acceptance, give the same state', () => {
    const submissions = fc.array(
      fc.record({
        minerId: fc.constantFrom('a', 'b', 'c', 'd'),
        // From one time to the next: within a challenge, within a round, over several rounds.
        passes: fc.oneof(
          fc.bigInt({ min: 0n, max: 70_000n }),
          fc.bigInt({ min: 0n, max: ROUND_MS }),
          fc.bigInt({ min: 0n, max: 4n * ROUND_MS }),
        ),
        spendings: fc.array(spending, { maxLength: 2 }),
        claimsTrueHash: fc.boolean(),
      }),
      { minLength: 1, maxLength: 25 },
    );
    let replayed = 0;
    fc.assert(
      fc.property(submissions, (list) => {
        const chain = newChain();
        const accepted: BlockChange[] = [];
        let now = START;
        for (const [position, { minerId, passes, spendings, claimsTrueHash }] of list.entries()) {
          now += passes;
          const pool = chain.outputs.unspent();
          const further = spendings.map((plan, place) => spend(plan, pool, `${position}.${place}`, now));
          const block = chain.winning(minerId, now, further);
          const claimed = claimsTrueHash ? block : { ...block, hash: flipped(block.hash) };
          const change = blockChange(chain.submit(minerId, claimed, now));
          if (change !== undefined) accepted.push(change);
        }

        const again = newChain();
        for (const change of accepted) {
          const { minerId, block, acceptedAt } = change.accepted;
          expect(blockChange(again.submit(minerId, block, acceptedAt))).to.deep.equal(change);
        }
        // Attempts that failed are not among the blocks: they end with the round. Lockouts are forgotten once they are over.
        for (const { state } of [chain, again]) {
          bringTo(state, now + ROUND_MS);
          dropOldLockouts(state, now);
        }
        expect(again.state).to.deep.equal(chain.state);
        expect([...again.state.lockouts]).to.deep.equal([...chain.state.lockouts]);
        expect(again.outputs.unspent()).to.deep.equal(chain.outputs.unspent());
        replayed += accepted.length;
      }),
    );
    expect(replayed).to.be.greaterThan(100);
  });
});
