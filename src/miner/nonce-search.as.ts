/**
 * The innermost loop of mining: SHA-256 (FIPS 180-4) of a block under four nonces at once. This is AssemblyScript, which looks like TypeScript and is
 * compiled to WebAssembly with SIMD: `npm run gen` makes gen/nonce-search.wasm of it, which nonce-search.ts loads and calls.
 *
 * A v128 holds four lanes of 32 bits: the same word of four computations that differ in the nonce only. What makes it fast:
 *
 * - The nonce's low word is word 13 of the first chunk, so everything before it is computed once, and so is the schedule of every later chunk.
 * - Proof of work is judged by the last four bytes first, and they are settled three rounds before the end.
 * - Loops of eight rounds: the eight variables change their roles from line to line instead of moving, and the code stays small.
 *
 * Whatever it lets through is hashed again by node:crypto, so that it decides nothing but which nonces are hopeless.
 */

/** The round constants (FIPS 180-4, 4.2.2). */
const K = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/** The initial hash value (5.3.3). */
const H = memory.data<u32>([0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]);

/** The longest block that is taken, in chunks of 64 bytes. Memory never grows, so that views of it stay good. */
export const MOST_CHUNKS: i32 = 64;

/** Where the caller writes the block, padded (5.1.1). */
export const BLOCK: usize = memory.data(64 * MOST_CHUNKS);

/** Bytes of a chunk's 64 words of four lanes. */
const CHUNK_WORDS: usize = 64 * 16;

/** 64 words for each chunk: the schedule of the first; of the others, which never change, with the round constants added. */
const WORDS = memory.data(64 * 16 * MOST_CHUNKS, 16);

/** The state after round 13 of the first chunk with 0 in place of the nonce, and the state that a chunk began with. */
const BEGUN = memory.data(8 * 16, 16);
const CHAIN = memory.data(8 * 16, 16);
let chunks: usize = 0;

// Words of four lanes, constants that are the same in all of them, the functions of 4.1.2, and the two sums of a round (6.2.2).
// bitselect(x, y, m) takes x's bits where m has ones, else y's: that is Ch. Maj is c where a and b differ, else b.
@inline function word(at: usize, t: i32): v128 { return v128.load(at + (t << 4)); }
@inline function same(at: usize, t: i32): v128 { return v128.load_splat<u32>(at + (t << 2)); }
@inline function add(x: v128, y: v128): v128 { return i32x4.add(x, y); }
@inline function xor(x: v128, y: v128, z: v128): v128 { return v128.xor(v128.xor(x, y), z); }
@inline function rotr(x: v128, n: i32): v128 { return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n)); }
@inline function t1(e: v128, f: v128, g: v128, h: v128, kw: v128): v128 {
  return add(add(h, kw), add(v128.bitselect(f, g, e), xor(rotr(e, 6), rotr(e, 11), rotr(e, 25))));
}
@inline function t2(a: v128, b: v128, c: v128): v128 {
  return add(v128.bitselect(c, b, v128.xor(a, b)), xor(rotr(a, 2), rotr(a, 13), rotr(a, 22)));
}

/** Computes a word of the schedule from those before it (6.2.2, step 1), and keeps it. */
@inline function expand(w: usize, t: i32): v128 {
  const x = word(w, t - 2), y = word(w, t - 15);
  const s1 = xor(rotr(x, 17), rotr(x, 19), i32x4.shr_u(x, 10));
  const s0 = xor(rotr(y, 7), rotr(y, 18), i32x4.shr_u(y, 3));
  const next = add(add(add(word(w, t - 16), word(w, t - 7)), s0), s1);
  v128.store(w + (t << 4), next);
  return next;
}

@inline function keep(at: usize, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128, g: v128, h: v128): void {
  v128.store(at, a); v128.store(at, b, 16); v128.store(at, c, 32); v128.store(at, d, 48);
  v128.store(at, e, 64); v128.store(at, f, 80); v128.store(at, g, 96); v128.store(at, h, 112);
}

/** Computes what does not depend on the nonce's low word, of the block of `count` chunks, at least two, that stands at BLOCK. */
export function prepare(count: usize): void {
  chunks = count;
  for (let chunk: usize = 0; chunk < count; chunk++) {
    const w = WORDS + chunk * CHUNK_WORDS;
    for (let t = 0; t < 16; t++) v128.store(w + (t << 4), i32x4.splat(bswap(load<u32>(BLOCK + chunk * 64 + t * 4))));
    if (chunk == 0) continue;
    for (let t = 16; t < 64; t++) expand(w, t);
    for (let t = 0; t < 64; t++) v128.store(w + (t << 4), add(word(w, t), same(K, t)));
  }
  v128.store(WORDS + 13 * 16, i32x4.splat(0));
  let a = same(H, 0), b = same(H, 1), c = same(H, 2), d = same(H, 3), e = same(H, 4), f = same(H, 5), g = same(H, 6), h = same(H, 7);
  for (let t = 0; t <= 13; t++) {
    const x = t1(e, f, g, h, add(word(WORDS, t), same(K, t)));
    const y = t2(a, b, c);
    h = g; g = f; f = e; e = add(d, x); d = c; c = b; b = a; a = add(x, y);
  }
  keep(BEGUN, a, b, c, d, e, f, g, h);
}

/**
 * Tries groups of four nonces; `from`, a multiple of 4, is the first one's low word. Returns how many groups it passed before one in which a
 * hash's last four bytes, as a little-endian number, are at most `most`; or `groups`.
 */
export function search(from: u32, groups: u32, most: u32): u32 {
  const limit = i32x4.splat(most);
  const last = WORDS + (chunks - 1) * CHUNK_WORDS;
  for (let group: u32 = 0; group < groups; group++) {
    // A little-endian nonce in a big-endian word: the number of the lane, its lowest two bits, comes to stand in the highest byte.
    const nonce = v128.or(i32x4.splat(bswap(from + group * 4)), i32x4(0, 0x01000000, 0x02000000, 0x03000000));
    v128.store(WORDS + 13 * 16, nonce);
    // Round 13 adds its word to the new a and e, and to nothing else. The names are those that the state has at the seventh line of a loop.
    let c = add(word(BEGUN, 0), nonce), d = word(BEGUN, 1), e = word(BEGUN, 2), f = word(BEGUN, 3);
    let g = add(word(BEGUN, 4), nonce), h = word(BEGUN, 5), a = word(BEGUN, 6), b = word(BEGUN, 7);
    b = t1(g, h, a, b, add(word(WORDS, 14), same(K, 14))); f = add(f, b); b = add(b, t2(c, d, e));
    a = t1(f, g, h, a, add(word(WORDS, 15), same(K, 15))); e = add(e, a); a = add(a, t2(b, c, d));
    for (let w = WORDS + 16 * 16, k = K + 16 * 4; w < WORDS + CHUNK_WORDS; w += 8 * 16, k += 8 * 4) {
      h = t1(e, f, g, h, add(expand(w, 0), same(k, 0))); d = add(d, h); h = add(h, t2(a, b, c));
      g = t1(d, e, f, g, add(expand(w, 1), same(k, 1))); c = add(c, g); g = add(g, t2(h, a, b));
      f = t1(c, d, e, f, add(expand(w, 2), same(k, 2))); b = add(b, f); f = add(f, t2(g, h, a));
      e = t1(b, c, d, e, add(expand(w, 3), same(k, 3))); a = add(a, e); e = add(e, t2(f, g, h));
      d = t1(a, b, c, d, add(expand(w, 4), same(k, 4))); h = add(h, d); d = add(d, t2(e, f, g));
      c = t1(h, a, b, c, add(expand(w, 5), same(k, 5))); g = add(g, c); c = add(c, t2(d, e, f));
      b = t1(g, h, a, b, add(expand(w, 6), same(k, 6))); f = add(f, b); b = add(b, t2(c, d, e));
      a = t1(f, g, h, a, add(expand(w, 7), same(k, 7))); e = add(e, a); a = add(a, t2(b, c, d));
    }
    a = add(a, same(H, 0)); b = add(b, same(H, 1)); c = add(c, same(H, 2)); d = add(d, same(H, 3));
    e = add(e, same(H, 4)); f = add(f, same(H, 5)); g = add(g, same(H, 6)); h = add(h, same(H, 7));
    for (let w = WORDS + CHUNK_WORDS; ; w += CHUNK_WORDS) {
      keep(CHAIN, a, b, c, d, e, f, g, h);
      const end = w + (w == last ? 56 * 16 : CHUNK_WORDS);
      for (let kw = w; kw < end; kw += 8 * 16) {
        h = t1(e, f, g, h, word(kw, 0)); d = add(d, h); h = add(h, t2(a, b, c));
        g = t1(d, e, f, g, word(kw, 1)); c = add(c, g); g = add(g, t2(h, a, b));
        f = t1(c, d, e, f, word(kw, 2)); b = add(b, f); f = add(f, t2(g, h, a));
        e = t1(b, c, d, e, word(kw, 3)); a = add(a, e); e = add(e, t2(f, g, h));
        d = t1(a, b, c, d, word(kw, 4)); h = add(h, d); d = add(d, t2(e, f, g));
        c = t1(h, a, b, c, word(kw, 5)); g = add(g, c); c = add(c, t2(d, e, f));
        b = t1(g, h, a, b, word(kw, 6)); f = add(f, b); b = add(b, t2(c, d, e));
        a = t1(f, g, h, a, word(kw, 7)); e = add(e, a); a = add(a, t2(b, c, d));
      }
      if (w == last) break;
      a = add(a, word(CHAIN, 0)); b = add(b, word(CHAIN, 1)); c = add(c, word(CHAIN, 2)); d = add(d, word(CHAIN, 3));
      e = add(e, word(CHAIN, 4)); f = add(f, word(CHAIN, 5)); g = add(g, word(CHAIN, 6)); h = add(h, word(CHAIN, 7));
    }
    // The hash's last word is the e of round 60, three rounds old; and what that needs of rounds 57 to 59 is their e alone.
    h = t1(e, f, g, h, word(last, 56)); d = add(d, h); h = add(h, t2(a, b, c));
    c = add(c, t1(d, e, f, g, word(last, 57)));
    b = add(b, t1(c, d, e, f, word(last, 58)));
    a = add(a, t1(b, c, d, e, word(last, 59)));
    h = add(h, t1(a, b, c, d, word(last, 60)));
    const work = v128.swizzle(add(h, word(CHAIN, 7)), i8x16(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    if (v128.any_true(i32x4.le_u(work, limit))) return group;
  }
  return groups;
}
