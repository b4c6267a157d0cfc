/** How long a client waits before it asks again. */

import { expect } from 'chai';
import fc from 'fast-check';
import { Backoff } from '../../src/client/backoff.js';

/** The first waits, where chance always gives the same. */
function waits(chance: number, count = 10): number[] {
  const backoff = new Backoff(() => chance);
  return Array.from({ length: count }, () => backoff.next());
}

describe('Backoff', () => {
  it('grows from 500 ms at most to 10 s at most, and never beyond', () => {
    expect(waits(1)).to.deep.equal([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000, 10_000]);
  });

  it('is jittered from 250 ms up', () => {
    expect(waits(0)).to.deep.equal(Array(10).fill(250));
    expect(waits(0.5, 6)).to.deep.equal([375, 625, 1_125, 2_125, 4_125, 5_125]);
  });

  it('lies between 250 ms and 10 s whatever chance gives, in whole milliseconds', () => {
    const chances = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(chances, (given) => {
        let asked = 0;
        const backoff = new Backoff(() => given[asked++] as number);
        for (const _ of given) expect(backoff.next()).to.satisfy(Number.isInteger).and.within(250, 10_000);
      }),
    );
  });

  it('differs from one client to the next', () => {
    const first = Array.from({ length: 20 }, () => new Backoff().next());
    expect(new Set(first).size).to.be.above(1);
  });

  it('begins again once the validator has answered', () => {
    const backoff = new Backoff(() => 1);
    for (let i = 0; i < 8; i++) backoff.next();
    backoff.reset();
    expect(backoff.next()).to.equal(500);
    expect(backoff.next()).to.equal(1_000);
  });
});
