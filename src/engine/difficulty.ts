/** Proof of work (spec, section 4) and how a difficulty is written (sections 2 and 8). */

import { MAX_U128 } from './bytes.js';

/** What the deployed programs mine for: 0x and 30 F. */
export const DEFAULT_DIFFICULTY = 0x00ff_ffff_ffff_ffff_ffff_ffff_ffff_ffffn;

/** A hash's work: its bytes 16 to 31 as a little-endian number. */
export function workOf(hash: Buffer): bigint {
  return (hash.readBigUInt64LE(24) << 64n) | hash.readBigUInt64LE(16);
}

/** Whether a hash meets a difficulty: difficulty > work, strictly. */
export function meetsDifficulty(hash: Buffer, difficulty: bigint): boolean {
  return difficulty > workOf(hash);
}

/** Upper-case hexadecimal with 0x, without leading zeros. */
export function formatDifficulty(difficulty: bigint): string {
  return `0x${difficulty.toString(16).toUpperCase()}`;
}

/** Reads `0x` hexadecimal or decimal, 1 to 2^128 − 1; undefined where the text is not one. */
export function parseDifficulty(text: string): bigint | undefined {
  if (!/^(0[xX][0-9a-fA-F]{1,64}|[0-9]{1,64})$/.test(text)) return undefined;
  const difficulty = BigInt(text.toLowerCase());
  return difficulty >= 1n && difficulty <= MAX_U128 ? difficulty : undefined;
}
