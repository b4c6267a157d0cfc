/** CRC-32 as zlib computes it. Of as few bytes as a record has, it is done sooner than zlib could be called. */

/** What each byte value does to the sum: by itself, and with one to three zero bytes after it. */
const TABLES = [0, 1, 2, 3].map((zeros) =>
  Int32Array.from({ length: 256 }, (_, byte) => remainder(byte, 8 + 8 * zeros)),
);
const [T0, T1, T2, T3] = TABLES as [Int32Array, Int32Array, Int32Array, Int32Array];

function remainder(value: number, bits: number): number {
  for (let i = 0; i < bits; i++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
}

/** The sum of the first bytes, that many, after others whose sum is `before` (0 where there are none): 0 to 2^32 − 1. */
export function crc32(bytes: Uint8Array, length: number, before: number): number {
  let sum = ~before;
  let at = 0;
  // Four at a time, as they stand in a 32-bit word.
  for (; at + 4 <= length; at += 4) {
    sum ^=
      byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8) | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24);
    sum = entry(T3, sum) ^ entry(T2, sum >>> 8) ^ entry(T1, sum >>> 16) ^ entry(T0, sum >>> 24);
  }
  for (; at < length; at++) sum = entry(T0, sum ^ byteAt(bytes, at)) ^ (sum >>> 8);
  return ~sum >>> 0;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

function entry(table: Int32Array, sum: number): number {
  return table[sum & 0xff] as number;
}
