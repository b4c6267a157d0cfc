import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { blockBytes, blockHash, MAX_U64, sha256 } from '../../src/engine/bytes.js';
import { contentHash, decodeContent, encodeContent } from '../../src/engine/content.js';
import { coinbaseTo, output, sealed } from '../support/blocks.js';

const u64 = fc.bigInt({ min: 0n, max: MAX_U64 });
const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const anyOutput: fc.Arbitrary<Output> = fc.record({
  toAddr: fc.string({ unit: 'binary', maxLength: 12 }),
  value: fc.double({ noNaN: true }),
  timestamp: u64,
});
const outputs = fc.array(anyOutput, { maxLength: 3 });
const anyBlock: fc.Arbitrary<Block> = fc.record({
  index: fc.integer({ min: 0, max: 0xffff_ffff }),
  timestamp: u64,
  hash: bytes(40),
  prevBlockHash: bytes(40),
  nonce: u64,
  transactions: fc.array(fc.record({ inputs: outputs, outputs }), { maxLength: 3 }),
});

const NOW = 1_762_800_000_000n;
const [a, b, c] = [output('a', 1, NOW), output('b', 0.5, NOW), output('c', 0.5, NOW)] as const;
const block = sealed({
  index: 7,
  timestamp: NOW,
  hash: Buffer.alloc(0),
  prevBlockHash: Buffer.alloc(32, 1),
  nonce: 99n,
  transactions: [coinbaseTo('alice', NOW), { inputs: [a], outputs: [b] }, { inputs: [], outputs: [c] }],
});
const [coinbase] = block.transactions;

/** Other blocks with the same block bytes, and so the same block hash. */
const COLLISIONS: Readonly<Record<string, Block['transactions']>> = {
  'an output moved to the transaction before': [coinbaseTo('alice', NOW), { inputs: [a], outputs: [b, c] }],
  'an output that became an input': [
    coinbaseTo('alice', NOW),
    { inputs: [a, b], outputs: [] },
    { inputs: [], outputs: [c] },
  ],
  'an input that became an output': [
    coinbaseTo('alice', NOW),
    { inputs: [], outputs: [a, b] },
    { inputs: [], outputs: [c] },
  ],
  'a transaction with nothing in it': [...block.transactions, { inputs: [], outputs: [] }],
  'everything in one transaction': [{ inputs: [], outputs: [...(coinbase?.outputs ?? []), a, b, c] }],
};

describe('Content encoding (spec, section 8)', () => {
  it('A block that is encoded and decoded is the same', () => {
    fc.assert(
      fc.property(anyBlock, (original) => {
        expect(decodeContent(encodeContent(original))).to.deep.equal(original);
      }),
      { numRuns: 500 },
    );
  });

  it('Is counted and length-prefixed: the bytes of a small block', () => {
    const small = {
      ...block,
      hash: Buffer.from('hash'),
      prevBlockHash: Buffer.alloc(0),
      transactions: [{ inputs: [], outputs: [b] }],
    };
    expect(encodeContent(small).toString('hex')).to.equal(
      [
        '01',
        '00000007',
        '0000019a6f115c00',
        `00000004${Buffer.from('hash').toString('hex')}`,
        '00000000',
        '0000000000000063',
        '00000001',
        '00000000',
        '00000001',
        '0000000162',
        '3fe0000000000000',
        '0000019a6f115c00',
      ].join(''),
    );
  });

  it('The content hash is SHA-256 of it', () => {
    expect(contentHash(encodeContent(block))).to.deep.equal(sha256(encodeContent(block)));
  });

  it('Outputs cut into transactions in different ways have the same block bytes and different encodings', () => {
    // Where each output goes: to the same transaction as the one before it or to a new one, as an input or an output.
    const cut = fc.array(fc.record({ begins: fc.boolean(), spent: fc.boolean() }), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(anyOutput, { minLength: 6, maxLength: 6 }), cut, cut, (list, one, other) => {
        const [first, second] = [one, other].map((places) => ({ ...block, transactions: cutUp(list, places) }));
        expect(blockBytes(first as Block)).to.deep.equal(blockBytes(second as Block));
        const same = encodeContent(first as Block).equals(encodeContent(second as Block));
        expect(same).to.equal(isDeepStrictEqual(first, second));
      }),
      { numRuns: 500 },
    );
  });

  describe('Tells apart what the block hash does not', () => {
    for (const [name, transactions] of Object.entries(COLLISIONS)) {
      it(name, () => {
        const other = { ...block, transactions };
        expect(blockBytes(other)).to.deep.equal(blockBytes(block));
        expect(blockHash(other)).to.deep.equal(block.hash);
        expect(encodeContent(other).equals(encodeContent(block))).to.equal(false);
        expect(contentHash(encodeContent(other)).equals(contentHash(encodeContent(block)))).to.equal(false);
      });
    }

    it('an address that takes over the bytes of the output before it', () => {
      // Value and timestamp of the first output are bytes that UTF-8 can hold.
      const first = output(
        'x',
        Buffer.from('ABCDEFGH').readDoubleBE(),
        BigInt(`0x${Buffer.from('IJKLMNOP').toString('hex')}`),
      );
      const second = output('y', 1, NOW);
      const joined = output(`xABCDEFGH${'\0'.repeat(8)}IJKLMNOPy`, 1, NOW);
      const two = { ...block, transactions: [{ inputs: [], outputs: [first, second] }] };
      const one = { ...block, transactions: [{ inputs: [], outputs: [joined] }] };
      expect(blockBytes(one)).to.deep.equal(blockBytes(two));
      expect(encodeContent(one).equals(encodeContent(two))).to.equal(false);
    });

    it('the claimed hash', () => {
      const other = { ...block, hash: Buffer.alloc(32) };
      expect(blockHash(other)).to.deep.equal(blockHash(block));
      expect(encodeContent(other).equals(encodeContent(block))).to.equal(false);
    });
  });

  describe('Bytes that are not exactly one encoding are a RangeError', () => {
    const encoded = encodeContent(block);
    const CUT = /^content encoding: (cut short|count is too large)$/;

    it('cut anywhere', () => {
      for (let length = 0; length < encoded.length; length++) {
        expect(() => decodeContent(encoded.subarray(0, length)), `${length} bytes`).to.throw(RangeError, CUT);
      }
    });

    it('extended by anything', () => {
      for (const tail of [Buffer.alloc(1), Buffer.alloc(8), encoded]) {
        expect(() => decodeContent(Buffer.concat([encoded, tail]))).to.throw(RangeError, 'bytes after the end');
      }
    });

    it('of another version', () => {
      for (const version of [0, 2, 255]) {
        const other = Buffer.from(encoded);
        other[0] = version;
        expect(() => decodeContent(other)).to.throw(RangeError, 'unknown version');
      }
    });

    it('with a count that cannot be true', () => {
      const other = Buffer.from(encoded);
      const countAt = 1 + 4 + 8 + 4 + 32 + 4 + 32 + 8;
      expect(other.readUInt32BE(countAt)).to.equal(3);
      // A transaction takes at least its two counts: eight bytes.
      const possible = Math.floor((other.length - countAt - 4) / 8);
      for (const [count, text] of [
        [possible, 'cut short'],
        [possible + 1, 'count is too large'],
        [0xffff_ffff, 'count is too large'],
      ] as const) {
        other.writeUInt32BE(count, countAt);
        expect(() => decodeContent(other)).to.throw(RangeError, text);
      }
    });

    it('with an address that is not UTF-8', () => {
      const other = encodeContent({ ...block, transactions: [coinbaseTo('?', NOW)] });
      const at = other.lastIndexOf('?');
      for (const byte of [0x80, 0xc3, 0xff]) {
        other[at] = byte;
        expect(() => decodeContent(other)).to.throw(RangeError, 'not UTF-8');
      }
    });

    it('any other bytes: what is read, encoded again, is what was read', () => {
      const position = fc.nat(encoded.length - 1);
      const changes = fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 4 });
      fc.assert(
        fc.property(changes, (list) => {
          const other = Buffer.from(encoded);
          for (const [at, byte] of list) other[at] = byte;
          const read = decoded(other);
          // The bits of a NaN are not kept; no block on a chain has one.
          if (read === undefined || hasNaN(read)) return;
          expect(encodeContent(read)).to.deep.equal(other);
        }),
        { numRuns: 1_000 },
      );
    });
  });
});

/** What bytes decode to; undefined where that is a RangeError. */
function decoded(bytes: Buffer): Block | undefined {
  try {
    return decodeContent(bytes);
  } catch (error) {
    expect(error).to.be.instanceOf(RangeError);
    return undefined;
  }
}

/** Cuts outputs into transactions. An input after an output begins a new one: their order is that of the bytes. */
function cutUp(list: readonly Output[], places: readonly { begins: boolean; spent: boolean }[]): Transaction[] {
  const transactions: { inputs: Output[]; outputs: Output[] }[] = [{ inputs: [], outputs: [] }];
  for (const [position, { begins, spent }] of places.entries()) {
    if (begins || (spent && transactions.at(-1)?.outputs.length !== 0)) transactions.push({ inputs: [], outputs: [] });
    transactions.at(-1)?.[spent ? 'inputs' : 'outputs'].push(list[position] as Output);
  }
  return transactions;
}

function hasNaN({ transactions }: Block): boolean {
  return transactions.some(({ inputs, outputs }) => [...inputs, ...outputs].some(({ value }) => Number.isNaN(value)));
}
