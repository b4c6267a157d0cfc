import { expect } from 'chai';
import fc from 'fast-check';
import {
  LEAP_SECOND_TABLE,
  leapSecondIsNear,
  taiOffsetSeconds,
  taiToUtc,
  utcToTai,
} from '../../src/time/leap-seconds.js';
import { vectors } from '../support/vectors.js';

interface LeapSecondVectors {
  readonly instants: readonly {
    readonly name: string;
    readonly utc_ms: string;
    readonly tai_ms: string;
    readonly offset_s: number;
  }[];
}

const { instants } = vectors<LeapSecondVectors>('leap-seconds');

/** The moments at which the offset grows, milliseconds UTC. */
const boundaries = instants
  .filter(({ name, offset_s }) => name === 'at' && offset_s > 10)
  .map(({ utc_ms }) => BigInt(utc_ms));

describe('TAI and UTC (spec, section 3)', () => {
  it('has vectors of all 27 leap seconds', () => {
    expect(boundaries).to.have.lengthOf(27);
  });

  describe('TAI is UTC plus the leap-second offset, and back', () => {
    for (const { name, utc_ms, tai_ms, offset_s } of instants) {
      it(`${utc_ms} (${name}): ${offset_s} s`, () => {
        expect(taiOffsetSeconds(BigInt(utc_ms))).to.equal(offset_s);
        expect(utcToTai(BigInt(utc_ms))).to.equal(BigInt(tai_ms));
        expect(taiToUtc(BigInt(tai_ms))).to.equal(BigInt(utc_ms));
      });
    }
  });

  it('The offset is 10 s at and before 1972-01-01 and 37 s since 2017-01-01', () => {
    for (const utc of [BigInt(Date.parse('1972-01-01')), 0n, -1_000_000_000_000n])
      expect(taiOffsetSeconds(utc)).to.equal(10);
    for (const utc of [BigInt(Date.parse('2017-01-01')), 4_102_444_800_000n])
      expect(taiOffsetSeconds(utc)).to.equal(37);
    expect(taiOffsetSeconds(BigInt(Date.parse('2017-01-01')) - 1n)).to.equal(36);
  });

  it('A leap second, which UTC has no number for, is the second after it', () => {
    for (const boundary of boundaries) {
      const begins = utcToTai(boundary - 1n) + 1n;
      for (const into of [0n, 1n, 999n]) expect(taiToUtc(begins + into)).to.equal(boundary + into);
      expect(taiToUtc(begins - 1n)).to.equal(boundary - 1n);
      expect(taiToUtc(begins + 1_000n)).to.equal(boundary);
    }
  });

  it('A leap second is near within the month before it, and not from then on', () => {
    for (const boundary of boundaries) {
      expect(leapSecondIsNear(boundary - 86_400_000n)).to.equal(true);
      expect(leapSecondIsNear(boundary - 32n * 86_400_000n)).to.equal(false);
      expect(leapSecondIsNear(boundary)).to.equal(false);
    }
  });

  it('The table says where it comes from, and until when it is good: half a year after its last leap second at least', () => {
    expect(LEAP_SECOND_TABLE.source).to.match(/IERS.*20\d\d-\d\d-\d\d/);
    expect(LEAP_SECOND_TABLE.expires > (boundaries.at(-1) ?? 0n) + 180n * 86_400_000n).to.equal(true);
  });

  it('Every time UTC comes back, and later is later', () => {
    const near = fc
      .tuple(fc.constantFrom(...boundaries), fc.bigInt({ min: -60_000n, max: 60_000n }))
      .map(([boundary, by]) => boundary + by);
    const time = fc.oneof(near, fc.bigInt({ min: -(1n << 40n), max: 1n << 45n }));
    fc.assert(
      fc.property(time, time, (a, b) => {
        expect(taiToUtc(utcToTai(a))).to.equal(a);
        expect(utcToTai(a) < utcToTai(b)).to.equal(a < b);
      }),
    );
  });
});
