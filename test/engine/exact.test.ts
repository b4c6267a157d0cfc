import { expect } from 'chai';
import fc from 'fast-check';
import { exactUnits, nearestDouble } from '../../src/engine/exact.js';

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const amount = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });

/** Units in 1: 2^1074. */
const ONE = 1n << 1074n;
/** A natural number of any size up to a bit length, all lengths alike. */
const naturalTo = (bits: number): fc.Arbitrary<bigint> =>
  fc
    .integer({ min: 1, max: bits })
    .chain((length) => fc.bigInt({ min: 1n << BigInt(length - 1), max: (1n << BigInt(length)) - 1n }));

describe('Sums of doubles, exactly (spec, section 8)', () => {
  describe('A double is a whole number of units of 2^-1074', () => {
    for (const [value, units] of [
      [0, 0n],
      [5e-324, 1n],
      [-5e-324, -1n],
      [2 ** -1022 - 2 ** -1074, (1n << 52n) - 1n],
      [2 ** -1022, 1n << 52n],
      [2 ** -1021, 1n << 53n],
      [1, ONE],
      [1 + 2 ** -52, ONE + (ONE >> 52n)],
      [2, 2n * ONE],
      [-1.5, -(3n * ONE) / 2n],
      [Number.MAX_VALUE, ((1n << 53n) - 1n) << (971n + 1074n)],
    ] as const) {
      it(`${value}`, () => {
        expect(exactUnits(value)).to.equal(units);
      });
    }

    it('and −0 is none of them', () => {
      expect(exactUnits(-0)).to.equal(0n);
    });
  });

  it('Every finite double that is not negative comes back', () => {
    fc.assert(
      fc.property(amount, (value) => {
        // −0 has no units of its own: 0 comes back for it.
        expect(nearestDouble(exactUnits(value))).to.equal(value + 0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('Counts as the doubles do: signs, order, and doubling', () => {
    fc.assert(
      fc.property(finite, finite, (a, b) => {
        expect(exactUnits(-a)).to.equal(-exactUnits(a));
        expect(exactUnits(a) < exactUnits(b)).to.equal(a < b);
        if (Number.isFinite(2 * a)) expect(exactUnits(2 * a)).to.equal(2n * exactUnits(a));
      }),
      { numRuns: 2_000 },
    );
  });

  it('The exact sum of two, rounded once, is what a double’s addition gives', () => {
    fc.assert(
      fc.property(amount, amount, (a, b) => {
        expect(nearestDouble(exactUnits(a) + exactUnits(b))).to.equal(a + b);
      }),
      { numRuns: 2_000 },
    );
  });

  it('keeps the dust that sums in doubles swallow', () => {
    for (const dust of [5e-324, 2 ** -60, 1e-17]) {
      expect(2 + dust).to.equal(2);
      expect(exactUnits(2) + exactUnits(dust) > exactUnits(2)).to.equal(true);
    }
  });

  it('Rounds to the nearest double, as Number() does for whole numbers and what is exactly a fraction of them', () => {
    fc.assert(
      fc.property(naturalTo(1_100), fc.integer({ min: 0, max: 900 }), (natural, halvings) => {
        expect(nearestDouble(natural << 1074n)).to.equal(Number(natural));
        // Halving is exact for as long as it stays above the smallest doubles and below the largest.
        const whole = Number(natural);
        if (Number.isFinite(whole))
          expect(nearestDouble(natural << BigInt(1074 - halvings))).to.equal(whole / 2 ** halvings);
      }),
      { numRuns: 1_000 },
    );
  });

  describe('A tie is rounded to even, and anything beside it is none', () => {
    for (const scale of [0n, 1n, 7n, 8n, 9n, 10n, 11n, 12n, 13n, 64n, 1_000n, 1_074n]) {
      it(`at 2^${53n + scale} units`, () => {
        const even = 1n << 53n;
        const half = 1n << scale;
        const [low, middle, high] = [even, even + 2n, even + 4n].map((units) => nearestDouble(units << scale));
        expect(nearestDouble((even + 1n) << scale)).to.equal(low);
        expect(nearestDouble((even + 3n) << scale)).to.equal(high);
        expect(low).to.be.lessThan(middle as number);
        if (half > 1n) {
          expect(nearestDouble(((even + 1n) << scale) + 1n)).to.equal(middle);
          expect(nearestDouble(((even + 1n) << scale) - 1n)).to.equal(low);
          expect(nearestDouble(((even + 3n) << scale) - 1n)).to.equal(middle);
          expect(nearestDouble(((even + 3n) << scale) + 1n)).to.equal(high);
        }
      });
    }
  });

  it('What is out of range is Infinity, from half a unit in the last place above the largest double on', () => {
    const largest = exactUnits(Number.MAX_VALUE);
    const half = 1n << (970n + 1074n);
    expect(nearestDouble(largest + half - 1n)).to.equal(Number.MAX_VALUE);
    expect(nearestDouble(largest + half)).to.equal(Number.POSITIVE_INFINITY);
    expect(nearestDouble(largest * 2n)).to.equal(Number.POSITIVE_INFINITY);
    expect(nearestDouble(1n << 10_000n)).to.equal(Number.POSITIVE_INFINITY);
  });
});
