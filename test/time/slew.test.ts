/** A clock that is set right by running a little faster or slower. */

import { expect } from 'chai';
import fc from 'fast-check';
import { Slew } from '../../src/time/slew.js';

const NOW = 1_795_000_000_000;

/** How long an error takes to be gone, milliseconds, where it is steered every second. */
function settled(error: number): number {
  const slew = new Slew(0, NOW);
  for (let at = 0; at < 1e9; at += 1_000) {
    if (Math.abs(slew.now(at) - (NOW + at + error)) < 0.01) return at;
    slew.steer(at, NOW + at + error);
  }
  return Number.POSITIVE_INFINITY;
}

/** Waiting, and steering to what is right by so much more or less. */
const wait = fc.double({ min: 0, max: 1e6, noNaN: true });
const error = fc.double({ min: -1e8, max: 1e8, noNaN: true });
const steps = fc.array(fc.record({ wait, error }), { maxLength: 50 });

describe('A clock that is slewed', () => {
  it('goes as time goes while it is right', () => {
    const slew = new Slew(1_000, NOW);
    expect([slew.now(1_000), slew.now(61_000)]).to.deep.equal([NOW, NOW + 60_000]);
  });

  it('makes for what is right, does not step there, and stops when it is there', () => {
    const slew = new Slew(0, NOW);
    slew.steer(0, NOW + 6_000);
    expect(slew.now(0)).to.equal(NOW);
    expect(slew.now(30_000)).to.equal(NOW + 33_000);
    expect(slew.now(60_000)).to.equal(NOW + 66_000);
    expect(slew.now(90_000)).to.equal(NOW + 96_000);
  });

  it('going back, it is never slower than by a tenth: 10 s are gone within ten minutes, an hour within half a day', () => {
    const slew = new Slew(0, NOW);
    slew.steer(0, NOW - 3_600_000);
    expect(slew.now(10_000)).to.equal(NOW + 9_000);
    expect(settled(-10_000)).to.be.below(600_000);
    expect(settled(-3_600_000)).to.be.below(43_200_000);
  });

  it('going forward, it is never more than twice as fast: 10 s are gone within ten minutes, an hour within 75', () => {
    const slew = new Slew(0, NOW);
    slew.steer(0, NOW + 3_600_000);
    expect(slew.now(10_000)).to.equal(NOW + 20_000);
    expect(settled(10_000)).to.be.below(600_000);
    expect(settled(3_600_000)).to.be.below(4_500_000);
  });

  it('makes up for little at a two-thousandth of the pace of time', () => {
    const slew = new Slew(0, NOW);
    slew.steer(0, NOW - 20);
    expect(slew.now(10_000)).to.be.closeTo(NOW + 9_995, 0.001);
  });

  it('never goes back, wherever it is steered', () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const slew = new Slew(0, NOW);
        let [at, last] = [0, NOW];
        for (const { wait, error } of steps) {
          at += wait;
          const now = slew.now(at);
          slew.steer(at, NOW + at + error);
          expect(now).to.be.at.least(last);
          expect(slew.now(at)).to.be.at.least(now);
          last = now;
        }
      }),
    );
  });

  it('runs at nine tenths to twice the pace of time, wherever it is steered', () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const slew = new Slew(0, NOW);
        let at = 0;
        for (const { wait, error } of steps) {
          slew.steer(at, NOW + at + error);
          const before = slew.now(at);
          at += wait;
          // A time of today has a resolution of 0.00025 ms.
          expect(slew.now(at) - before).to.be.within(0.9 * wait - 0.001, 2 * wait + 0.001);
        }
      }),
    );
  });

  it('never goes beyond what it was steered to', () => {
    fc.assert(
      fc.property(error, wait, (error, wait) => {
        const slew = new Slew(0, NOW);
        slew.steer(0, NOW + error);
        const made = slew.now(wait) - NOW - wait;
        expect(made).to.be.within(Math.min(0, error) - 0.001, Math.max(0, error) + 0.001);
      }),
    );
  });
});
