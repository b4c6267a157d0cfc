/** Nonces by the plainest way there is: node:crypto, one after the other, and the rule as it is written (spec, section 4). */

import { createHash } from 'node:crypto';

/** A hash's bytes 16 to 31 as a little-endian number, of a block's bytes with a nonce at an offset. */
export function workWith(bytes: Uint8Array, at: number, nonce: bigint): bigint {
  const block = Buffer.from(bytes);
  block.writeBigUInt64LE(nonce, at);
  const digest = createHash('sha256').update(block).digest();
  return BigInt(`0x${digest.subarray(16).reverse().toString('hex')}`);
}

/** All nonces of a range that meet a difficulty, in order. */
export function winners(bytes: Uint8Array, at: number, difficulty: bigint, from: bigint, count: number): bigint[] {
  const nonces = Array.from({ length: count }, (_, offset) => from + BigInt(offset));
  return nonces.filter((nonce) => difficulty > workWith(bytes, at, nonce));
}
