/** A chain as a file: what is written is read again, in whatever pieces; what was cut or changed is refused, with the place. */

import { expect } from 'chai';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { contentHash, encodeContent } from '../../src/engine/content.js';
import { formatDifficulty } from '../../src/engine/difficulty.js';
import { LIMITS } from '../../src/engine/limits.js';
import type { StoredBlock } from '../../src/engine/state.js';
import { MemoryStore } from '../../src/store/memory.js';
import {
  ARCHIVE_SHAPES,
  type ArchiveContents,
  ArchiveError,
  ArchiveReader,
  ArchiveWriter,
} from '../../src/wire/archive.js';
import { EASY, output } from '../support/blocks.js';
import { varint } from '../support/protobuf-bytes.js';
import { anyBlock, anyText, anyU32, anyU64 } from '../support/random.js';
import { DECLARED, shapeOf } from '../support/schemas.js';
import { GrowingChain, PARAMETERS, present } from '../support/stores.js';

const SPEED = 20;

/** A chain, of which some blocks spend. */
function blocks(): StoredBlock[] {
  const chain = new GrowingChain(new MemoryStore());
  return ['alice', 'bob', '', 'zoë'].map((name, index) => {
    if (index < 2) return chain.extend(name);
    const inputs = [present(chain.chain.outputs.unspent()[0])];
    return chain.extend(name, [{ inputs, outputs: [output('dave', 0.7, chain.now + 200_000n)] }]);
  });
}

const CHAIN = blocks();

function contents(firstIndex: number, blockCount: number): ArchiveContents {
  return { parameters: PARAMETERS, clockSpeed: SPEED, firstIndex, blockCount };
}

function written(chain: readonly StoredBlock[], { firstIndex = 0, blockCount = chain.length } = {}): Buffer {
  const writer = new ArchiveWriter(contents(firstIndex, blockCount));
  return Buffer.concat([writer.header(), ...chain.map((accepted) => writer.block(accepted))]);
}

interface Read {
  readonly contents: ArchiveContents;
  readonly blocks: readonly StoredBlock[];
}

/** Reads a file that comes in some pieces. */
function read(...pieces: readonly Buffer[]): Read {
  const reader = new ArchiveReader();
  const blocks: StoredBlock[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let block = reader.next(); block !== undefined; block = reader.next()) blocks.push(block);
  }
  reader.end();
  return { contents: present(reader.contents), blocks };
}

/** What comes of reading a file: where it is refused, why. */
function outcome(file: Buffer): Read | string {
  try {
    return read(file);
  } catch (error) {
    if (error instanceof ArchiveError) return error.message;
    throw error;
  }
}

describe('A chain as a file', () => {
  const file = written(CHAIN);
  const header = written([], { blockCount: CHAIN.length });

  it('its texts and messages are those that the schema declares', () => {
    const declared = ['ArchiveHeader', 'ArchivedBlock'].map((name) => [name, shapeOf(DECLARED.lookupType(name))]);
    expect(ARCHIVE_SHAPES).to.deep.equal(Object.fromEntries(declared));
  });

  it('is read as it was written, with what the chain was begun with', () => {
    expect(read(file)).to.deep.equal({ contents: contents(0, CHAIN.length), blocks: CHAIN });
  });

  it('may hold some of the blocks, or none', () => {
    const some = CHAIN.slice(2);
    expect(read(written(some, { firstIndex: 2 }))).to.deep.equal({ contents: contents(2, 2), blocks: some });
    expect(read(written([]))).to.deep.equal({ contents: contents(0, 0), blocks: [] });
  });

  it('may come in pieces of any length', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(file.length), { maxLength: 8 }), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), file.length];
        const pieces = places.slice(1).map((to, at) => file.subarray(places[at], to));
        expect(read(...pieces).blocks).to.deep.equal(CHAIN);
      }),
    );
    expect(read(...[...file].map((byte) => Buffer.of(byte))).blocks).to.deep.equal(CHAIN);
  });

  it('any block of the right types is read as it was written', () => {
    const index = fc.nat(0xffff_fffe);
    const any = fc.tuple(index, anyBlock(anyU64), anyText, anyU64, anyU64, anyU32, fc.bigInt({ min: 1n, max: EASY }));
    fc.assert(
      fc.property(any, ([index, content, minerId, acceptedAt, round, tonce, difficulty]) => {
        // No rule lets a value of -0 onto a chain, and the generated encoder writes none.
        const outputs = content.transactions.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]);
        fc.pre(!outputs.some(({ value }) => Object.is(value, -0)));
        const block = { ...content, index };
        const known = { minerId, acceptedAt, round, tonce, difficulty: formatDifficulty(difficulty) };
        const accepted = { block, ...known, contentHash: contentHash(encodeContent(block)) };
        expect(read(written([accepted], { firstIndex: index })).blocks).to.deep.equal([accepted]);
      }),
    );
  });

  it('can be read by whoever has the schema, and nothing of ours', () => {
    const reader = protobuf.Reader.create(file);
    const next = (name: string) => {
      const type = DECLARED.lookupType(name);
      return type.toObject(type.decodeDelimited(reader), { longs: String, bytes: String, enums: String });
    };
    expect(next('ArchiveHeader')).to.include({
      format: 1,
      difficulty: formatDifficulty(EASY),
      timescale: 'TIMESCALE_TAI',
      firstRoundStart: String(PARAMETERS.firstRoundStart),
      clockSpeed: SPEED,
      blockCount: CHAIN.length,
    });
    for (const { block, minerId, acceptedAt } of CHAIN) {
      const { block: accepted } = next('ArchivedBlock');
      expect(accepted.block.hash).to.equal(block.hash.toString('base64'));
      expect([accepted.minerId ?? '', accepted.acceptedAt]).to.deep.equal([minerId, String(acceptedAt)]);
    }
    expect(reader.pos).to.equal(file.length);
  });

  it('that is cut at any place is refused, and it says how much of it is there', () => {
    for (let length = header.length; length < file.length; length++) {
      const why = /^block #\d, byte \d+: it is cut short: \d of 4 blocks are there$/;
      expect(outcome(file.subarray(0, length))).to.match(why);
    }
    for (let length = 1; length < header.length; length++) {
      expect(outcome(file.subarray(0, length))).to.equal('it is no chain that hourcoin export has written');
    }
    expect(outcome(Buffer.of())).to.equal('it is empty');
  });

  it('of which any bit was changed is refused, or it is the same chain', () => {
    const whole = read(file);
    for (let bit = 0; bit < 8 * file.length; bit++) {
      const changed = Buffer.from(file);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const came = outcome(changed);
      if (typeof came !== 'string') expect(came).to.deep.equal(whole);
    }
  });

  it('of which any stretch was replaced is refused, or it is the same chain', () => {
    const whole = read(file);
    fc.assert(
      fc.property(fc.nat(file.length), fc.uint8Array({ maxLength: 60 }), fc.nat(60), (at, bytes, without) => {
        const came = outcome(Buffer.concat([file.subarray(0, at), bytes, file.subarray(at + without)]));
        if (typeof came !== 'string') expect(came).to.deep.equal(whole);
      }),
    );
  });

  /** The file with block #1 changed, and sealed anew by whoever knows how. */
  const resealed = (change: (accepted: StoredBlock) => StoredBlock): Buffer =>
    written(CHAIN.map((accepted, index) => (index === 1 ? change(accepted) : accepted)));
  const [, length = 0] = [header, written(CHAIN.slice(0, 1), { blockCount: CHAIN.length })].map((one) => one.length);
  const second = `block #1, byte ${length}: `;

  const refused: [string, Buffer, string][] = [
    ['a text', Buffer.from('hello world, this is no chain'), 'it is no chain that hourcoin export has written'],
    ['zeros', Buffer.alloc(100), 'it is no chain'],
    ['a length beyond 4 MiB', Buffer.from(varint(LIMITS.answerBytes + 1)), 'it is no chain'],
    ['a length beyond 4 MiB, later', Buffer.concat([header, varint(LIMITS.answerBytes + 1)]), 'is too long'],
    ['a length that does not end', Buffer.concat([header, Buffer.alloc(9, 0xff)]), 'there is no length'],
    ['something after the last block', Buffer.concat([file, Buffer.of(0)]), `byte ${file.length}: there is something`],
    [
      'a block again',
      Buffer.concat([file.subarray(0, length), file.subarray(header.length)]),
      `${second}it has index 0`,
    ],
    ['another block in its place', resealed(() => present(CHAIN[2])), `${second}it has index 2`],
    [
      'a block that is not what its content hash says',
      resealed((one) => ({ ...one, block: { ...one.block, nonce: one.block.nonce + 1n } })),
      `${second}it is not what its content hash says`,
    ],
    ['a difficulty that is none', resealed((one) => ({ ...one, difficulty: '0x' })), `${second}its difficulty is none`],
    ['a miner id that is too long', resealed((one) => ({ ...one, minerId: 'm'.repeat(257) })), `${second}miner_id has`],
  ];
  for (const [what, bytes, why] of refused) {
    it(`is refused: ${what}`, () => expect(outcome(bytes)).to.be.a('string').that.contains(why));
  }

  it('of a timescale, a speed or a length that could not be is refused', () => {
    const odd: Partial<ArchiveContents>[] = [
      { parameters: { ...PARAMETERS, timescale: 7 as Timescale } },
      { parameters: { ...PARAMETERS, timescale: Timescale.UNSPECIFIED } },
      { clockSpeed: 0 },
      { clockSpeed: Number.NaN },
      { firstIndex: 0xffff_ffff, blockCount: 1 },
    ];
    for (const one of odd) {
      const bytes = new ArchiveWriter({ ...contents(0, 0), ...one }).header();
      expect(outcome(Buffer.from(bytes))).to.equal('its header is of no chain that could be');
    }
  });

  it('of a newer format is refused, and it says what reads it', () => {
    const newer = DECLARED.lookupType('ArchiveHeader').encodeDelimited({ format: 2, difficulty: '0x1' }).finish();
    const why = 'it has format 2, this version reads format 1: use a newer version of hourcoin';
    expect(outcome(Buffer.from(newer))).to.equal(why);
  });
});
