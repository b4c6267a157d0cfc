/** What several intervals agree on, when some of them are wrong. */

import { expect } from 'chai';
import fc from 'fast-check';
import { agreement, type Bounds, overlap } from '../../src/time/agreement.js';

function around(middle: number, by: number): Bounds {
  return { low: middle - by, high: middle + by };
}

const value = fc.integer({ min: -1_000, max: 1_000 });
const interval = fc.tuple(value, fc.nat(1_000)).map(([middle, by]) => around(middle, by));

/** Those that hold a true value, and fewer that say whatever they like; in any order. */
const withLiars = value.chain((truth) =>
  fc.array(fc.tuple(fc.nat(500), fc.nat(500)), { minLength: 1, maxLength: 8 }).chain((sides) => {
    const honest = sides.map(([below, above]) => ({ low: truth - below, high: truth + above }));
    return fc
      .array(interval, { maxLength: honest.length - 1 })
      .chain((liars) =>
        fc
          .shuffledSubarray([...honest, ...liars], { minLength: honest.length + liars.length })
          .map((all) => ({ truth, honest, all })),
      );
  }),
);

describe('What sources of time agree on', () => {
  const two = [around(0, 1), around(9, 1)];
  for (const { what, given, agreed } of [
    { what: 'none', given: [], agreed: undefined },
    { what: 'one', given: [around(5, 2)], agreed: around(5, 2) },
    { what: 'two that agree', given: [around(5, 2), around(6, 2)], agreed: { low: 4, high: 7 } },
    { what: 'two that touch', given: [around(0, 1), around(2, 1)], agreed: { low: 1, high: 1 } },
    { what: 'two that differ', given: two, agreed: undefined },
    { what: 'three, one far off', given: [around(0, 2), around(9_000, 1), around(1, 2)], agreed: { low: -1, high: 2 } },
    { what: 'three that all differ', given: [...two, around(99, 1)], agreed: undefined },
    { what: 'two and two that differ', given: [...two, ...two], agreed: undefined },
    { what: 'two that differ, and one that holds both', given: [...two, around(5, 50)], agreed: { low: -1, high: 10 } },
  ]) {
    it(`${what}: ${agreed === undefined ? 'nothing' : `${agreed.low} to ${agreed.high}`}`, () => {
      expect(agreement(given)).to.deep.equal(agreed);
    });
  }

  it('Whatever fewer than half of them say, the true value is not left out', () => {
    fc.assert(
      fc.property(withLiars, ({ truth, all }) => {
        const agreed = agreement(all) as Bounds;
        expect(overlap(agreed, around(truth, 0))).to.equal(true);
      }),
    );
  });

  it('Whatever fewer than half of them say, they move it nowhere that none of the others holds', () => {
    fc.assert(
      fc.property(withLiars, ({ honest, all }) => {
        const agreed = agreement(all) as Bounds;
        for (const end of [agreed.low, agreed.high]) {
          expect(honest.some((one) => overlap(one, around(end, 0)))).to.equal(true);
        }
      }),
    );
  });

  it('The order in which they are given does not matter', () => {
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 9 }), (given) => {
        expect(agreement([...given].reverse())).to.deep.equal(agreement(given));
      }),
    );
  });
});
