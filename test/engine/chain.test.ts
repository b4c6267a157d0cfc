import { expect } from 'chai';
import type { Block, Output } from '../../gen/hourcoin/v1/block.js';
import { ChainCode, SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { blockHash, MAX_U64, MAX_U128, outputId } from '../../src/engine/bytes.js';
import { type ChainEnd, checkBlock } from '../../src/engine/rules.js';
import { initialState, type State } from '../../src/engine/state.js';
import { step } from '../../src/engine/step.js';
import { CHAIN_CODE_NAMES } from '../../src/engine/verdict.js';
import { coinbaseTo, output } from '../support/blocks.js';
import { blockFromJson, OutputMap } from '../support/chains.js';
import {
  adding,
  addingTransaction,
  BREAKS,
  type Break,
  type ChainRule,
  COINBASE_RULES,
  check,
  firstScene,
  laterScene,
  MADE,
  paidTo,
  START,
  TRANSACTION_RULES,
} from '../support/drafts.js';
import { vectors } from '../support/vectors.js';

interface Step {
  readonly block_json: string;
  readonly verdict: string;
  readonly block_hash: string;
  readonly height_after: number;
}

interface Scenario {
  readonly name: string;
  readonly difficulty: string;
  readonly legacy_only: boolean;
  readonly steps: readonly Step[];
}

const { scenarios } = vectors<{ scenarios: readonly Scenario[] }>('chain');

/** Where we differ from the deployed validator in scenarios that are not legacy_only (README.md): scenario and position of the step. */
const EXCEPTION = { name: 'coinbase sums', position: 10, verdict: 'InvalidTransactionTimestamp' };

/** Later than every input. */
const LATE = START + 300_000n;

/** Holds a block against the chain rules and records what it does to outputs; `Accepted` or the code's name. */
function judged(end: ChainEnd, block: Block, difficulty: string, outputs: OutputMap): string {
  const outcome = checkBlock(end, block, blockHash(block), BigInt(difficulty), outputs.lookup);
  if (typeof outcome === 'number') return String(CHAIN_CODE_NAMES[outcome]);
  outputs.record(outcome);
  return 'Accepted';
}

/** The end of a chain on which a block stands: whatever came before it. */
function endBefore(block: Block): ChainEnd {
  const tip = { hash: block.prevBlockHash, timestamp: block.timestamp - 1n };
  return { height: block.index, tip: block.index === 0 ? undefined : tip };
}

describe('The chain rules (spec, section 6 step 6 and section 8)', () => {
  describe('Scenarios of the deployed validator that hold for both', () => {
    for (const { name, difficulty, steps } of scenarios.filter(({ legacy_only }) => !legacy_only)) {
      it(name, () => {
        const outputs = new OutputMap();
        let end: ChainEnd = { height: 0, tip: undefined };
        for (const [position, { block_json, verdict, block_hash, height_after }] of steps.entries()) {
          const block = blockFromJson(block_json);
          const exception = EXCEPTION.name === name && EXCEPTION.position === position;
          const expected = exception ? EXCEPTION.verdict : verdict;
          expect(blockHash(block).toString('hex'), `step ${position}`).to.equal(block_hash);
          expect(judged(end, block, difficulty, outputs), `step ${position}`).to.equal(expected);
          if (expected === 'Accepted') {
            end = { height: end.height + 1, tip: { hash: blockHash(block), timestamp: block.timestamp } };
          }
          if (!exception) expect(end.height, `step ${position}`).to.equal(height_after);
        }
      });
    }

    it('The one exception is the last step of "coinbase sums", which the deployed validator accepts', () => {
      const steps = scenarios.find(({ name }) => name === EXCEPTION.name)?.steps ?? [];
      expect(steps).to.have.lengthOf(EXCEPTION.position + 1);
      const { verdict, block_json } = steps.at(-1) as Step;
      expect(verdict).to.equal('Accepted');
      const timestamps = blockFromJson(block_json).transactions[0]?.outputs.map(({ timestamp }) => timestamp > MAX_U64);
      expect(timestamps).to.deep.equal([false, true]);
    });
  });

  describe('Scenarios that only the unsafe deployed validator accepts: each block, on the chain that it names', () => {
    const claimed = "claimed hash is not the block's hash";
    const remade = 'an output made again after it was spent';
    const ours: Readonly<Record<string, readonly string[]>> = {
      'same input twice in one transaction': ['Accepted', 'InvalidInput'],
      'negative outputs': ['InvalidOutputValue', 'InvalidOutputValue', 'InvalidOutputValue'],
      // Nothing was made by the block that was refused, so nothing is there to spend.
      'identical outputs collapse into one': ['DuplicateOutput', 'InvalidInput', 'InvalidInput'],
      [remade]: ['Accepted', 'Accepted', 'DuplicateOutput', 'InvalidInput', 'InvalidInput'],
    };
    const legacy = scenarios.filter(({ legacy_only }) => legacy_only);

    it('are these', () => {
      expect(legacy.map(({ name }) => name)).to.have.members([claimed, ...Object.keys(ours)]);
    });

    for (const { name, difficulty, steps } of legacy.filter((scenario) => scenario.name !== claimed)) {
      it(`${name}: ${ours[name]?.join(', ')}`, () => {
        const outputs = new OutputMap();
        const verdicts = steps.map(({ block_json }) => {
          const block = blockFromJson(block_json);
          return judged(endBefore(block), block, difficulty, outputs);
        });
        expect(verdicts).to.deep.equal(ours[name]);
      });
    }

    it(`${remade}, in the block that spends it: DuplicateOutput`, () => {
      const { difficulty, steps } = legacy.find(({ name }) => name === remade) as Scenario;
      const [made, spentAndMade] = [0, 3].map((at) => blockFromJson(String(steps[at]?.block_json))) as [Block, Block];
      const outputs = new OutputMap();
      expect(judged(endBefore(made), made, difficulty, outputs)).to.equal('Accepted');
      expect(judged(endBefore(spentAndMade), spentAndMade, difficulty, outputs)).to.equal('DuplicateOutput');
    });

    it(`${claimed}: RejectedInvalidHash, and a block on such a hash is on no tip`, () => {
      const { difficulty, steps } = legacy.find(({ name }) => name === claimed) as Scenario;
      const results = steps.map(({ block_json }) => {
        const block = blockFromJson(block_json);
        // 60 s after the tip every timestamp passes.
        const parameters = {
          difficulty: BigInt(difficulty),
          timescale: Timescale.UTC,
          firstRoundStart: block.timestamp - 1n,
        };
        const state: State = { ...initialState(parameters), ...endBefore(block) };
        const now = block.timestamp + 60_000n;
        return step(state, { minerId: 'm', block }, now, () => 'absent').verdict.result;
      });
      const { REJECTED_INVALID_HASH, ACCEPTED } = SubmitResult;
      // Every second block claims its true hash.
      expect(results).to.deep.equal([
        REJECTED_INVALID_HASH,
        ACCEPTED,
        REJECTED_INVALID_HASH,
        ACCEPTED,
        REJECTED_INVALID_HASH,
        ACCEPTED,
      ]);
      // On a chain of ours they have no place: the hash that they name before them is nobody's.
      const [first, second] = steps.map(({ block_json }) => blockFromJson(block_json)) as [Block, Block];
      const tip = { hash: blockHash(first), timestamp: first.timestamp };
      expect(judged({ height: 1, tip }, second, difficulty, new OutputMap())).to.equal('MismatchedPreviousHash');
    });
  });

  const later: readonly ChainRule[] = [
    rule('index ≠ height', ChainCode.MISMATCHED_INDEX, BREAKS.index),
    rule('proof of work not met', ChainCode.INVALID_HASH, BREAKS.work),
    rule('timestamp ≤ the previous block’s', ChainCode.ACHRONOLOGICAL_TIMESTAMP, BREAKS.achronological),
    rule('prev_block_hash ≠ the previous block’s hash', ChainCode.MISMATCHED_PREVIOUS_HASH, BREAKS.previousHash),
    ...COINBASE_RULES,
    ...TRANSACTION_RULES,
  ];
  const first: readonly ChainRule[] = [
    rule('index ≠ height', ChainCode.MISMATCHED_INDEX, BREAKS.index),
    rule('proof of work not met', ChainCode.INVALID_HASH, BREAKS.work),
    rule('prev_block_hash ≠ 32 zero bytes', ChainCode.INVALID_GENESIS_BLOCK_FORMAT, BREAKS.previousHash),
    ...COINBASE_RULES,
  ];
  for (const [name, scene, rules] of [
    ['A later block', laterScene(), later],
    ['The first block', firstScene(), first],
  ] as const) {
    describe(`${name}, and the rule it breaks first`, () => {
      it('is sound where it breaks none', () => {
        expect(check(scene)).to.have.all.keys('made', 'spent');
      });

      for (const [position, { sentence, code, breaks }] of rules.entries()) {
        it(`${sentence}: ${CHAIN_CODE_NAMES[code]}, whatever later rule is broken too`, () => {
          const broken = breaks(scene.draft);
          expect(check({ ...scene, draft: broken })).to.equal(code);
          for (const later of rules.slice(position + 1)) {
            expect(check({ ...scene, draft: later.breaks(broken) }), later.sentence).to.equal(code);
          }
        });
      }
    });
  }

  describe('The edges of each rule', () => {
    const scene = laterScene();
    const dust = 5e-324;
    // What some doubles make of 1: one half and three quarters of the distance to the next.
    const [half, more] = [2 ** -53, 2 ** -53 + 2 ** -54];
    const owned = [output('owner', 1, MADE), output('owner', half, MADE), output('owner', half, MADE + 1n)] as const;
    const oldest = output('oldest', 1, 0n);
    scene.chain.outputs.record({
      made: [...owned, oldest].map((output) => ({ id: outputId(output), output })),
      spent: [],
    });

    const bob = output('bob', 0.5, MADE);
    const alice = output('alice', 1.5, MADE);
    const spending = (inputs: readonly Output[], outputs: readonly Output[]) => addingTransaction({ inputs, outputs });
    const coinbase =
      (...outputs: readonly Output[]): Break =>
      (draft) => ({ ...draft, transactions: [{ inputs: [], outputs }] });
    const all =
      (...breaks: readonly Break[]): Break =>
      (draft) =>
        breaks.reduce((changed, change) => change(changed), draft);

    const rows: readonly (readonly [sentence: string, expected: string, breaks: Break])[] = [
      ['no transactions', 'sound', (draft) => ({ ...draft, transactions: [] })],
      ['a coinbase alone', 'sound', coinbase(output('m', 2, START))],
      ['a timestamp 1 ms after the tip’s', 'sound', timestamped(MADE + 1n)],
      ['the tip’s own timestamp', 'AchronologicalTimestamp', timestamped(MADE)],
      ['index 2^32 − 1', 'MismatchedIndex', (draft) => ({ ...draft, index: 0xffff_ffff })],
      ['the index before', 'MismatchedIndex', (draft) => ({ ...draft, index: draft.index - 1 })],
      ['a previous hash of 0 bytes', 'MismatchedPreviousHash', previous(() => Buffer.alloc(0))],
      ['a previous hash cut', 'MismatchedPreviousHash', previous((hash) => hash.subarray(0, 31))],
      [
        'a previous hash extended',
        'MismatchedPreviousHash',
        previous((hash) => Buffer.concat([hash, Buffer.alloc(1)])),
      ],

      ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, -dust, -0].flatMap((value) =>
        [0, 1, 2].map((position) => {
          const name = Object.is(value, -0) ? '−0' : String(value);
          const breaks = adding(position, { outputs: [output('bad', value, LATE)] });
          return [`an output of ${name} in transaction ${position}`, 'InvalidOutputValue', breaks] as const;
        }),
      ),
      [
        'a negative value behind a timestamp that is too large',
        'InvalidOutputValue',
        adding(1, { outputs: [output('late', 0, MAX_U64 + 1n), output('bad', -1, LATE)] }),
      ],
      [
        'outputs of 0',
        'sound',
        all(adding(0, zero('a', LATE)), adding(1, zero('b', LATE)), spending([], [output('c', 0, LATE)])),
      ],
      ['an output timestamp of 2^64 − 1', 'sound', adding(0, zero('late', MAX_U64))],
      ['an output timestamp of 2^128 − 1', 'InvalidTransactionTimestamp', adding(0, zero('late', MAX_U128))],
      [
        'an output timestamp of 2^64 in transaction 2',
        'InvalidTransactionTimestamp',
        adding(2, zero('late', MAX_U64 + 1n)),
      ],
      ['an output timestamp of 0 in the coinbase', 'sound', adding(0, zero('early', 0n))],

      ['a coinbase with an input', 'InvalidCoinbaseTransaction', adding(0, { inputs: [bob] })],
      ['a coinbase without outputs', 'InvalidCoinbaseTransaction', coinbase()],
      ['a coinbase a little above 2.0', 'InvalidCoinbaseTransaction', coinbase(output('m', 2.0000000000000004, START))],
      ['a coinbase a little below 2.0', 'InvalidCoinbaseTransaction', coinbase(output('m', 1.9999999999999998, START))],
      ['a coinbase of two', 'sound', coinbase(output('m', 1.25, START), output('n', 0.75, START))],
      [
        'a coinbase whose dust its sum in doubles swallows',
        'sound',
        coinbase(output('m', 2, START), output('n', dust, START)),
      ],
      [
        'a coinbase whose sum in doubles is above range',
        'InvalidCoinbaseTransaction',
        coinbase(output('m', Number.MAX_VALUE, START), output('n', Number.MAX_VALUE, START)),
      ],

      ['an input that was spent before', 'InvalidInput', spending([paidTo('miner0')], [])],
      ['the same input twice in one transaction', 'InvalidInput', spending([bob, bob], [])],
      ['an input that an earlier transaction of the block spends', 'InvalidInput', spending([paidTo('miner1')], [])],
      ['an input that the block itself makes', 'InvalidInput', spending([output('carol', 1.5, MADE + 1_000n)], [])],
      ['an input of another address', 'InvalidInput', spending([{ ...bob, toAddr: 'Bob' }], [])],
      ['an input of another value', 'InvalidInput', spending([{ ...bob, value: 0.5000000000000001 }], [])],
      [
        'an input of another timestamp',
        'InvalidInput',
        spending([{ ...bob, timestamp: bob.timestamp + (1n << 64n) }], []),
      ],
      ['an input that is not a number', 'InvalidInput', spending([{ ...bob, value: Number.NaN }], [])],

      ['an output of the year 1970 as old as its input', 'sound', spending([oldest], [output('c', 1, 0n)])],
      ['an output as old as its input', 'sound', spending([bob], [output('c', 0.5, MADE)])],
      [
        'an output 1 ms older than its input',
        'InvalidTransactionTimestamp',
        spending([bob], [output('c', 0.5, MADE - 1n)]),
      ],
      [
        'an output older than the second of its inputs',
        'InvalidTransactionTimestamp',
        (draft) => ({
          ...draft,
          transactions: [
            coinbaseTo('m', START),
            { inputs: [paidTo('miner1'), paidTo('miner3')], outputs: [output('c', 4, paidTo('miner2').timestamp)] },
          ],
        }),
      ],

      ['outputs worth a little less than inputs', 'sound', spending([bob], [output('c', 0.49999999999999994, MADE)])],
      [
        'outputs worth a little more than inputs',
        'InsufficientInputValue',
        spending([bob], [output('c', 0.5000000000000001, MADE)]),
      ],
      ['outputs of no inputs', 'InsufficientInputValue', spending([], [output('c', dust, MADE)])],
      [
        'outputs worth more than any double',
        'InsufficientInputValue',
        spending([bob], [output('c', Number.MAX_VALUE, MADE), output('d', Number.MAX_VALUE, MADE)]),
      ],
      [
        'outputs worth more than inputs by dust that sums in doubles swallow',
        'InsufficientInputValue',
        spending([bob], [output('c', 0.5, MADE), output('d', dust, MADE)]),
      ],
      [
        'dust that both sides have',
        'sound',
        spending([owned[0], owned[1]], [output('c', 1, LATE), output('d', half, LATE)]),
      ],
      [
        'outputs worth more than inputs in doubles alone',
        'InsufficientInputValue',
        spending([...owned], [output('c', 1, LATE), output('d', more, LATE)]),
      ],

      [
        'an output identical to one of an earlier transaction',
        'DuplicateOutput',
        spending([bob], [output('dave', 0.5, MADE + 1_000n)]),
      ],
      ['an output identical to one that is unspent', 'DuplicateOutput', spending([paidTo('miner3')], [alice])],
      ['an output identical to the input that it is paid from', 'DuplicateOutput', spending([bob], [bob])],
      ['a coinbase identical to one that was spent', 'DuplicateOutput', coinbase(paidTo('miner0'))],
      ['an output that differs in its timestamp', 'sound', spending([bob], [{ ...bob, timestamp: MADE + 1n }])],

      ['fees of exactly 2.0', 'sound', spending([paidTo('miner3')], [])],
      ['fees of 2.5', 'InvalidCoinbaseTransaction', spending([paidTo('miner3'), bob], [])],
      [
        'fees of 2.5 over two transactions',
        'InvalidCoinbaseTransaction',
        all(spending([bob], []), spending([paidTo('miner3')], [])),
      ],
      [
        'fees a little above 2.0',
        'InvalidCoinbaseTransaction',
        spending([paidTo('miner3'), alice], [output('c', 1.4999999999999996, MADE)]),
      ],
      [
        'fees that doubles round to 2.0',
        'sound',
        spending([paidTo('miner3'), alice], [output('c', 1.4999999999999998, MADE)]),
      ],
      ['a transaction with neither inputs nor outputs', 'sound', spending([], [])],
    ];
    for (const [sentence, expected, breaks] of rows) {
      it(`${sentence}: ${expected}`, () => {
        const outcome = check({ ...scene, draft: breaks(scene.draft) });
        expect(typeof outcome === 'number' ? CHAIN_CODE_NAMES[outcome] : 'sound').to.equal(expected);
      });
    }
  });

  it('A sound block makes its outputs and spends its inputs, each known by its id, in the order of its transactions', () => {
    const scene = laterScene();
    const outcome = check(scene);
    if (typeof outcome === 'number') throw new Error(CHAIN_CODE_NAMES[outcome]);
    const { transactions } = scene.draft;
    const known = (output: Output) => ({ id: outputId(output), output });
    expect(outcome.made).to.deep.equal(transactions.flatMap(({ outputs }) => outputs.map(known)));
    expect(outcome.spent).to.deep.equal(transactions.flatMap(({ inputs }) => inputs.map(known)));
  });
});

function rule(sentence: string, code: ChainCode, breaks: Break): ChainRule {
  return { sentence, code, name: String(CHAIN_CODE_NAMES[code]), breaks };
}

function timestamped(from: bigint): Break {
  return (draft) => ({ ...draft, now: draft.now + 60_000n, from });
}

function previous(change: (hash: Buffer) => Buffer): Break {
  return (draft) => ({ ...draft, prevBlockHash: change(draft.prevBlockHash) });
}

/** An output of 0 to add. */
function zero(toAddr: string, timestamp: bigint): { outputs: Output[] } {
  return { outputs: [output(toAddr, 0, timestamp)] };
}
