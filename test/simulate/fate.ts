/** What befalls the network in a storm: each kind of fault as often as the seed has it, some never. In a calm all of it is over. */

import type { Dice } from './dice.js';
import type { Death } from './disk.js';
import type { MinerHost } from './miners.js';
import { makeNoise } from './noise.js';
import type { Stranger } from './strangers.js';
import type { ValidatorHost } from './validator.js';
import { HOUR, MINUTE, SECOND, type World } from './world.js';

/** Each storm has each kind of fault so many times as seldom as it may be; undefined: not at all. */
const SELDOM = [1, 1, 4, 20, undefined] as const;

/** A kind of fault, and how long it is from one to the next on average where there are many, milliseconds. */
interface Fault {
  readonly mean: number;
  readonly inject: () => void;
}

export class Fate {
  private readonly dice: Dice;
  /** Counts storms: what was planned in one does not come in the next. */
  private storm = 0;

  constructor(
    private readonly world: World,
    private readonly validator: ValidatorHost,
    private readonly miners: readonly MinerHost[],
    private readonly strangers: readonly Stranger[],
  ) {
    this.dice = world.dice.for('fate');
  }

  begin(): void {
    this.storm++;
    this.world.story.say('a storm begins');
    for (const stranger of this.strangers) stranger.wake();
    for (const { mean, inject } of this.faults()) {
      const seldom = this.dice.pick(SELDOM);
      if (seldom !== undefined) this.plan(mean * seldom, inject, this.storm);
    }
  }

  /** Ends every fault that does not end by itself. */
  end(): void {
    const { network, story } = this.world;
    const { disk, clock } = this.validator;
    this.storm++;
    disk.doom = undefined;
    disk.isFull = false;
    disk.slowness = 1;
    clock.drift(0);
    clock.step(-clock.ahead);
    network.comeTogether();
    for (const stranger of this.strangers) stranger.rest();
    story.say('calm');
  }

  private plan(mean: number, inject: () => void, storm: number): void {
    this.later(this.dice.wait(mean), () => {
      if (this.storm !== storm) return;
      inject();
      this.plan(mean, inject, storm);
    });
  }

  private faults(): Fault[] {
    return [...this.faultsOfTheHost(), ...this.faultsOfTheNetwork()];
  }

  private faultsOfTheHost(): Fault[] {
    const { dice, validator } = this;
    const { story } = this.world;
    const { clock, disk } = validator;
    const death = (): Death => dice.pick(['killed', 'power lost'] as const);
    return [
      {
        mean: 20 * MINUTE,
        inject: () => {
          const how = death();
          disk.doom ??= { operations: dice.choose(8), die: (where) => validator.die(how, where) };
        },
      },
      { mean: HOUR, inject: () => validator.die(death(), 'at any time') },
      { mean: HOUR, inject: () => validator.restart() },
      {
        mean: 2 * HOUR,
        inject: () => {
          story.fault('full disk');
          disk.isFull = true;
          this.later(dice.wait(3 * MINUTE), () => {
            disk.isFull = false;
          });
        },
      },
      {
        mean: HOUR,
        inject: () => {
          story.fault('slow disk');
          disk.slowness = dice.pick([10, 100, 500]);
          this.later(dice.wait(2 * MINUTE), () => {
            disk.slowness = 1;
          });
        },
      },
      {
        mean: HOUR,
        inject: () => {
          const most = dice.pick([500, 2 * SECOND, MINUTE, 10 * MINUTE, 70 * MINUTE]);
          const ms = dice.between(-most, most);
          story.fault('clock step', `${ms} ms`);
          clock.step(ms);
        },
      },
      {
        mean: HOUR,
        inject: () => {
          const millionths = dice.between(-5_000, 5_000);
          story.fault('clock drift', `${millionths} millionths`);
          clock.drift(millionths);
        },
      },
    ];
  }

  private faultsOfTheNetwork(): Fault[] {
    const { dice } = this;
    const { network, story } = this.world;
    return [
      { mean: 2 * MINUTE, inject: () => network.cutOne() && story.fault('cut connection') },
      { mean: 2 * MINUTE, inject: () => network.delayOne(dice.wait(8 * SECOND)) && story.fault('delayed connection') },
      { mean: 5 * MINUTE, inject: () => network.halfOpenOne() && story.fault('half-open connection') },
      {
        mean: 2 * HOUR,
        inject: () => {
          story.fault('parted network');
          network.part();
          this.later(dice.wait(2 * MINUTE), () => network.comeTogether());
        },
      },
      {
        mean: 30 * MINUTE,
        inject: () => {
          const miner = dice.pick(this.miners);
          story.fault('restarted miner', miner.name);
          miner.kill();
          miner.start();
        },
      },
      {
        mean: 10 * MINUTE,
        inject: () => {
          story.fault('hostile bytes');
          makeNoise(this.world, dice);
        },
      },
    ];
  }

  private later(ms: number, act: () => void): void {
    const { time } = this.world;
    time.after(ms, time.world, act);
  }
}
