import { expect } from 'chai';
import { ChainCode } from '../../gen/hourcoin/v1/validator_service.js';
import { blockHash, MAX_U128 } from '../../src/engine/bytes.js';
import {
  DEFAULT_DIFFICULTY,
  formatDifficulty,
  meetsDifficulty,
  parseDifficulty,
  workOf,
} from '../../src/engine/difficulty.js';
import { checkBlock } from '../../src/engine/rules.js';
import { blockFromJson, OutputMap } from '../support/chains.js';
import { vectors } from '../support/vectors.js';

interface DifficultyVectors {
  readonly checks: readonly {
    readonly name: string;
    readonly hash: string;
    readonly work: string;
    readonly difficulty: string;
    readonly passes: boolean;
  }[];
  readonly chain: readonly { readonly block_json: string; readonly difficulty: string; readonly verdict: string }[];
  readonly format: readonly { readonly difficulty: string; readonly text: string }[];
}

const { checks, chain, format } = vectors<DifficultyVectors>('difficulty');

describe('Proof of work (spec, section 4)', () => {
  describe('Holds when difficulty > work, strictly; work is hash bytes 16..31 as a little-endian number', () => {
    for (const { name, hash, work, difficulty, passes } of checks) {
      it(`${name}: ${work} ${passes ? 'meets' : 'does not meet'} ${difficulty}`, () => {
        const bytes = Buffer.from(hash, 'hex');
        expect(workOf(bytes)).to.equal(BigInt(work));
        expect(meetsDifficulty(bytes, BigInt(difficulty))).to.equal(passes);
      });
    }

    it('byte 31 is the most significant, and bytes 0 to 15 do not count', () => {
      const hash = Buffer.alloc(32);
      hash.fill(0xff, 0, 16);
      expect(workOf(hash)).to.equal(0n);
      hash[16] = 1;
      expect(workOf(hash)).to.equal(1n);
      hash[31] = 1;
      expect(workOf(hash)).to.equal((1n << 120n) + 1n);
    });
  });

  describe('The chain rules on an empty chain, at work − 1, work and work + 1', () => {
    it('has vectors of both verdicts', () => {
      expect(new Set(chain.map(({ verdict }) => verdict))).to.deep.equal(new Set(['Accepted', 'InvalidHash']));
    });

    for (const { block_json, difficulty, verdict } of chain) {
      const block = blockFromJson(block_json);
      it(`difficulty work ${BigInt(difficulty) - workOf(blockHash(block))}: ${verdict}`, () => {
        const end = { height: 0, tip: undefined };
        const outcome = checkBlock(end, block, blockHash(block), BigInt(difficulty), new OutputMap().lookup);
        if (verdict === 'Accepted') expect(outcome).to.have.property('made');
        else expect(outcome).to.equal(ChainCode.INVALID_HASH);
      });
    }
  });
});

describe('A difficulty in texts (spec, sections 2 and 8)', () => {
  describe('Is printed as upper-case hexadecimal with 0x, without leading zeros', () => {
    for (const { difficulty, text } of format) {
      it(text, () => {
        expect(formatDifficulty(BigInt(difficulty))).to.equal(text);
      });
    }

    it('The default prints as 0x and 30 F', () => {
      expect(formatDifficulty(DEFAULT_DIFFICULTY)).to.equal(`0x${'F'.repeat(30)}`);
    });
  });

  describe('Is read as 0x hexadecimal or decimal, 1 to 2^128 − 1', () => {
    for (const [text, difficulty] of [
      ['1', 1n],
      ['0x1', 1n],
      ['0x00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF', DEFAULT_DIFFICULTY],
      ['0x00ffffffffffffffffffffffffffffff', DEFAULT_DIFFICULTY],
      ['0XfF', 255n],
      ['010', 10n],
      ['9007199254740993', 9_007_199_254_740_993n],
      [`0x${'f'.repeat(32)}`, MAX_U128],
      [`${MAX_U128}`, MAX_U128],
    ] as const) {
      it(text, () => {
        expect(parseDifficulty(text)).to.equal(difficulty);
      });
    }

    it('what is printed is read back', () => {
      for (const { difficulty, text } of format.filter((vector) => vector.difficulty !== '0')) {
        expect(parseDifficulty(text)).to.equal(BigInt(difficulty));
        expect(parseDifficulty(difficulty)).to.equal(BigInt(difficulty));
      }
    });

    for (const text of [
      '',
      '0',
      '0x0',
      '0x',
      'x1',
      '-1',
      '+1',
      '1.0',
      '1e3',
      '1_000',
      '1n',
      'FF',
      '0xG',
      '0b1',
      '0o7',
      ' 1',
      '1 ',
      '1\n',
      '\n1',
      '１',
      'hard',
      `0x1${'0'.repeat(32)}`,
      `${MAX_U128 + 1n}`,
      '9'.repeat(1_000),
    ]) {
      it(`${JSON.stringify(text.slice(0, 50))} is none`, () => {
        expect(parseDifficulty(text)).to.equal(undefined);
      });
    }
  });
});
