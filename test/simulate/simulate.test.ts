/** The simulation itself: the same seed is the same story, nothing is found where nothing is wrong, and every bug is found. */

import { expect } from 'chai';
import { CANARIES } from './canaries.js';
import { type Outcome, simulate } from './simulate.js';

/** How much virtual time these have, hours: one storm, and several. */
const SHORT = 1;
const HOURS = 24;

/** A bug is looked for in so many stories at most. */
const STORIES = 20;

describe('The simulation', function () {
  // Seconds, on a machine that has nothing else to do.
  this.timeout(120_000);

  it('tells the same story of the same seed, line by line, and another of another', async () => {
    const tell = async (seed: number) => {
      const lines: string[] = [];
      const { hash } = await simulate({ seed, hours: SHORT, tell: (line) => lines.push(line) });
      return { hash, lines };
    };
    const told = await tell(1);
    const other = await tell(2);
    expect(told.lines).to.have.lengthOf.above(100);
    expect(other.hash).not.to.equal(told.hash);
    expect(await tell(1)).to.deep.equal(told);
    // Whether anybody listens or not.
    expect((await simulate({ seed: 1, hours: SHORT })).hash).to.equal(told.hash);
  });

  it('finds nothing wrong, whatever befalls the network', async () => {
    const faults = new Set<string>();
    for (let seed = 1; seed <= 5; seed++) {
      const outcome = await simulate({ seed, hours: HOURS });
      expect(outcome.problem?.message, `seed ${seed}`).to.equal(undefined);
      expect(outcome.ms).to.be.at.least(HOURS * 3_600_000);
      for (const fault of outcome.faults.keys()) faults.add(fault);
    }
    expect([...faults].sort()).to.deep.equal(FAULTS);
  });

  it("leaves the host's timers and its random numbers as they were", async () => {
    const before = [setTimeout, setInterval, setImmediate, clearTimeout, Date.now, Math.random, performance.now];
    await simulate({ seed: 1, hours: SHORT });
    expect([setTimeout, setInterval, setImmediate, clearTimeout, Date.now, Math.random, performance.now]).to.deep.equal(
      before,
    );
  });

  for (const [name, canary] of Object.entries(CANARIES)) {
    it(`finds the bug ${name}`, async () => {
      const outcome = await firstProblem(name);
      expect(canary().checks, outcome?.problem?.message).to.include(outcome?.problem?.check);
    });
  }
});

/** Every kind of fault that there is. */
const FAULTS = [
  'broken submission',
  'clock drift',
  'clock step',
  'cut connection',
  'delayed connection',
  'full disk',
  'half-open connection',
  'hostile bytes',
  'killed after a sync',
  'killed after a write',
  'killed at any time',
  'killed before a sync',
  'killed before a write',
  'parted network',
  'power lost after a sync',
  'power lost after a write',
  'power lost at any time',
  'power lost before a sync',
  'power lost before a write',
  'reordered submitters',
  'restart',
  'restarted miner',
  'slow disk',
];

async function firstProblem(canary: string): Promise<Outcome | undefined> {
  for (let seed = 1; seed <= STORIES; seed++) {
    const outcome = await simulate({ seed, hours: HOURS, canary });
    if (outcome.problem !== undefined) return outcome;
  }
  return undefined;
}
