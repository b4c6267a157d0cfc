/** The nonce search on one thread, in WebAssembly and without it: held against node:crypto, nonce by nonce. */

import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_U64, MAX_U128 } from '../../src/engine/bytes.js';
import { batches, type NonceSearch, nonceSearch } from '../../src/miner/nonce-search.js';
import { winners, workWith } from '../support/nonces.js';

/** Where the nonce stands in a block with a previous hash of 32 bytes, the shortest such block, and one of 40 chunks. */
const AT = 52;
const SHORTEST = 60;
const FORTY_CHUNKS = 40 * 64 - 9;

const HIGH = 1n << 32n;

/** Every nonce of a range that a search finds, one after the other. */
function found(search: NonceSearch, from: bigint, count: number): bigint[] {
  const all: bigint[] = [];
  const end = from + BigInt(count);
  for (;;) {
    const nonce = from < end ? search.find(from, Number(end - from)) : undefined;
    if (nonce === undefined) return all;
    all.push(nonce);
    from = nonce + 1n;
  }
}

/** A block's bytes, all of them but the nonce random, of every length; whether they end a chunk, or leave no room for the padding. */
const anyBytes = fc
  .oneof(
    fc.integer({ min: SHORTEST, max: FORTY_CHUNKS }),
    fc.tuple(fc.integer({ min: 1, max: 39 }), fc.constantFrom(54, 55, 56, 63, 64)).map(([n, rest]) => n * 64 + rest),
  )
  .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
  .map((bytes) => Buffer.from(bytes));

/** A difficulty that one hash in 2 to 256 meets, or more. */
const anyDifficulty = fc
  .bigInt({ min: 121n, max: 128n })
  .chain((bits) => fc.bigInt({ min: 1n << (bits - 1n), max: (1n << bits) - 1n }));

const ways: [string, null | undefined][] = [
  ['in WebAssembly', undefined],
  ['without it', null],
];
for (const [way, kernel] of ways) {
  describe(`The nonce search ${way}`, () => {
    const search = (bytes: Buffer, difficulty: bigint, at = AT): NonceSearch =>
      nonceSearch(Buffer.from(bytes), at, difficulty, kernel);

    it('finds exactly the nonces that meet the difficulty, in blocks of 2 to 40 chunks, wherever the range begins and ends', () => {
      fc.assert(
        fc.property(
          anyBytes,
          anyDifficulty,
          fc.bigInt({ min: 0n, max: MAX_U64 - 200n }),
          fc.nat(200),
          (bytes, difficulty, from, count) => {
            const expected = winners(bytes, AT, difficulty, from, count);
            expect(found(search(bytes, difficulty), from, count)).to.deep.equal(expected);
          },
        ),
        { numRuns: 150 },
      );
    });

    it('finds them in a long range too, at the default difficulty', () => {
      const bytes = randomBytes(118);
      const difficulty = 1n << 120n;
      const expected = winners(bytes, AT, difficulty, 3n, 20_000);
      expect(found(search(bytes, difficulty), 3n, 20_000), bytes.toString('hex')).to.deep.equal(expected);
    });

    it('goes over from one high word to the next', () => {
      fc.assert(
        fc.property(
          anyBytes,
          fc.nat(30),
          fc.nat(30),
          fc.bigInt({ min: 1n, max: HIGH - 1n }),
          (bytes, before, after, high) => {
            const from = high * HIGH - BigInt(before);
            const expected = winners(bytes, AT, 1n << 126n, from, before + after);
            expect(found(search(bytes, 1n << 126n), from, before + after)).to.deep.equal(expected);
          },
        ),
        { numRuns: 50 },
      );
    });

    it('reaches the last nonce, 2^64 - 1', () => {
      const bytes = randomBytes(118);
      expect(search(bytes, MAX_U128).find(MAX_U64, 1)).to.equal(MAX_U64);
      const expected = winners(bytes, AT, 1n << 126n, MAX_U64 - 40n, 41);
      expect(found(search(bytes, 1n << 126n), MAX_U64 - 40n, 41), bytes.toString('hex')).to.deep.equal(expected);
    });

    it('takes a difficulty of the work and 1, and not one of the work', () => {
      fc.assert(
        fc.property(anyBytes, fc.bigInt({ min: 0n, max: MAX_U64 }), (bytes, nonce) => {
          const work = workWith(bytes, AT, nonce);
          expect(search(bytes, work + 1n).find(nonce, 1)).to.equal(nonce);
          expect(search(bytes, work).find(nonce, 1)).to.equal(undefined);
        }),
        { numRuns: 100 },
      );
    });

    it('takes all nonces where the difficulty is above every work, and none at 0', () => {
      const bytes = randomBytes(118);
      expect(found(search(bytes, 1n << 128n), 5n, 7)).to.deep.equal([5n, 6n, 7n, 8n, 9n, 10n, 11n]);
      expect(found(search(bytes, 0n), 0n, 4_096)).to.deep.equal([]);
    });

    it('takes previous hashes of other lengths', () => {
      for (const hashBytes of [0, 1, 31, 33, 64, 200]) {
        const at = 20 + hashBytes;
        const bytes = randomBytes(at + 8);
        const expected = winners(bytes, at, 1n << 125n, 1n, 100);
        expect(found(search(bytes, 1n << 125n, at), 1n, 100), bytes.toString('hex')).to.deep.equal(expected);
      }
    });

    it('takes blocks of any length', () => {
      for (const chunks of [63, 64, 65, 1_000]) {
        const bytes = randomBytes(chunks * 64 - 9);
        const expected = winners(bytes, AT, 1n << 124n, 0n, 60);
        expect(found(search(bytes, 1n << 124n), 0n, 60), `${chunks} chunks`).to.deep.equal(expected);
      }
    });

    it('searches of several blocks do not disturb each other', () => {
      const blocks = [randomBytes(118), randomBytes(300), randomBytes(118)];
      const searches = blocks.map((bytes) => search(bytes, 1n << 125n));
      const nonces = searches.map((): bigint[] => []);
      for (let from = 0n; from < 160n; from += 16n)
        for (const [i, each] of searches.entries()) nonces[i]?.push(...found(each, from, 16));
      expect(nonces).to.deep.equal(blocks.map((bytes) => winners(bytes, AT, 1n << 125n, 0n, 160)));
    });

    it('leaves the more batches the longer a block is, so that each is done within milliseconds', () => {
      for (const chunks of [2, 6, 40, 64, 65, 1_000, 43_750]) {
        const { batch } = search(Buffer.alloc(chunks * 64 - 9), 1n);
        expect(batch * chunks, `${chunks} chunks`).to.be.at.most(Math.max(2 ** 15, chunks));
        expect(batch).to.be.at.least(1);
      }
    });
  });
}

describe('Batches', () => {
  const search: NonceSearch = { batch: 100, find: () => undefined };

  it('hold every nonce once, in order, up to the last', () => {
    expect([...batches(search, 7n, 306n)]).to.deep.equal([
      [7n, 100],
      [107n, 100],
      [207n, 100],
    ]);
    expect([...batches(search, MAX_U64 - 100n, MAX_U64)]).to.deep.equal([
      [MAX_U64 - 100n, 100],
      [MAX_U64, 1],
    ]);
    expect([...batches(search, 1n, 0n)]).to.deep.equal([]);
  });
});
