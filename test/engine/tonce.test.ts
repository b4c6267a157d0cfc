import { expect } from 'chai';
import { sha256, u128LittleEndian } from '../../src/engine/bytes.js';
import { challengeAt, meetsTonce, tonceOf } from '../../src/engine/tonce.js';
import { DEFAULT_MAX_ATTEMPTS } from '../../src/miner/effort.js';
import { findTimestamp } from '../../src/miner/search.js';
import { timestampFrom } from '../support/blocks.js';
import { vectors } from '../support/vectors.js';

interface TonceVectors {
  readonly tonces: readonly { readonly previous_timestamp: string; readonly sha256: string; readonly tonce: number }[];
  readonly pairs: readonly { readonly timestamp: string; readonly tonce: number; readonly passes: boolean }[];
  readonly first_valid: readonly { readonly start: string; readonly tonce: number; readonly first_valid: string }[];
  readonly challenge: readonly {
    readonly previous_timestamp: string;
    readonly now: string;
    readonly timestamp: string;
    readonly seconds_remaining: number;
    readonly over: boolean;
    readonly passes: boolean;
    readonly tonce: number;
    readonly tonce_after: number;
  }[];
}

const { tonces, pairs, first_valid, challenge } = vectors<TonceVectors>('tonce');

describe('Tonce (spec, section 5)', () => {
  it('has vectors of every tonce', () => {
    const named = new Set(tonces.map(({ tonce }) => tonce));
    expect([...named].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 31 }, (_, index) => index + 1));
    for (const list of [pairs, first_valid, challenge]) expect(list).to.not.be.empty;
  });

  describe('tonce(p) is the last byte of SHA-256(p) AND 0x1F, and 0 becomes 1', () => {
    for (const vector of tonces) {
      it(`p = ${vector.previous_timestamp}: ${vector.tonce}`, () => {
        const previous = BigInt(vector.previous_timestamp);
        expect(sha256(u128LittleEndian(previous)).toString('hex')).to.equal(vector.sha256);
        expect(tonceOf(previous)).to.equal(vector.tonce);
      });
    }

    it('has a vector whose masked byte is 0', () => {
      expect(tonces.some((vector) => Number.parseInt(vector.sha256.slice(-2), 16) % 32 === 0)).to.equal(true);
    });
  });

  describe('A timestamp meets a tonce where the last four bytes of its SHA-256 are a multiple of it', () => {
    for (const { timestamp, tonce, passes } of pairs) {
      it(`${timestamp} ${passes ? 'meets' : 'does not meet'} ${tonce}`, () => {
        expect(meetsTonce(BigInt(timestamp), tonce)).to.equal(passes);
      });
    }
  });

  describe('A miner takes the first timestamp that meets the tonce, 1 ms at a time', () => {
    for (const vector of first_valid) {
      it(`from ${vector.start} for ${vector.tonce}`, () => {
        expect(findTimestamp(BigInt(vector.start), vector.tonce)).to.equal(BigInt(vector.first_valid));
      });
    }

    it('for tonce 0 and 1 that is the start', () => {
      expect(findTimestamp(1_762_800_000_123n, 0)).to.equal(1_762_800_000_123n);
      expect(findTimestamp(1_762_800_000_123n, 1)).to.equal(1_762_800_000_123n);
    });

    it('gives up after as many attempts as it may make, 100 000 by default', () => {
      const first = timestampFrom(1_762_800_000_000n, 31);
      expect(first > 1_762_800_000_000n).to.equal(true);
      const needed = Number(first - 1_762_800_000_000n) + 1;
      expect(findTimestamp(1_762_800_000_000n, 31, needed)).to.equal(first);
      expect(findTimestamp(1_762_800_000_000n, 31, needed - 1)).to.equal(undefined);
      expect(DEFAULT_MAX_ATTEMPTS).to.equal(100_000);
    });
  });

  describe('The challenge lasts 60 000 ms by the validator’s clock', () => {
    for (const vector of challenge) {
      const previous = BigInt(vector.previous_timestamp);
      const now = BigInt(vector.now);
      it(`${now - previous} ms after p: ${vector.over ? 'over' : `${vector.seconds_remaining} s remain`}`, () => {
        const { tonce, secondsRemaining } = challengeAt(previous, now);
        expect(secondsRemaining).to.equal(BigInt(vector.seconds_remaining));
        expect(tonce).to.equal(vector.tonce_after);
        expect(meetsTonce(BigInt(vector.timestamp), tonce)).to.equal(vector.passes);
        expect(tonceOf(previous)).to.equal(vector.tonce);
      });
    }

    const p = 1_762_800_000_000n;
    for (const [elapsed, seconds, over] of [
      [-500n, 60n, false],
      [0n, 60n, false],
      [1n, 59n, false],
      [59_000n, 1n, false],
      [59_001n, 0n, false],
      [59_999n, 0n, false],
      [60_000n, 0n, true],
      [60_001n, 0n, true],
      [3_600_000n, 0n, true],
    ] as const) {
      it(`elapsed ${elapsed} ms: ${seconds} s remain, the tonce ${over ? 'is 1' : 'stands'}`, () => {
        expect(challengeAt(p, p + elapsed)).to.deep.equal({
          tonce: over ? 1 : tonceOf(p),
          secondsRemaining: seconds,
        });
        expect(tonceOf(p)).to.not.equal(1);
      });
    }
  });
});
