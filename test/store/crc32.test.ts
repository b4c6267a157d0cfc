/** Records' checksums: CRC-32, which zlib computes too. */

import * as zlib from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { crc32 } from '../../src/store/crc32.js';

describe('CRC-32', () => {
  it('has its known value for the digits 1 to 9', () => {
    expect(crc32(Buffer.from('123456789'), 9, 0)).to.equal(0xcbf43926);
  });

  it('is what zlib says, of any bytes, in one piece and in two', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, middle) => {
        const cut = Math.min(middle, bytes.length);
        expect(crc32(bytes, bytes.length, 0)).to.equal(zlib.crc32(bytes));
        expect(crc32(bytes.subarray(cut), bytes.length - cut, crc32(bytes, cut, 0))).to.equal(zlib.crc32(bytes));
      }),
    );
  });
});
