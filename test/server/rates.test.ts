/** Rates: so often a second, and a second's worth at once, for each of however many names. */

import { expect } from 'chai';
import fc from 'fast-check';
import { Rates } from '../../src/server/rates.js';
import { heapBytesKept } from '../support/memory.js';

const NOW = 1_000_000;

describe('Rates', () => {
  it("A second's worth may come at once; what comes then waits, each for its own turn", () => {
    const rates = new Rates(4);
    const waits = Array.from({ length: 8 }, () => rates.take('alice', NOW));
    expect(waits).to.deep.equal([0, 0, 0, 0, 250, 500, 750, 1_000]);
  });

  it('Whoever keeps to the rate never waits', () => {
    const rates = new Rates(4);
    for (let at = NOW; at < NOW + 10_000; at += 250) expect(rates.take('alice', at)).to.equal(0);
  });

  it('Whoever has waited has its rate again, and after a second of quiet a second of it', () => {
    const rates = new Rates(4);
    for (let times = 0; times < 8; times++) rates.take('alice', NOW);
    expect(rates.take('alice', NOW + 1_250)).to.equal(0);
    expect(rates.take('alice', NOW + 1_250)).to.equal(250);
    expect(Array.from({ length: 5 }, () => rates.take('alice', NOW + 10_000))).to.deep.equal([0, 0, 0, 0, 250]);
  });

  it('One name has nothing to do with another', () => {
    const rates = new Rates(1);
    for (let times = 0; times < 100; times++) rates.take('alice', NOW);
    expect(rates.take('bob', NOW)).to.equal(0);
  });

  it('What may not wait is told for how long, and not counted: after that it is taken, and not a moment before', () => {
    const rate = fc.integer({ min: 1, max: 1_000 });
    const gaps = fc.array(fc.nat({ max: 2_000 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(rate, gaps, (perSecond, gaps) => {
        const rates = new Rates(perSecond);
        let now = NOW;
        for (const gap of gaps) {
          now += gap;
          let wait = rates.tryTake('alice', now);
          while (wait === 0) wait = rates.tryTake('alice', now);
          for (let times = 0; times < 3; times++) expect(rates.tryTake('alice', now)).to.equal(wait);
          expect(rates.tryTake('alice', now + wait - 1)).to.equal(1);
          now += wait;
          expect(rates.tryTake('alice', now)).to.equal(0);
        }
      }),
    );
  });

  it('What is given back is as if it had not come', () => {
    const rates = new Rates(2);
    for (let times = 0; times < 10; times++) {
      expect(rates.tryTake('alice', NOW)).to.equal(0);
      rates.giveBack('alice');
    }
    expect([1, 2, 3].map(() => rates.tryTake('alice', NOW))).to.deep.equal([0, 0, 500]);
  });

  it('A million invented names take no more memory than a hundred thousand', () => {
    const rates = new Rates(20);
    const fill = (from: number, names: number) => () => {
      for (let n = from; n < from + names; n++) rates.take(`203.0.113.7 invented name number ${n}`, NOW + n / 100);
      return rates;
    };
    const first = heapBytesKept(fill(0, 100_000));
    expect(heapBytesKept(fill(100_000, 900_000))).to.be.below(first / 4);
    expect(first).to.be.below(30_000_000);
  });

  it('Those who come again are remembered beside them', () => {
    const rates = new Rates(20);
    for (let n = 0; n < 500_000; n++) {
      if (n % 1_000 === 0) rates.take('alice', NOW);
      rates.take(`name ${n}`, NOW);
    }
    expect(rates.take('alice', NOW)).to.equal((500 - 20 + 1) * 50);
  });
});
