import { expect } from 'chai';
import fc from 'fast-check';
import { LIMITS } from '../../src/engine/limits.js';
import { FrameReader, frame } from '../../src/wire/frames.js';
import { bufferBytesKept } from '../support/memory.js';
import { anyText } from '../support/random.js';

const MIB = 1_048_576;

/** The first bytes of a frame that says it is of some length. */
function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** Everything that a reader gives now. */
function drain(reader: FrameReader): unknown[] {
  const found: unknown[] = [];
  for (;;) {
    const next = reader.next();
    if (next === undefined) return found;
    found.push(next);
    if (!Buffer.isBuffer(next)) return found;
  }
}

describe('Frames', () => {
  it('are a length of four bytes, big-endian, and that many bytes of UTF-8', () => {
    expect(frame('{}').toString('hex')).to.equal('000000027b7d');
    expect(frame('é漢😀').toString('hex')).to.equal('00000009c3a9e6bca2f09f9880');
    expect(frame('x'.repeat(0x010203)).subarray(0, 5).toString('hex')).to.equal('0001020378');
  });

  it('are the same however they are cut', () => {
    const anyFrames = fc.array(
      fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.nat(3_000).map((length) => new Uint8Array(length + 1).fill(length)),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(anyFrames, fc.array(fc.nat(), { maxLength: 30 }), fc.boolean(), (bodies, cuts, eager) => {
        const sent = bodies.map((body) => Buffer.from(body));
        const stream = Buffer.concat(sent.flatMap((body) => [header(body.length), body]));
        const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
        const reader = new FrameReader(4_000);
        const found: unknown[] = [];
        places.forEach((place, at) => {
          reader.push(stream.subarray(place, places[at + 1]));
          // What was given is good until the next push.
          if (eager || at === places.length - 1)
            found.push(...drain(reader).map((bytes) => Buffer.from(bytes as Buffer)));
        });
        expect(found).to.deep.equal(sent);
        expect(reader.waiting).to.equal(0);
        // The pieces were views of this buffer, and nothing was written into them.
        expect(stream).to.deep.equal(Buffer.concat(sent.flatMap((body) => [header(body.length), body])));
      }),
      { numRuns: 500 },
    );
  });

  it('may be cut within the length, byte by byte', () => {
    const reader = new FrameReader(MIB);
    const found: unknown[] = [];
    for (const byte of Buffer.concat([frame('"a"'), frame('"bc"')])) {
      reader.push(Buffer.from([byte]));
      found.push(...drain(reader).map(String));
    }
    expect(found).to.deep.equal(['"a"', '"bc"']);
  });

  it('say how many bytes wait to be whole', () => {
    const reader = new FrameReader(MIB);
    expect(reader.waiting).to.equal(0);
    reader.push(Buffer.concat([frame('"a"'), header(9), Buffer.from('"b')]));
    expect(drain(reader).map(String)).to.deep.equal(['"a"']);
    expect(reader.waiting).to.equal(6);
    reader.push(Buffer.alloc(0));
    expect(drain(reader)).to.deep.equal([]);
    expect(reader.waiting).to.equal(6);
  });

  it('given together are good together, until more arrives', () => {
    const reader = new FrameReader(MIB);
    reader.push(frame('"first, of which half comes"').subarray(0, 10));
    expect(drain(reader)).to.deep.equal([]);
    const rest = frame('"first, of which half comes"').subarray(10);
    reader.push(Buffer.concat([rest, frame('"second"'), frame('"third"'), header(5)]));
    expect(drain(reader).map(String)).to.deep.equal(['"first, of which half comes"', '"second"', '"third"']);
  });

  it('hold up to 1 048 576 bytes, inclusive', () => {
    expect(LIMITS.messageBytes).to.equal(MIB);
    const reader = new FrameReader(LIMITS.messageBytes);
    const longest = Buffer.alloc(MIB, 0x20);
    reader.push(Buffer.concat([header(MIB), longest, header(1), Buffer.from('1')]));
    expect(drain(reader)).to.deep.equal([longest, Buffer.from('1')]);
    reader.push(header(MIB + 1));
    expect(reader.next()).to.equal('too long');
  });

  it('that are empty or too long are told by their length alone, after those before them, and nothing is read beyond', () => {
    for (const [length, told] of [
      [0, 'empty'],
      [MIB + 1, 'too long'],
      [0x8000_0000, 'too long'],
      [0xffff_ffff, 'too long'],
    ] as const) {
      const reader = new FrameReader(MIB);
      reader.push(Buffer.concat([frame('1'), frame('2'), header(length)]));
      expect(drain(reader).map(String), `${length}`).to.deep.equal(['1', '2', told]);
      reader.push(frame('3'));
      expect(reader.next()).to.equal(told);
    }
  });

  describe('take no more memory than is there', () => {
    const readers = 32;

    /** Bytes that readers keep for each byte that waits in them, once each has been through the same. */
    function kept(through: (reader: FrameReader) => void): number {
      let waiting = 0;
      const bytes = bufferBytesKept(() =>
        Array.from({ length: readers }, () => {
          const reader = new FrameReader(MIB);
          through(reader);
          waiting += reader.waiting;
          return reader;
        }),
      );
      return bytes - 2 * waiting;
    }

    it('for a length that is announced', () => {
      expect(kept((reader) => reader.push(header(MIB)))).to.be.below(MIB);
    });

    it('for a frame that arrives byte by byte: twice what has arrived', () => {
      const byte = Buffer.from(' ');
      const drip = (reader: FrameReader): void => {
        reader.push(header(MIB));
        for (let count = 0; count < 40_000; count++) {
          reader.push(byte);
          reader.next();
        }
      };
      expect(kept(drip)).to.be.below(MIB);
    });

    it('for frames that were given, none', () => {
      const give = (reader: FrameReader): void => {
        reader.push(Buffer.concat([header(MIB), Buffer.alloc(MIB / 2)]));
        drain(reader);
        reader.push(Buffer.alloc(MIB / 2));
        expect(drain(reader)).to.have.length(1);
      };
      expect(kept(give)).to.be.below(MIB);
    });

    it('for the first byte of the next frame, behind one that was given', () => {
      const give = (reader: FrameReader): void => {
        reader.push(Buffer.concat([header(MIB), Buffer.alloc(MIB / 2)]));
        drain(reader);
        reader.push(Buffer.alloc(MIB / 2 + 1));
        expect(drain(reader)).to.have.length(1);
        expect(reader.waiting).to.equal(1);
      };
      expect(kept(give)).to.be.below(MIB);
    });
  });

  it('of a mebibyte may arrive byte by byte, and are still read', () => {
    // Copying all that waits for every byte would take hours.
    const text = ' '.repeat(MIB);
    const bytes = frame(text);
    const reader = new FrameReader(MIB);
    let early = 0;
    for (let at = 0; at < bytes.length; at++) {
      if (reader.next() !== undefined) early++;
      reader.push(bytes.subarray(at, at + 1));
    }
    expect(early).to.equal(0);
    expect(reader.next()?.toString() === text).to.equal(true);
  });

  it('that are put back come again, before those behind them', () => {
    const reader = new FrameReader(MIB);
    reader.push(Buffer.concat(['one', 'two', 'three'].map(frame)));
    for (const text of ['one', 'two', 'three']) {
      for (let times = 0; times < 3; times++) {
        const bytes = reader.next() as Buffer;
        expect(bytes.toString()).to.equal(text);
        reader.putBack(bytes);
        // Meanwhile more may come.
        reader.push(frame(`behind ${text}`));
      }
      expect(String(reader.next())).to.equal(text);
    }
    expect(drain(reader).map(String)).to.deep.equal(
      ['one', 'two', 'three'].flatMap((text) => Array(3).fill(`behind ${text}`)),
    );
  });

  it('of any text are read back', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const reader = new FrameReader(MIB);
        reader.push(frame(`"${text}"`));
        expect(String(reader.next())).to.equal(`"${text}"`);
      }),
    );
  });
});
