/** Breaks bytes, whatever they mean: differently each time, and the same for the same choices. */

import type { Choose } from '../support/seeded.js';

/** The longest message, bytes. */
const MOST_BYTES = 1_048_576;

type Change = (bytes: Buffer, choose: Choose) => Buffer;

const CHANGES: readonly Change[] = [
  // A bit flipped.
  (bytes, choose) => {
    const changed = Buffer.from(bytes);
    const at = choose(Math.max(1, bytes.length));
    if (bytes.length > 0) changed[at] = (changed[at] as number) ^ (1 << choose(8));
    return changed;
  },
  // Random bytes put in.
  (bytes, choose) => {
    const at = choose(bytes.length + 1);
    const random = Buffer.from(Array.from({ length: 1 + choose(8) }, () => choose(256)));
    return Buffer.concat([bytes.subarray(0, at), random, bytes.subarray(at)]);
  },
  // Cut off.
  (bytes, choose) => bytes.subarray(0, choose(bytes.length + 1)),
  // A part cut out, or repeated.
  (bytes, choose) => {
    const [from, to] = range(bytes, choose);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (bytes, choose) => {
    const [from, to] = range(bytes, choose);
    const part = bytes.subarray(from, to);
    return Buffer.concat([bytes.subarray(0, to), ...Array(1 + choose(20)).fill(part), bytes.subarray(to)]);
  },
];

/** Breaks bytes in some places, at most; none come out longer than a message may be. */
export function broken(bytes: Buffer, places: number, choose: Choose): Buffer {
  let changed = bytes;
  for (let times = choose(places + 1); times > 0; times--) changed = pick(CHANGES, choose)(changed, choose);
  return changed.subarray(0, MOST_BYTES);
}

/** One of several. */
export function pick<T>(among: readonly T[], choose: Choose): T {
  return among[choose(among.length)] as T;
}

function range(bytes: Buffer, choose: Choose): [from: number, to: number] {
  const from = choose(bytes.length + 1);
  return [from, from + choose(bytes.length - from + 1)];
}
