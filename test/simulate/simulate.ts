/** One story of a seed: storms and calms, and what must hold in them. */

import { Auditor, Problem } from './auditor.js';
import { CANARIES } from './canaries.js';
import { Dice } from './dice.js';
import { Fate } from './fate.js';
import { MinerHost } from './miners.js';
import { Network } from './network.js';
import { Story } from './story.js';
import { Stranger } from './strangers.js';
import { Process, VirtualTime } from './time.js';
import { EPOCH, STARTS_AGAIN_MS, ValidatorHost } from './validator.js';
import { Watcher } from './watcher.js';
import { HOUR, MINUTE, type World } from './world.js';

/** How long a calm lasts once the validator's time goes on: whoever was locked out, or had used an attempt up, has had a block by then. */
const CALM_MS = 2.5 * HOUR;

/** From when on in a calm no honest attempt may be in vain: no round is known any more that was told by a wrong clock. */
const SETTLED_MS = 70 * MINUTE;

export interface Plan {
  readonly seed: number;
  /** How much virtual time there is at least, hours: the last calm is told to its end. */
  readonly hours: number;
  /** The bug that there is, one of CANARIES. */
  readonly canary?: string | undefined;
  /** Hears the story, line by line. */
  readonly tell?: ((line: string) => void) | undefined;
}

export interface Outcome {
  /** What the validator has done wrong; undefined where nothing. */
  readonly problem: Problem | undefined;
  /** The story's hash. */
  readonly hash: string;
  /** Virtual milliseconds. */
  readonly ms: number;
  /** Events that were run. */
  readonly events: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly figures: ReadonlyMap<string, number>;
}

/** Tells the story of a seed. One at a time: the process's timers are its own meanwhile. */
export async function simulate({ seed, hours, canary, tell }: Plan): Promise<Outcome> {
  const dice = new Dice(String(seed));
  const ofMath = dice.for('Math.random');
  const time = new VirtualTime(new Process('the world'), EPOCH, () => ofMath.fraction());
  const story = new Story(() => time.now, tell ?? (() => {}));
  let fail: (error: unknown) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const world: World = {
    time,
    dice,
    story,
    network: new Network(time, dice.for('network')),
    auditor: new Auditor(),
    canary: canary === undefined ? undefined : CANARIES[canary]?.(),
    fail,
    guard(check) {
      try {
        return check();
      } catch (error) {
        fail(error);
        throw error;
      }
    },
  };
  let problem: Problem | undefined;
  const { stackTraceLimit } = Error;
  // Connections fail all the time, and where a defect comes from is told with its story.
  if (tell === undefined) Error.stackTraceLimit = 0;
  try {
    await time.run(Promise.race([failure, live(world, hours * HOUR)]));
  } catch (error) {
    problem = error instanceof Problem ? error : new Problem('defects', textOf(error));
    story.say(problem.check);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  const { faults, figures } = story;
  return { problem, hash: story.hash(), ms: time.now, events: time.events, faults, figures };
}

/** Everybody lives, through storms and calms. */
async function live(world: World, ms: number): Promise<void> {
  const { time, dice } = world;
  const validator = new ValidatorHost(world);
  const miners = Array.from({ length: dice.between(2, 6) }, (_, place) => new MinerHost(world, place + 1));
  const strangers = Array.from({ length: dice.between(1, 3) }, (_, place) => {
    return new Stranger(world, place + 1, dice.pick([5, 15, 60]) * MINUTE);
  });
  const watcher = new Watcher(world);
  const fate = new Fate(world, validator, miners, strangers);
  for (const host of [validator, ...miners, ...strangers, watcher]) host.start();
  while (time.now < ms) {
    fate.begin();
    await time.wait(dice.between(1, 12) * HOUR);
    fate.end();
    await calm(world, validator, miners, watcher);
  }
}

/** Nothing goes wrong any more: everybody must get on. */
async function calm(
  world: World,
  validator: ValidatorHost,
  miners: readonly MinerHost[],
  watcher: Watcher,
): Promise<void> {
  const { time, auditor, story } = world;
  const { clock, store } = validator;
  // It starts again by itself; and its time stands still until its clock has caught up.
  await time.wait(Math.max(...STARTS_AGAIN_MS) + MINUTE);
  const behind = Number((store.stored?.stamp ?? 0n) - clock.now());
  await time.wait(Math.max(0, behind));
  const begun = clock.now();
  await time.wait(SETTLED_MS);
  const before = miners.map(({ name }) => auditor.burnt.get(name) ?? 0);
  await time.wait(CALM_MS - SETTLED_MS);
  if (!validator.isRunning) throw new Problem('progress', 'the validator does not run in a calm');
  for (const [place, { name }] of miners.entries()) {
    const last = auditor.acceptedAt.get(name) ?? 0n;
    if (last < begun) throw new Problem('progress', `${name} has had no block in ${CALM_MS / HOUR} hours of calm`);
    const burnt = (auditor.burnt.get(name) ?? 0) - (before[place] ?? 0);
    if (burnt > 0) throw new Problem('progress', `${name} has made ${burnt} blocks in vain in a calm`);
  }
  for (const miner of miners) miner.audit();
  auditor.audit(store);
  const height = auditor.chain?.hashes.length ?? 0;
  await time.wait(MINUTE);
  watcher.audit(height);
  story.say(`all is well at height ${height}`);
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
