/** What time it is, as far as several sources tell. */

import { expect } from 'chai';
import fc from 'fast-check';
import { TimeKeeper } from '../../src/time/time-keeper.js';

const NOW = 1_795_000_000_000;
const TOLERANCE = 250;

/** What a source says that is ahead of the right time. */
function told(at: number, ahead: number, uncertainty = 20) {
  return { at, time: NOW + at + ahead, uncertainty };
}

/** A keeper of some sources, each of which has said how far it is ahead of the right time. */
function keeperOf(...aheads: (number | undefined)[]): TimeKeeper {
  const keeper = new TimeKeeper(aheads.length, TOLERANCE, 0, NOW);
  for (const [source, ahead] of aheads.entries()) if (ahead !== undefined) keeper.take(source, told(0, ahead));
  return keeper;
}

function states(keeper: TimeKeeper, at = 0): string[] {
  return keeper.knowledge(at).standings.map(({ state }) => state);
}

describe('A keeper of time', () => {
  it('knows nothing before a source has answered', () => {
    const { state, ahead } = keeperOf(undefined).knowledge(0);
    expect([state, ahead, ...states(keeperOf(undefined))]).to.deep.equal(['unsynchronized', undefined, 'silent']);
  });

  it('is right as soon as a source has answered that says the same', () => {
    expect(keeperOf(3).knowledge(0)).to.deep.include({ state: 'synchronized', ahead: 3, uncertainty: 20 });
  });

  it('leaves out the one of three that lies', () => {
    const keeper = keeperOf(1, 3_600_000, 2);
    expect(keeper.knowledge(0)).to.deep.include({ state: 'synchronized', ahead: 1.5 });
    expect(states(keeper)).to.deep.equal(['agrees', 'differs', 'agrees']);
  });

  it('trusts neither of two that differ', () => {
    const keeper = keeperOf(0, 3_600_000);
    expect(keeper.knowledge(0).state).to.equal('unsynchronized');
    expect(states(keeper)).to.deep.equal(['differs', 'differs']);
  });

  it('trusts nobody who is less exact than the tolerance', () => {
    const keeper = keeperOf(undefined);
    keeper.take(0, told(0, 0, 251));
    expect(keeper.knowledge(0).state).to.equal('unsynchronized');
    expect(states(keeper)).to.deep.equal(['uncertain']);
  });

  it('goes on by what was said when the sources fall silent, until that is too old: 100 millionths a second', () => {
    const keeper = keeperOf(0);
    keeper.miss(0);
    expect(keeper.knowledge(2_299_000).state).to.equal('synchronized');
    expect(keeper.knowledge(2_301_000).state).to.equal('unsynchronized');
    expect(states(keeper, 2_301_000)).to.deep.equal(['uncertain']);
  });

  it('keeps what a source said before where that is more exact, unless the source says something else now', () => {
    const keeper = keeperOf(0);
    keeper.take(0, told(10_000, 40, 100));
    expect(keeper.knowledge(10_000)).to.deep.include({ ahead: 0, uncertainty: 21 });
    keeper.take(0, told(20_000, 200, 30));
    expect(keeper.knowledge(20_000)).to.deep.include({ ahead: 200, uncertainty: 30 });
  });

  it('is settling while it is further off than the tolerance, and then right', () => {
    const keeper = keeperOf(1_000);
    expect(keeper.knowledge(0).state).to.equal('settling');
    for (let at = 0; at < 300_000; at += 1_000) {
      keeper.take(0, told(at, 1_000));
      keeper.steer(at);
    }
    expect(keeper.knowledge(300_000).state).to.equal('synchronized');
    expect(keeper.now(300_000)).to.be.closeTo(NOW + 301_000, 10);
  });

  it('is set at once only where it is told so: to what the sources agree on, or to another time', () => {
    const agreeing = keeperOf(5_000);
    agreeing.set(0, NOW + 7);
    expect(agreeing.now(0)).to.equal(NOW + 5_000);
    const differing = keeperOf(5_000, 0);
    differing.set(0, NOW + 7);
    expect(differing.now(0)).to.equal(NOW + 7);
  });

  it('is neither set nor slewed to what is not believed, and says what that is', () => {
    const keeper = new TimeKeeper(1, TOLERANCE, 0, NOW, (time, at) => time - NOW - at < 60_000);
    keeper.take(0, told(0, 60_000));
    keeper.set(0, NOW + 7);
    keeper.steer(0);
    expect(keeper.knowledge(0)).to.deep.include({ state: 'unsynchronized', ahead: 59_993 });
    expect(states(keeper)).to.deep.equal(['agrees']);
    expect(keeper.now(1_000)).to.equal(NOW + 1_007);
    keeper.take(0, told(0, 59_999));
    keeper.set(0, NOW);
    expect(keeper.now(0)).to.equal(NOW + 59_999);
  });

  it('takes nobody for more exact than a twentieth of the tolerance: good ones are some milliseconds apart', () => {
    const keeper = new TimeKeeper(3, TOLERANCE, 0, NOW);
    for (const [source, ahead] of [0, 8, 20].entries()) keeper.take(source, told(0, ahead, 0));
    expect(keeper.knowledge(0)).to.deep.include({ state: 'synchronized', ahead: 8 });
    expect(states(keeper)).to.deep.equal(['agrees', 'agrees', 'agrees']);
    expect(keeper.knowledge(0).standings[0]?.uncertainty).to.equal(12.5);
  });

  it('without sources makes for another time, or goes on by itself', () => {
    const keeper = keeperOf(undefined);
    keeper.steer(0, NOW + 30);
    expect(keeper.now(60_000)).to.equal(NOW + 60_030);
    keeper.steer(60_000);
    expect(keeper.now(70_000)).to.equal(NOW + 70_030);
  });

  describe('where more time may have passed than is known', () => {
    it('believes a source until it was asked again, and has not answered', () => {
      const keeper = keeperOf(0, 0);
      keeper.doubt(1_000);
      expect(keeper.knowledge(1_000).state).to.equal('synchronized');
      keeper.miss(0);
      keeper.miss(1);
      expect(states(keeper, 1_000)).to.deep.equal(['silent', 'silent']);
    });

    it('takes what it says now, however much less exact that is', () => {
      const keeper = keeperOf(0);
      keeper.doubt(1_000);
      keeper.take(0, told(1_001, 50, 100));
      expect(keeper.knowledge(1_001)).to.deep.include({ ahead: 50, uncertainty: 100 });
    });
  });

  it('is never moved further than the honest ones say by those who lie, as long as these are fewer than half', () => {
    const MINUTES = 20;
    const off = fc.double({ min: -20, max: 20, noNaN: true });
    const lie = fc.double({ min: -1e7, max: 1e7, noNaN: true });
    const lies = fc.array(lie, { minLength: MINUTES, maxLength: MINUTES });
    const sources = fc
      .array(off, { minLength: 1, maxLength: 5 })
      .chain((honest) => fc.tuple(fc.constant(honest), fc.array(lies, { maxLength: honest.length - 1 })));
    fc.assert(
      fc.property(sources, ([honest, liars]) => {
        const keeper = new TimeKeeper(honest.length + liars.length, TOLERANCE, 0, NOW);
        for (let minute = 0; minute < MINUTES; minute++) {
          const at = minute * 64_000;
          for (const [source, ahead] of honest.entries()) keeper.take(source, told(at, ahead, 25));
          for (const [liar, said] of liars.entries()) {
            keeper.take(honest.length + liar, told(at, said[minute] ?? 0, 1));
          }
          keeper.steer(at);
          expect(keeper.knowledge(at).state).to.equal('synchronized');
          // Each honest one is at most 20 off, and says so to 25: none holds what is further than 45.
          expect(Math.abs(keeper.now(at) - NOW - at)).to.be.at.most(45.001);
        }
      }),
    );
  });
});
