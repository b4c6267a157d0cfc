import { expect } from 'chai';
import fc from 'fast-check';
import type protobuf from 'protobufjs';
import { Block } from '../../gen/hourcoin/v1/block.js';
import {
  GetAddressRequest,
  GetBlockRequest,
  GetMinerRequest,
  ListBlocksRequest,
  WatchBlocksRequest,
} from '../../gen/hourcoin/v1/chain_service.js';
import {
  CheckLockoutRequest,
  GetBlockchainInfoRequest,
  GetRoundInfoRequest,
  SubmitBlockRequest,
  WatchRoundsRequest,
} from '../../gen/hourcoin/v1/validator_service.js';
import { Fault } from '../../src/engine/fault.js';
import { LIMITS } from '../../src/engine/limits.js';
import * as wire from '../../src/wire/protobuf.js';
import { output } from '../support/blocks.js';
import { delimited, nested, tag, UNKNOWN_FIELD, varint } from '../support/protobuf-bytes.js';
import { anyBlock, anyText, anyU64 } from '../support/random.js';
import { REQUESTS, shapeOf } from '../support/schemas.js';
import { SUBMISSION_LIMITS, submission } from '../support/submissions.js';

const HASH = Buffer.alloc(32, 0xab);
const GOOD = submission({ transactions: [{ inputs: [output('bob', 1, 5n)], outputs: [output('é漢😀', 0.5, 7n)] }] });

/** Every request: its reader, the bytes of a good one, and what they are read as. */
const CALLS: Readonly<
  Record<keyof typeof wire.SHAPES, { read: (bytes: Buffer) => unknown; good: Uint8Array; value: unknown }>
> = {
  GetRoundInfoRequest: {
    read: wire.getRoundInfoFromProto,
    good: GetRoundInfoRequest.encode({ minerId: 'alice' }).finish(),
    value: 'alice',
  },
  WatchRoundsRequest: {
    read: wire.watchRoundsFromProto,
    good: WatchRoundsRequest.encode({ minerId: 'alice' }).finish(),
    value: 'alice',
  },
  SubmitBlockRequest: {
    read: wire.submitBlockFromProto,
    good: SubmitBlockRequest.encode(GOOD).finish(),
    value: GOOD,
  },
  CheckLockoutRequest: {
    read: wire.checkLockoutFromProto,
    good: CheckLockoutRequest.encode({ minerId: 'alice' }).finish(),
    value: 'alice',
  },
  GetBlockchainInfoRequest: {
    read: wire.getBlockchainInfoFromProto,
    good: GetBlockchainInfoRequest.encode({}).finish(),
    value: undefined,
  },
  GetBlockRequest: {
    read: wire.getBlockFromProto,
    good: GetBlockRequest.encode({ by: { $case: 'hash', value: HASH } }).finish(),
    value: { hash: HASH },
  },
  ListBlocksRequest: {
    read: wire.listBlocksFromProto,
    good: ListBlocksRequest.encode({ pageSize: 10, pageToken: 'next', fromIndex: 0xffff_ffff }).finish(),
    value: { pageSize: 10, pageToken: 'next', fromIndex: 0xffff_ffff },
  },
  WatchBlocksRequest: {
    read: wire.watchBlocksFromProto,
    good: WatchBlocksRequest.encode({ fromIndex: 7 }).finish(),
    value: 7,
  },
  GetAddressRequest: {
    read: wire.getAddressFromProto,
    good: GetAddressRequest.encode({ address: 'bob', pageSize: 10, pageToken: 'next' }).finish(),
    value: { address: 'bob', pageSize: 10, pageToken: 'next' },
  },
  GetMinerRequest: {
    read: wire.getMinerFromProto,
    good: GetMinerRequest.encode({ minerId: 'alice' }).finish(),
    value: 'alice',
  },
};

/** Bytes that are no part of a message, wherever in it they stand at the end. */
const MALFORMED: ReadonlyArray<readonly [what: string, bytes: Buffer, reason: RegExp]> = [
  ['tag 0', Buffer.from([0]), /field number 0/],
  ['tag 0 and more', Buffer.from([0, 0, 0]), /field number 0/],
  ['field 0 with a varint, overlong', Buffer.from([0x80, 0]), /field number 0/],
  ['field 0 with bytes', Buffer.concat([tag(0, 2), varint(0)]), /field number 0/],
  ['a field number of 2^29', Buffer.concat([tag(2 ** 29, 0), varint(0)]), /field number 536870912/],
  ['a field number of 2^40', Buffer.concat([tag(2 ** 40, 0), varint(0)]), /field number/],
  ['a tag whose low 32 bits are good', Buffer.concat([varint(2 ** 32 + 10), varint(0)]), /field number 536870913/],
  ['a group', Buffer.concat([tag(UNKNOWN_FIELD, 3), tag(UNKNOWN_FIELD, 4)]), /wire type 3/],
  ['groups in groups without end', Buffer.alloc(200_000, tag(1, 3)), /wire type 3/],
  ['an end of a group', tag(UNKNOWN_FIELD, 4), /wire type 4/],
  ['wire type 6', Buffer.concat([tag(UNKNOWN_FIELD, 6), varint(0)]), /wire type 6/],
  ['wire type 7', Buffer.concat([tag(UNKNOWN_FIELD, 7), varint(0)]), /wire type 7/],
  ['a tag cut short', Buffer.from([0x80]), /a number that does not end/],
  ['a tag without a value', tag(UNKNOWN_FIELD, 0), /a number that does not end/],
  ['a varint cut short', Buffer.concat([tag(UNKNOWN_FIELD, 0), Buffer.from([0xff, 0xff])]), /does not end/],
  [
    'a varint of eleven bytes',
    Buffer.concat([tag(UNKNOWN_FIELD, 0), Buffer.alloc(10, 0x80), varint(0)]),
    /does not end/,
  ],
  ['a varint without end', Buffer.concat([tag(UNKNOWN_FIELD, 0), Buffer.alloc(1_000, 0xff)]), /does not end/],
  ['a length without bytes', Buffer.concat([tag(UNKNOWN_FIELD, 2), varint(1)]), /a length beyond the end/],
  ['a length of 2^32', Buffer.concat([tag(UNKNOWN_FIELD, 2), varint(2 ** 32)]), /a length beyond the end/],
  ['a length of 2^64 − 1', Buffer.concat([tag(UNKNOWN_FIELD, 2), Buffer.alloc(9, 0xff), varint(1)]), /beyond the end/],
  ['no length', tag(UNKNOWN_FIELD, 2), /a number that does not end/],
  ['64 bits cut short', Buffer.concat([tag(UNKNOWN_FIELD, 1), Buffer.alloc(7)]), /a value beyond the end/],
  ['32 bits cut short', Buffer.concat([tag(UNKNOWN_FIELD, 5), Buffer.alloc(3)]), /a value beyond the end/],
];

/** Fields that no message of ours has, of every wire type that may be passed over. */
const UNKNOWN = Buffer.concat([
  tag(UNKNOWN_FIELD, 0),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  tag(UNKNOWN_FIELD, 1),
  Buffer.alloc(8, 0xff),
  tag(UNKNOWN_FIELD, 5),
  Buffer.alloc(4, 0xff),
  delimited(UNKNOWN_FIELD, Buffer.from('00ff00ff07', 'hex')),
  delimited(0x1fff_ffff, Buffer.alloc(0)),
]);

/** The paths of field numbers to a message's strings, or to the messages in it; its own is the empty one. */
function paths(type: protobuf.Type, to: 'strings' | 'messages'): number[][] {
  const inner = type.fieldsArray.flatMap(({ id, type: kind, resolvedType }) => {
    if (kind === 'string') return to === 'strings' ? [[id]] : [];
    return resolvedType !== null && 'fieldsArray' in resolvedType
      ? paths(resolvedType, to).map((path) => [id, ...path])
      : [];
  });
  return to === 'messages' ? [[], ...inner] : inner;
}

function faultOf(read: (bytes: Buffer) => unknown, bytes: Uint8Array): Fault {
  try {
    read(Buffer.from(bytes));
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error(`was taken: ${Buffer.from(bytes).toString('hex')}`);
}

describe('Requests in protobuf', () => {
  it('are those that the schemas declare, with all their texts and messages', () => {
    const declared = Object.fromEntries(REQUESTS.map((type) => [type.name, shapeOf(type)]));
    expect(wire.SHAPES).to.deep.equal(declared);
  });

  for (const type of REQUESTS) {
    const { read, good, value } = CALLS[type.name as keyof typeof CALLS];

    describe(type.name, () => {
      it('is read', () => expect(read(Buffer.from(good))).to.deep.equal(value));

      it('is read with unknown fields, in every message of it', () => {
        for (const path of paths(type, 'messages')) {
          const bytes = path.length === 0 ? Buffer.concat([UNKNOWN, good, UNKNOWN]) : nested(path, UNKNOWN);
          read(Buffer.concat([bytes, good]));
        }
        expect(read(Buffer.concat([UNKNOWN, good, UNKNOWN]))).to.deep.equal(value);
      });

      it('is read with its own fields of other wire types passed over', () => {
        for (const { id } of type.fieldsArray) {
          const others = [Buffer.concat([tag(id, 5), Buffer.alloc(4)]), Buffer.concat([tag(id, 1), Buffer.alloc(8)])];
          expect(read(Buffer.concat([...others, good, ...others]))).to.deep.equal(value);
        }
      });

      it('is not read where its bytes are no message, in any message of it', () => {
        for (const path of paths(type, 'messages')) {
          for (const [what, bytes, reason] of MALFORMED) {
            const fault = faultOf(read, Buffer.concat([good, nested(path, bytes)]));
            expect(fault.reason, what).to.equal('MALFORMED');
            expect(fault.message, what)
              .to.match(reason)
              .and.match(/^the message is not protobuf: /);
          }
        }
      });

      for (const path of paths(type, 'strings')) {
        it(`has UTF-8 in field ${path.join('.')}`, () => {
          for (const hex of ['ff', '80', 'c080', 'eda080', 'f4908080', '61e282']) {
            const fault = faultOf(read, Buffer.concat([good, nested(path, Buffer.from(hex, 'hex'))]));
            expect(fault.reason).to.equal('MALFORMED');
            expect(fault.message).to.equal('the message is not protobuf: a text that is not UTF-8');
          }
          read(Buffer.concat([good, nested(path, Buffer.from('\ufeffé漢😀\0'))]));
        });
      }

      it('is a fault or taken, whatever its bytes', () => {
        const anyChanged = fc
          .tuple(fc.nat(), fc.uint8Array({ maxLength: 4 }), fc.nat(3))
          .map(([at, added, removed]) => {
            const from = at % (good.length + 1);
            return Buffer.concat([good.subarray(0, from), added, good.subarray(from + removed)]);
          });
        fc.assert(
          fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), anyChanged), (bytes) => {
            try {
              read(Buffer.from(bytes));
            } catch (error) {
              expect(error).to.be.instanceOf(Fault);
              expect((error as Fault).reason).to.be.oneOf(['MALFORMED', 'LIMIT_EXCEEDED']);
            }
          }),
          { numRuns: 1_000 },
        );
      });
    });
  }

  it('have no more fields than any of them needs, of whatever kind and wherever in them', () => {
    const most = Buffer.alloc(2 * LIMITS.messageFields, Buffer.concat([tag(UNKNOWN_FIELD, 0), varint(0)]));
    expect(wire.getBlockchainInfoFromProto(most)).to.equal(undefined);
    for (const [path, field] of [
      [[], Buffer.concat([tag(UNKNOWN_FIELD, 0), varint(0)])],
      [[], Buffer.concat([tag(2, 2), varint(0)])],
      [[2], Buffer.concat([tag(6, 2), varint(0)])],
      [[2, 6], Buffer.concat([tag(2, 2), varint(0)])],
    ] as const) {
      const fault = faultOf(wire.submitBlockFromProto, nested(path, Buffer.alloc(1_000_000, field)));
      expect(fault.reason).to.equal('LIMIT_EXCEEDED');
      expect(fault.message).to.equal('the message has more than 100000 fields');
    }
  });

  it('keep a leading U+FEFF, which in protobuf is text', () => {
    const transactions = [{ inputs: [], outputs: [output('\ufeffbob', 1, 5n)] }];
    const request = submission({ minerId: '\ufeffalice', transactions });
    const bytes = Buffer.from(SubmitBlockRequest.encode(request).finish());
    expect(wire.submitBlockFromProto(bytes)).to.deep.equal(request);
  });

  it('keep every block as it is', () => {
    // The generated encoder leaves out a value of −0; on the wire the deployed JSON tells it from 0.
    const value = fc.double().map((double) => (Object.is(double, -0) ? 0 : double));
    fc.assert(
      fc.property(
        anyText.filter((text) => text !== ''),
        anyBlock(anyU64, value),
        (minerId, block) => {
          const bytes = Buffer.from(SubmitBlockRequest.encode({ minerId, block }).finish());
          expect(wire.submitBlockFromProto(bytes)).to.deep.equal({ minerId, block });
        },
      ),
    );
  });

  it('let nothing out of a message within them: what stands behind a tag 0 there is no field of the outer one', () => {
    const block = Buffer.from(Block.encode(GOOD.block).finish());
    const smuggled = Buffer.concat([block, Buffer.from([0]), delimited(1, Buffer.from('mallory'))]);
    const bytes = Buffer.concat([delimited(1, Buffer.from('alice')), delimited(2, smuggled)]);
    expect(faultOf(wire.submitBlockFromProto, bytes).reason).to.equal('MALFORMED');
  });

  it('have messages within them that end where their length says', () => {
    // The inner field's length reaches into what follows the message.
    const short = Buffer.concat([tag(2, 2), varint(2), tag(3, 2), varint(1)]);
    const bytes = Buffer.concat([delimited(1, Buffer.from('alice')), short, Buffer.from('x')]);
    expect(faultOf(wire.submitBlockFromProto, bytes).message).to.match(/a length beyond the end/);
  });

  describe('with something missing', () => {
    it('name the field: a block', () => {
      const bytes = SubmitBlockRequest.encode({ minerId: 'alice', block: undefined }).finish();
      expect(faultOf(wire.submitBlockFromProto, bytes)).to.include({ reason: 'MALFORMED', field: 'block' });
    });

    it('name the field: a miner id, where attempts and lockouts are counted by it', () => {
      for (const [read, bytes] of [
        [wire.submitBlockFromProto, SubmitBlockRequest.encode({ ...GOOD, minerId: '' }).finish()],
        [wire.checkLockoutFromProto, Buffer.alloc(0)],
        [wire.getMinerFromProto, Buffer.alloc(0)],
      ] as const)
        expect(faultOf(read, bytes)).to.include({ reason: 'MALFORMED', field: 'miner_id' });
    });

    it('are taken without a miner id where it is only logged', () => {
      expect(wire.getRoundInfoFromProto(Buffer.alloc(0))).to.equal('');
      expect(wire.watchRoundsFromProto(Buffer.alloc(0))).to.equal('');
    });

    it("name the field: a block's name", () => {
      expect(faultOf(wire.getBlockFromProto, Buffer.alloc(0))).to.include({ reason: 'MALFORMED', field: '' });
      const index = GetBlockRequest.encode({ by: { $case: 'index', value: 0 } }).finish();
      expect(wire.getBlockFromProto(Buffer.from(index))).to.deep.equal({ index: 0 });
    });

    it('name the field: a hash of 32 bytes', () => {
      for (const length of [0, 31, 33]) {
        const bytes = GetBlockRequest.encode({ by: { $case: 'hash', value: Buffer.alloc(length) } }).finish();
        expect(faultOf(wire.getBlockFromProto, bytes)).to.include({ reason: 'MALFORMED', field: 'hash' });
      }
    });
  });

  describe('at their limits', () => {
    for (const { what, limit, field, of } of SUBMISSION_LIMITS) {
      it(`take ${limit} ${what}, and one more is a fault`, () => {
        const encoded = (size: number): Buffer => Buffer.from(SubmitBlockRequest.encode(of(size)).finish());
        expect(wire.submitBlockFromProto(encoded(limit))).to.deep.equal(of(limit));
        expect(faultOf(wire.submitBlockFromProto, encoded(limit + 1))).to.include({ reason: 'LIMIT_EXCEEDED', field });
      });
    }

    it('count the UTF-8 bytes of miner ids and addresses on every call', () => {
      const readers = [
        wire.getRoundInfoFromProto,
        wire.watchRoundsFromProto,
        wire.checkLockoutFromProto,
        wire.getMinerFromProto,
        wire.getAddressFromProto,
      ];
      for (const read of readers) {
        for (const text of ['a'.repeat(256), 'é'.repeat(128), `${'漢'.repeat(85)}a`])
          read(delimited(1, Buffer.from(text)));
        for (const text of ['a'.repeat(257), `${'é'.repeat(128)}a`, '漢'.repeat(86)])
          expect(faultOf(read, delimited(1, Buffer.from(text))).reason).to.equal('LIMIT_EXCEEDED');
      }
    });
  });
});
