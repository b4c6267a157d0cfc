import { expect } from 'chai';
import { ChainCode, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { MAX_U64, MAX_U128 } from '../../src/engine/bytes.js';
import { contentHash, encodeContent } from '../../src/engine/content.js';
import { formatDifficulty } from '../../src/engine/difficulty.js';
import { CHAIN_CODE_NAMES, RESULT_NAMES } from '../../src/engine/verdict.js';
import { coinbaseTo, output } from '../support/blocks.js';
import { blockChange } from '../support/chains.js';
import {
  adding,
  addingTransaction,
  BREAKS,
  type Break,
  blockOf,
  type ChainRule,
  COINBASE_RULES,
  draftFor,
  firstScene,
  flipped,
  judge,
  laterScene,
  MADE,
  paidTo,
  START,
  submissionOf,
  TRANSACTION_RULES,
} from '../support/drafts.js';

/** One broken rule and all that is answered then. */
interface Row {
  readonly sentence: string;
  readonly breaks: Break;
  readonly result: SubmitResult;
  readonly message: string;
  readonly code: ChainCode;
  /** How long the miner has to wait at most, milliseconds. */
  readonly retryAfterMs: bigint;
  /** Whether the miner's one attempt in this round is used up. */
  readonly usesAttempt: boolean;
}

/** Both scenes are judged one second into their round. */
const REST_OF_ROUND = 3_599_000n;

function usingNothing(
  sentence: string,
  breaks: Break,
  result: SubmitResult,
  message: string,
  retryAfterMs: bigint,
): Row {
  return { sentence, breaks, result, message, code: ChainCode.UNSPECIFIED, retryAfterMs, usesAttempt: false };
}

function usingTheAttempt(sentence: string, breaks: Break, result: SubmitResult, message: string): Row {
  const code = ChainCode.UNSPECIFIED;
  return { sentence, breaks, result, message, code, retryAfterMs: REST_OF_ROUND, usesAttempt: true };
}

function offTip(sentence: string, breaks: Break, code: ChainCode, name: string): Row {
  const message = `Blockchain validation failed: ${name}`;
  const result = SubmitResult.REJECTED_BLOCKCHAIN_VALIDATION;
  return { sentence, breaks, result, message, code, retryAfterMs: 0n, usesAttempt: false };
}

function chainRule({ sentence, breaks, code, name }: ChainRule): Row {
  return { ...offTip(sentence, breaks, code, name), retryAfterMs: REST_OF_ROUND, usesAttempt: true };
}

const LOCKOUT = usingNothing(
  'the miner’s lockout is not over',
  BREAKS.lockout,
  SubmitResult.REJECTED_MINER_IN_LOCKOUT,
  'Miner in lockout. 3539 seconds remaining.',
  3_539_000n,
);
const ATTEMPTED = usingNothing(
  'the miner has already attempted in this round',
  BREAKS.attempted,
  SubmitResult.REJECTED_MINER_ALREADY_ATTEMPTED,
  'Already attempted this round',
  REST_OF_ROUND,
);
const INDEX = offTip('index ≠ height', BREAKS.index, ChainCode.MISMATCHED_INDEX, 'MismatchedIndex');
const PREVIOUS_HASH = offTip(
  'prev_block_hash ≠ the tip’s hash',
  BREAKS.previousHash,
  ChainCode.MISMATCHED_PREVIOUS_HASH,
  'MismatchedPreviousHash',
);
const GENESIS = offTip(
  'before the first block, prev_block_hash ≠ 32 zero bytes',
  BREAKS.previousHash,
  ChainCode.INVALID_GENESIS_BLOCK_FORMAT,
  'InvalidGenesisBlockFormat',
);
const ACHRONOLOGICAL = offTip(
  'timestamp ≤ the tip’s',
  BREAKS.achronological,
  ChainCode.ACHRONOLOGICAL_TIMESTAMP,
  'AchronologicalTimestamp',
);
const ON_TIP: readonly Row[] = [
  usingTheAttempt(
    'timestamp outside the window',
    BREAKS.window,
    SubmitResult.REJECTED_INVALID_TIMESTAMP,
    'Invalid timestamp',
  ),
  usingTheAttempt(
    'tonce not met',
    BREAKS.tonce,
    SubmitResult.REJECTED_TONCE_CHALLENGE,
    'Timestamp failed tonce challenge',
  ),
  usingTheAttempt(
    'a claimed hash that is not the block’s',
    BREAKS.claimedHash,
    SubmitResult.REJECTED_INVALID_HASH,
    'Block hash does not match its contents',
  ),
  chainRule({
    sentence: 'proof of work not met',
    breaks: BREAKS.work,
    code: ChainCode.INVALID_HASH,
    name: 'InvalidHash',
  }),
  ...COINBASE_RULES.map(chainRule),
];

/** Every rule on a chain that has blocks, in order of precedence. */
const LATER: readonly Row[] = [
  LOCKOUT,
  ATTEMPTED,
  INDEX,
  PREVIOUS_HASH,
  ACHRONOLOGICAL,
  ...ON_TIP,
  ...TRANSACTION_RULES.map(chainRule),
];

/** Every rule before the first block, in order of precedence. Nobody is in lockout yet. */
const FIRST: readonly Row[] = [ATTEMPTED, INDEX, GENESIS, ...ON_TIP];

const GOOD: Row = {
  sentence: 'nothing',
  breaks: (draft) => draft,
  result: SubmitResult.ACCEPTED,
  message: 'Block accepted! You are now in 1-hour lockout.',
  code: ChainCode.UNSPECIFIED,
  retryAfterMs: 3_600_000n,
  usesAttempt: true,
};

function verdictOf({ result, message, code, retryAfterMs }: Row): object {
  return { result, message, code, retryAfterMs };
}

describe('A submission (spec, sections 6 and 8)', () => {
  for (const [where, makeScene, rows] of [
    ['On a chain that has blocks', laterScene, LATER],
    ['Before the first block', firstScene, FIRST],
  ] as const) {
    describe(where, () => {
      it('A good block is accepted', () => {
        expect(judge(makeScene()).verdict).to.deep.equal(verdictOf(GOOD));
      });

      for (const [position, row] of rows.entries()) {
        const { sentence, breaks, usesAttempt, message } = row;
        describe(`Where ${sentence}`, () => {
          it(`is answered "${message}"`, () => {
            const { chain, draft } = makeScene();
            const { verdict, changes } = judge({ chain, draft: breaks(draft) });
            expect(verdict).to.deep.equal(verdictOf(row));
            const { minerId } = breaks(draft);
            expect(changes).to.deep.equal(usesAttempt ? [{ type: 'attempt', minerId }] : []);
          });

          it('is answered so whatever later rule is broken too', () => {
            const { chain, draft } = makeScene();
            for (const later of rows.slice(position + 1)) {
              const both = later.breaks(breaks(draft));
              expect(judge({ chain, draft: both }).verdict, later.sentence).to.deep.equal(verdictOf(row));
            }
          });

          if (row === LOCKOUT || row === ATTEMPTED) return;
          it(usesAttempt ? 'uses the attempt up' : 'uses nothing up', () => {
            const { chain, draft } = makeScene();
            const submit = (change: Break) => {
              const { minerId, block } = submissionOf({ chain, draft: change(draft) });
              return chain.submit(minerId, block, draft.now).verdict;
            };
            expect(submit(breaks).result).to.equal(row.result);
            expect(submit(GOOD.breaks)).to.deep.equal(verdictOf(usesAttempt ? ATTEMPTED : GOOD));
          });
        });
      }
    });
  }

  describe('Every answer has its row', () => {
    const rows = [GOOD, ...LATER, ...FIRST];

    it('results', () => {
      const answered = new Set(rows.map(({ result }) => result));
      for (const [result, name] of Object.entries(RESULT_NAMES)) {
        expect(answered.has(Number(result)), `${name} has no row`).to.equal(true);
      }
    });

    it('chain codes', () => {
      const answered = new Set(rows.map(({ code }) => code));
      for (const [code, name] of Object.entries(CHAIN_CODE_NAMES)) {
        expect(answered.has(Number(code)), `${name} has no row`).to.equal(true);
      }
    });

    for (const [name, numbers, names] of [
      ['result', SubmitResult, RESULT_NAMES],
      ['chain code', ChainCode, CHAIN_CODE_NAMES],
    ] as const) {
      it(`and every ${name} of the protobuf schema has a name`, () => {
        const known = Object.values(numbers).filter((value) => typeof value === 'number' && value > 0);
        expect(Object.keys(names).map(Number)).to.have.members(known);
      });
    }
  });

  describe('The window is now − 300 000 to now + 500, both inclusive', () => {
    // So late that the tip is behind the window and the challenge is over.
    const now = MADE + 400_000n;
    for (const [offset, result] of [
      [-300_001n, SubmitResult.REJECTED_INVALID_TIMESTAMP],
      [-300_000n, SubmitResult.ACCEPTED],
      [0n, SubmitResult.ACCEPTED],
      [500n, SubmitResult.ACCEPTED],
      [501n, SubmitResult.REJECTED_INVALID_TIMESTAMP],
    ] as const) {
      it(`now ${offset < 0n ? '−' : '+'} ${offset < 0n ? -offset : offset}: ${RESULT_NAMES[result]}`, () => {
        const { chain, draft } = laterScene();
        expect(judge({ chain, draft: { ...draft, now, from: now + offset } }).verdict.result).to.equal(result);
      });
    }

    for (const timestamp of [MAX_U64, MAX_U64 + 1n, MAX_U128]) {
      it(`a timestamp of ${timestamp} is outside`, () => {
        for (const { chain, draft } of [firstScene(), laterScene()]) {
          const broken = { ...draft, now: draft.now + 60_000n, from: timestamp };
          expect(blockOf(chain, broken).timestamp).to.equal(timestamp);
          expect(judge({ chain, draft: broken }).verdict.message).to.equal('Invalid timestamp');
        }
      });
    }

    it('a timestamp of 0 is behind the tip, or before the first block outside the window', () => {
      const later = laterScene();
      expect(judge({ ...later, draft: { ...later.draft, from: 0n } }).verdict.code).to.equal(
        ChainCode.ACHRONOLOGICAL_TIMESTAMP,
      );
      const first = firstScene();
      expect(judge({ ...first, draft: { ...first.draft, from: 0n } }).verdict.message).to.equal('Invalid timestamp');
    });
  });

  describe('A block on the tip is 1 ms after it, or later', () => {
    for (const [after, row] of [
      [0n, ACHRONOLOGICAL],
      [1n, GOOD],
    ] as const) {
      it(`${after} ms: ${row.message}`, () => {
        const { chain, draft } = laterScene();
        const { verdict, changes } = judge({ chain, draft: { ...draft, now: MADE + 60_000n, from: MADE + after } });
        expect(verdict).to.deep.equal(verdictOf(row));
        expect(changes.length > 0).to.equal(row.usesAttempt);
      });
    }

    it('so a UTC miner, 37 s late, is refused on a tip less than 37 s old, and uses nothing up', () => {
      const { chain, draft } = laterScene();
      const utc = (age: bigint) => ({ ...draft, now: MADE + age, from: MADE + age - 37_000n });
      const early = judge({ chain, draft: { ...utc(36_000n) } });
      expect(early.verdict.code).to.equal(ChainCode.ACHRONOLOGICAL_TIMESTAMP);
      expect(early.changes).to.be.empty;
      expect(judge({ chain, draft: utc(38_000n) }).verdict.result).to.equal(SubmitResult.ACCEPTED);
    });
  });

  describe('The tonce is asked for while less than 60 000 ms have passed since the tip’s timestamp', () => {
    for (const [where, makeScene, previous] of [
      ['the tip', laterScene, MADE],
      ['the first round’s start', firstScene, START],
    ] as const) {
      for (const [elapsed, message] of [
        [59_999n, 'Timestamp failed tonce challenge'],
        [60_000n, GOOD.message],
      ] as const) {
        it(`${elapsed} ms after ${where}: ${message}`, () => {
          const { chain, draft } = makeScene();
          // The timestamp is one that fails the tonce of the challenge, in force or not.
          const from = blockOf(chain, { ...draft, meetsTonce: false }).timestamp;
          const now = previous + elapsed;
          const block = blockOf(chain, { ...draft, now: previous, from, meetsTonce: false });
          expect(block.timestamp).to.equal(from);
          expect(chain.submit('winner', block, now).verdict.message).to.equal(message);
        });
      }
    }

    it('a tip ahead of the clock has just begun its challenge', () => {
      const { chain, draft } = laterScene();
      const ahead = { ...draft, now: MADE - 400n, from: MADE + 1n };
      expect(judge({ chain, draft: { ...ahead, meetsTonce: false } }).verdict.message).to.equal(
        'Timestamp failed tonce challenge',
      );
      expect(judge({ chain, draft: ahead }).verdict.message).to.equal(GOOD.message);
    });
  });

  describe('A claimed hash, of whatever length, that is not the block’s: RejectedInvalidHash', () => {
    const claims: Readonly<Record<string, (hash: Buffer) => Buffer>> = {
      'no bytes': () => Buffer.alloc(0),
      'cut by a byte': (hash) => hash.subarray(0, 31),
      'extended by a byte': (hash) => Buffer.concat([hash, Buffer.alloc(1)]),
      'twice the hash': (hash) => Buffer.concat([hash, hash]),
      zeros: () => Buffer.alloc(32),
      'the hash backwards': (hash) => Buffer.from(hash).reverse(),
      'one bit wrong': (hash) => Buffer.concat([hash.subarray(0, 31), flipped(hash.subarray(31))]),
    };
    for (const [name, claim] of Object.entries(claims)) {
      it(name, () => {
        const { chain, draft } = laterScene();
        const { verdict, changes } = judge({ chain, draft: { ...draft, claim } });
        expect(verdict.result).to.equal(SubmitResult.REJECTED_INVALID_HASH);
        expect(changes).to.deep.equal([{ type: 'attempt', minerId: 'winner' }]);
      });
    }
  });

  describe('A previous hash of whatever length that is not the tip’s is off the tip', () => {
    for (const [makeScene, message] of [
      [laterScene, PREVIOUS_HASH.message],
      [firstScene, GENESIS.message],
    ] as const) {
      for (const [name, change] of [
        ['no bytes', () => Buffer.alloc(0)],
        ['cut by a byte', (hash: Buffer) => hash.subarray(0, 31)],
        ['extended by a zero', (hash: Buffer) => Buffer.concat([hash, Buffer.alloc(1)])],
      ] as const) {
        it(`${name}: ${message}`, () => {
          const { chain, draft } = makeScene();
          const { verdict, changes } = judge({
            chain,
            draft: { ...draft, prevBlockHash: change(draft.prevBlockHash) },
          });
          expect(verdict.message).to.equal(message);
          expect(changes).to.be.empty;
        });
      }
    }
  });

  describe('Accepted', () => {
    it('the block joins the chain with all that the validator knew', () => {
      const { chain, draft } = laterScene();
      const { minerId, block } = submissionOf({ chain, draft });
      const judgement = chain.submit(minerId, block, draft.now);
      expect(judgement.changes.map(({ type }) => type)).to.deep.equal(['attempt', 'block']);
      expect(blockChange(judgement)?.accepted).to.deep.equal({
        block,
        minerId: 'winner',
        acceptedAt: draft.now,
        round: 5n,
        tonce: 26,
        difficulty: formatDifficulty(chain.state.parameters.difficulty),
        contentHash: contentHash(encodeContent(block)),
      });
      expect(chain.state.height).to.equal(5);
      expect(chain.state.tip).to.deep.equal({ hash: block.hash, timestamp: block.timestamp });
    });

    it('the miner is locked out, a new round starts at that time, and everyone’s attempts are cleared', () => {
      const { chain, draft } = laterScene();
      const bad = blockOf(chain, BREAKS.work(draft));
      expect(chain.submit('loser', bad, draft.now).verdict.message).to.equal(
        'Blockchain validation failed: InvalidHash',
      );
      expect(chain.submit('loser', bad, draft.now).verdict.message).to.equal(ATTEMPTED.message);
      const acceptedAt = draft.now + 5n;
      chain.submit('winner', blockOf(chain, draft), acceptedAt);
      expect(chain.state.round).to.deep.equal({ number: 6n, start: acceptedAt, attempts: new Set() });
      const next = draftFor(chain, acceptedAt + 60_000n, [coinbaseTo('x', acceptedAt)]);
      expect(judge({ chain, draft: next }).verdict.message).to.equal('Miner in lockout. 3540 seconds remaining.');
      expect(judge({ chain, draft: { ...next, minerId: 'loser' } }).verdict.message).to.equal(GOOD.message);
    });

    for (const [name, breaks] of [
      ['a block without transactions', (draft) => ({ ...draft, transactions: [] })],
      ['fees of exactly 2.0', addingTransaction({ inputs: [paidTo('miner3')], outputs: [] })],
      ['outputs of 0', adding(1, { outputs: [output('zero', 0, MADE)] })],
    ] as const satisfies readonly (readonly [string, Break])[]) {
      it(name, () => {
        const { chain, draft } = laterScene();
        expect(judge({ chain, draft: breaks(draft) }).verdict.message).to.equal(GOOD.message);
      });
    }

    it('what a block makes can be spent from the next block on', () => {
      const { chain, draft } = laterScene();
      const made = output('carol', 1.5, draft.now);
      const spending = { inputs: [made], outputs: [] };
      expect(judge({ chain, draft: addingTransaction(spending)(draft) }).verdict.code).to.equal(
        ChainCode.INVALID_INPUT,
      );
      chain.submit('winner', blockOf(chain, draft), draft.now);
      const block = chain.extend('next', draft.now + 60_000n, [spending]);
      expect(block.transactions[1]).to.deep.equal(spending);
      expect(chain.outputs.unspent()).to.not.deep.include(made);
    });
  });
});
