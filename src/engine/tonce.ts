/** The tonce: time-only-used-once (spec, section 5). Times are milliseconds. */

import { sha256, u128LittleEndian } from './bytes.js';

/** How long a round's challenge lasts after the tip's timestamp. */
export const CHALLENGE_MS = 60_000n;

/** The tonce once the challenge is over: every timestamp passes. */
export const NO_CHALLENGE = 1;

/** The tonce of a previous timestamp: the last byte of its SHA-256 AND 0x1F, where 0 becomes 1. So 1 to 31. */
export function tonceOf(previous: bigint): number {
  const last = digestOf(previous).readUInt8(31);
  return last & 0x1f || 1;
}

/** Whether a block's timestamp meets a tonce: the last four bytes of its SHA-256, big-endian, are a multiple of it. */
export function meetsTonce(timestamp: bigint, tonce: number): boolean {
  return digestOf(timestamp).readUInt32BE(28) % tonce === 0;
}

/** The last digest. A block's timestamp is asked for twice: for its own tonce, and then, as the tip's, for the next block's. */
let last = { time: 0n, digest: sha256(u128LittleEndian(0n)) };

function digestOf(time: bigint): Buffer {
  if (time !== last.time) last = { time, digest: sha256(u128LittleEndian(time)) };
  return last.digest;
}

/** The challenge as a clock sees it. */
export interface Challenge {
  /** The tonce in force, 1 once the challenge is over. */
  readonly tonce: number;
  /** Whole seconds left, 0 once it is over. */
  readonly secondsRemaining: bigint;
}

/** The challenge at a time, for the tip's own timestamp or, before the first block, the start of the first round. */
export function challengeAt(previous: bigint, now: bigint): Challenge {
  const elapsed = now > previous ? now - previous : 0n;
  if (elapsed >= CHALLENGE_MS) return { tonce: NO_CHALLENGE, secondsRemaining: 0n };
  return { tonce: tonceOf(previous), secondsRemaining: (CHALLENGE_MS - elapsed) / 1000n };
}
