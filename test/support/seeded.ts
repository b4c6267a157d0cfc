/** Random choices that can be made again: a test that fails names the seed that it had. */

import { randomInt } from 'node:crypto';

/** Gives a number from 0 to below `below`. */
export type Choose = (below: number) => number;

/** Runs a test with random choices of a seed: a new one, or that of the environment variable HOURCOIN_SEED. */
export async function seeded(test: (choose: Choose) => Promise<void>): Promise<void> {
  const seed = Number(process.env.HOURCOIN_SEED ?? randomInt(2 ** 32));
  try {
    await test(chooser(seed));
  } catch (error) {
    throw new Error(`with HOURCOIN_SEED=${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** Mulberry32: good enough to choose with, and the same on every host. */
export function chooser(seed: number): Choose {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
