/** The vectors of the deployed programs: test/vectors/README.md says what they hold. */

import { readFileSync } from 'node:fs';

/** Reads test/vectors/NAME.json. This file runs as dist/test/support/vectors.js. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../test/vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}

/** A double from its bits, 16 hexadecimal digits. */
export function doubleFromBits(bits: string): number {
  return Buffer.from(bits, 'hex').readDoubleBE(0);
}

/** A double's bits, 16 hexadecimal digits. */
export function bitsOfDouble(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('hex');
}
