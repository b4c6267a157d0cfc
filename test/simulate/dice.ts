/** Random choices of a seed, a stream of its own for each who chooses: one more choice of one does not change those of others. */

import { createHash } from 'node:crypto';
import { type Choose, chooser } from '../support/seeded.js';

export class Dice {
  readonly choose: Choose;

  constructor(private readonly seed: string) {
    this.choose = chooser(createHash('sha256').update(seed).digest().readUInt32LE());
  }

  /** Others of the same seed. */
  for(name: string): Dice {
    return new Dice(`${this.seed}/${name}`);
  }

  /** From 0 to below 1. */
  fraction(): number {
    return this.choose(2 ** 32) / 2 ** 32;
  }

  /** A whole number of a range, its ends included. */
  between(least: number, most: number): number {
    return least + this.choose(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(among: readonly T[]): T {
    return among[this.choose(among.length)] as T;
  }

  /** How long until the next of things that come so far apart on average. */
  wait(mean: number): number {
    return -Math.log(1 - this.fraction()) * mean;
  }
}
