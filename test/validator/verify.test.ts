/** `verify`: a sound chain is found sound, and every kind of damage is found, also where every checksum holds. */

import { expect } from 'chai';
import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import { blockHash, outputId } from '../../src/engine/bytes.js';
import { contentHash, encodeContent } from '../../src/engine/content.js';
import type { StoredBlock } from '../../src/engine/state.js';
import { LmdbStore } from '../../src/store/lmdb.js';
import {
  decodeBalance,
  decodeBlock,
  decodeOutputRecord,
  decodeOwned,
  decodeParameters,
  decodeProgress,
  encodeBalance,
  encodeBlock,
  encodeOutputRecord,
  encodeOwned,
  encodeParameters,
  encodeProgress,
  key,
  NOT_SPENT,
  textKey,
  u32,
  u64,
  unseal,
} from '../../src/store/records.js';
import { type Problem, type Verification, verify } from '../../src/validator/verify.js';
import { mined, output } from '../support/blocks.js';
import {
  changeSealed,
  copyOf,
  HOUR,
  madeFolder,
  PARAMETERS,
  present,
  putSealed,
  type RawDatabase,
  tamper,
} from '../support/stores.js';

describe('verify', () => {
  let sound: { path: string; remove: () => void };
  /** Of its blocks. */
  let hashes: Buffer[];

  before(async () => {
    sound = await madeFolder((chain) => {
      // The first lockouts are over, rounds have ended by themselves, outputs were spent, and attempts stand in the newest round.
      for (const name of ['alice', 'bob']) chain.extend(name);
      chain.pass(3n * HOUR);
      for (const name of ['alice', 'carol']) {
        const [oldest] = chain.chain.outputs.unspent();
        const inputs = [present(oldest)];
        chain.extend(name, [{ inputs, outputs: [output('dave', 0.7, chain.now + 200_000n)] }]);
      }
      chain.pass(HOUR / 2n);
      chain.extend('');
      chain.pass(2n * HOUR + 5n);
      for (const name of ['erin', 'frank']) chain.extend(name);
      chain.fail('eve');
      chain.pass(HOUR / 4n);
    });
    await tamper(sound.path, (database) => {
      hashes = Array.from({ length: 7 }, (_, index) => blockOf(database, index).block.hash);
    });
  });
  after(() => sound.remove());

  async function verified(path: string): Promise<Verification> {
    const store = LmdbStore.openReadOnly(path);
    try {
      return verify(store);
    } finally {
      await store.close();
    }
  }

  it('A sound chain is sound', async () => {
    const { tip, ...counts } = await verified(sound.path);
    expect(counts).to.deep.equal({ blocks: 7, height: 7, outputs: 9n, unspent: 7n, problems: [] });
    expect(tip).to.deep.equal(hashes[TIP]);
  });

  it('A chain without blocks is sound', async () => {
    const empty = await madeFolder();
    const counts = { blocks: 0, height: 0, outputs: 0n, unspent: 0n };
    expect(await verified(empty.path)).to.deep.equal({ ...counts, tip: undefined, problems: [] });
    empty.remove();
  });

  it('Progress is reported from nothing to all', async () => {
    const store = LmdbStore.openReadOnly(sound.path);
    const reports: [string, number, number][] = [];
    verify(store, (what, done, of) => reports.push([what, done, of]));
    await store.close();
    expect(reports).to.deep.equal([
      ['blocks', 0, 7],
      ['blocks', 7, 7],
      ['unspent outputs', 0, 7],
      ['unspent outputs', 7, 7],
    ]);
  });

  /** Changes a block's record; its content hash and its checksum hold. */
  function changeBlock(database: RawDatabase, index: number, change: (accepted: StoredBlock) => StoredBlock): void {
    changeSealed(database, key('B', u32(index)), (payload) => {
      const accepted = change(whole(decodeBlock(payload)));
      return encodeBlock({ ...accepted, contentHash: contentHash(encodeContent(accepted.block)) });
    });
  }

  function blockOf(database: RawDatabase, index: number): StoredBlock {
    const record = key('B', u32(index));
    return whole(decodeBlock(Buffer.from(unseal(record, present(database.get(record))))));
  }

  /** The id of the output that a block's coinbase makes. */
  function coinbaseId(database: RawDatabase, index: number): Buffer {
    return outputId(present(blockOf(database, index).block.transactions[0]?.outputs[0]));
  }

  function lockoutKey(database: RawDatabase, index: number): Buffer {
    const { acceptedAt, minerId } = blockOf(database, index);
    return key('L', u64(acceptedAt + HOUR), textKey(minerId));
  }

  const TIP = 6;

  const damages: [string, (database: RawDatabase) => void, RegExp][] = [
    [
      'a block with another nonce',
      (database) =>
        changeBlock(database, 1, (one) => ({ ...one, block: { ...one.block, nonce: one.block.nonce + 1n } })),
      /^block #1: it is not accepted: Block hash does not match its contents$/,
    ],
    [
      'a block with another nonce and its hash',
      (database) =>
        changeBlock(database, 1, (one) => {
          const block = { ...one.block, nonce: one.block.nonce + 1n };
          return { ...one, block: { ...block, hash: blockHash(block) } };
        }),
      /^block #1: (it is not accepted: Blockchain validation failed: InvalidHash|it is not found by its hash)$/,
    ],
    [
      'a block that was mined anew',
      (database) =>
        changeBlock(database, 2, (one) => ({
          ...one,
          block: mined({ ...one.block, timestamp: one.block.timestamp + 1n }, PARAMETERS.difficulty),
        })),
      /^block #2: /,
    ],
    [
      'a block without its transactions',
      (database) => changeBlock(database, 0, (one) => ({ ...one, block: { ...one.block, transactions: [] } })),
      /^block #0: it is not accepted: Block hash does not match its contents$/,
    ],
    [
      "another's block, who is known",
      (database) => changeBlock(database, 1, (one) => ({ ...one, minerId: 'alice' })),
      /^block #1: it is not accepted: Miner in lockout/,
    ],
    [
      "another's block, who is a stranger",
      (database) => changeBlock(database, 1, (one) => ({ ...one, minerId: 'mallory' })),
      /^there are miners who have no block|the record of miner 'mallory' does not count its blocks$/,
    ],
    [
      "another's newest block",
      (database) => changeBlock(database, TIP, (one) => ({ ...one, minerId: 'mallory' })),
      /^the lockouts are not those of the accepted blocks$/m,
    ],
    [
      'a block that was accepted too late for its timestamp',
      (database) => changeBlock(database, 1, (one) => ({ ...one, acceptedAt: one.acceptedAt + 400_000n })),
      /^block #1: it is not accepted: Invalid timestamp$/,
    ],
    [
      'a block that was accepted before the one before it',
      (database) => changeBlock(database, 1, (one) => ({ ...one, acceptedAt: one.acceptedAt - 120_001n })),
      /^block #1: it (was accepted before the block before it|is not accepted: Invalid timestamp)$/m,
    ],
    [
      'a newest block that was accepted a moment later',
      (database) => changeBlock(database, TIP, (one) => ({ ...one, acceptedAt: one.acceptedAt + 1n })),
      /^the round is \d+ from \d+, not \d+ from \d+$/m,
    ],
    [
      'a block of another round',
      (database) => changeBlock(database, 3, (one) => ({ ...one, round: one.round + 1n })),
      /^block #3: it has round \d+, not \d+$/,
    ],
    [
      'a block of another tonce',
      (database) => changeBlock(database, 3, (one) => ({ ...one, tonce: 31 })),
      /^block #3: it has tonce 31, not 1$/,
    ],
    [
      'a block of another difficulty',
      (database) => changeBlock(database, 3, (one) => ({ ...one, difficulty: '0x1' })),
      /^block #3: it has difficulty 0x1, not 0x10+$/,
    ],
    [
      'a block of another content hash',
      (database) =>
        changeSealed(database, key('B', u32(3)), (payload) =>
          encodeBlock({ ...whole(decodeBlock(payload)), contentHash: Buffer.alloc(32) }),
        ),
      /^block #3: it has another content hash$/,
    ],
    ['a block that is missing', (database) => database.removeSync(key('B', u32(3))), /^block #3: it is missing$/],
    [
      'a block beyond the height',
      (database) => putSealed(database, key('B', u32(7)), encodeBlock(blockOf(database, TIP))),
      /^there are blocks beyond the height$/,
    ],
    [
      'a height that is cut',
      (database) =>
        changeSealed(database, key('S'), (payload) => encodeProgress({ ...decodeProgress(payload), height: TIP })),
      /^there are blocks beyond the height$/m,
    ],
    [
      'a height that is too large',
      (database) =>
        changeSealed(database, key('S'), (payload) => encodeProgress({ ...decodeProgress(payload), height: 8 })),
      /^block #7: it is missing$/,
    ],
    [
      'a hash that leads to another block',
      (database) => putSealed(database, key('H', blockOf(database, 2).block.hash), u32(1)),
      /^block #2: it is not found by its hash$/,
    ],
    [
      'a hash of no block',
      (database) => putSealed(database, key('H', Buffer.alloc(32)), u32(1)),
      /^there are hashes of no block$/,
    ],
    [
      'an output that no block has made',
      (database) =>
        putSealed(
          database,
          key('O', Buffer.alloc(32)),
          encodeOutputRecord({ madeIn: 1, spentIn: NOT_SPENT, place: 99n }),
        ),
      /^there are outputs that no block has made$/,
    ],
    [
      'an output that is missing',
      (database) => database.removeSync(key('O', coinbaseId(database, TIP))),
      /^block #6: output [0-9a-f]{64} is amiss$/,
    ],
    [
      'an output at another place',
      (database) =>
        changeSealed(database, key('O', coinbaseId(database, TIP)), (payload) =>
          encodeOutputRecord({ ...decodeOutputRecord(payload), place: 3n }),
        ),
      /^block #6: output [0-9a-f]{64} is amiss$/,
    ],
    [
      'a spent output that is unspent again',
      (database) =>
        changeSealed(database, key('O', coinbaseId(database, 0)), (payload) =>
          encodeOutputRecord({ ...decodeOutputRecord(payload), spentIn: NOT_SPENT }),
        ),
      /^block #2: spent output [0-9a-f]{64} is amiss$/,
    ],
    [
      'an unspent output that is spent',
      (database) =>
        changeSealed(database, key('O', coinbaseId(database, 4)), (payload) =>
          encodeOutputRecord({ ...decodeOutputRecord(payload), spentIn: 5 }),
        ),
      /^unspent output [0-9a-f]{64} is amiss$/m,
    ],
    [
      'an output counted that was not made',
      (database) =>
        changeSealed(database, key('S'), (payload) => encodeProgress({ ...decodeProgress(payload), outputs: 10n })),
      /^10 outputs are counted, not 9$/,
    ],
    [
      'an unspent output under an address that does not own it',
      (database) => {
        const [record, value] = owned(database, 'erin');
        database.removeSync(record);
        putSealed(database, key('U', textKey('mallory'), record.subarray(33)), unseal(record, value));
      },
      /^unspent output [0-9a-f]{64} is amiss$/m,
    ],
    [
      'an unspent output of another value',
      (database) => {
        const [record, value] = owned(database, 'erin');
        const { blockIndex, id, output: one } = decodeOwned(unseal(record, value), record);
        putSealed(database, record, encodeOwned(blockIndex, id, { ...one, value: 3 }));
      },
      /^unspent output [0-9a-f]{64} is amiss$/m,
    ],
    [
      'an unspent output that its address no longer has',
      (database) => database.removeSync(owned(database, 'erin')[0]),
      /^the balance of the address with SHA-256 [0-9a-f]{64} is not the sum of its outputs$/m,
    ],
    [
      'a balance of another sum',
      (database) =>
        changeSealed(database, key('A', textKey('dave')), (payload) => {
          const balance = decodeBalance(payload);
          return encodeBalance({ ...balance, units: balance.units + 1n });
        }),
      /^the balance of the address with SHA-256 [0-9a-f]{64} is not the sum of its outputs$/,
    ],
    [
      'a balance of another count',
      (database) =>
        changeSealed(database, key('A', textKey('dave')), (payload) => {
          const balance = decodeBalance(payload);
          return encodeBalance({ ...balance, count: balance.count + 1n });
        }),
      /^the balance of the address with SHA-256 [0-9a-f]{64} is not the sum of its outputs$/,
    ],
    [
      'a balance of nobody',
      (database) => putSealed(database, key('A', textKey('mallory')), encodeBalance({ units: 1n, count: 1n })),
      /^the balance of the address with SHA-256 [0-9a-f]{64} is not the sum of its outputs$/m,
    ],
    [
      'a balance that is missing',
      (database) => database.removeSync(key('A', textKey('dave'))),
      /^there are unspent outputs of an address without a balance$/m,
    ],
    [
      "a miner's count",
      (database) => putSealed(database, key('M', textKey('bob')), Buffer.concat([u64(2n), u32(1)])),
      /^the record of miner 'bob' does not count its blocks$/,
    ],
    [
      'a visit that cannot be read',
      (database) =>
        database.putSync(key('V', u64(PARAMETERS.firstRoundStart + 30n * HOUR), Buffer.alloc(32)), Buffer.alloc(9)),
      /^record V:[0-9a-f]{80} is damaged$/,
    ],
    [
      'a key that cannot be read',
      (database) => database.putSync(key('K', Buffer.alloc(32)), Buffer.alloc(20)),
      /^record K:0{64} is damaged$/,
    ],
    [
      'a miner who has no block',
      (database) => putSealed(database, key('M', textKey('mallory')), Buffer.concat([u64(1n), u32(1)])),
      /^there are miners who have no block$/,
    ],
    [
      'another round in force',
      (database) =>
        changeSealed(database, key('S'), (payload) => {
          const progress = decodeProgress(payload);
          return encodeProgress({ ...progress, round: progress.round + 1n });
        }),
      /^the round is \d+ from \d+, not \d+ from \d+$/,
    ],
    [
      'a round in force that began at another time',
      (database) =>
        changeSealed(database, key('S'), (payload) => {
          const progress = decodeProgress(payload);
          return encodeProgress({ ...progress, roundStart: progress.roundStart - 1n });
        }),
      /^the round is \d+ from \d+, not \d+ from \d+$/,
    ],
    [
      'a last stamp before the newest block',
      (database) =>
        changeSealed(database, key('S'), (payload) => {
          const progress = decodeProgress(payload);
          return encodeProgress({ ...progress, stamp: blockOf(database, TIP).acceptedAt - 1n });
        }),
      /^the last stamp lies before the newest block$/m,
    ],
    [
      'a lockout that is missing',
      (database) => database.removeSync(lockoutKey(database, TIP)),
      /^the lockouts are not those of the accepted blocks$/,
    ],
    [
      'a lockout of a miner who has no block',
      (database) => {
        const [letter, end] = [lockoutKey(database, TIP).subarray(0, 1), lockoutKey(database, TIP).subarray(1, 9)];
        putSealed(database, Buffer.concat([letter, end, textKey('mallory')]), Buffer.from('mallory'));
      },
      /^the lockouts are not those of the accepted blocks$/,
    ],
    [
      'a lockout that ends later',
      (database) => {
        const record = lockoutKey(database, TIP);
        database.removeSync(record);
        const { acceptedAt, minerId } = blockOf(database, TIP);
        putSealed(database, key('L', u64(acceptedAt + 2n * HOUR), textKey(minerId)), Buffer.from(minerId));
      },
      /^the lockouts are not those of the accepted blocks$/,
    ],
    [
      'a chain of another difficulty',
      (database) =>
        changeSealed(database, key('P'), (payload) => {
          const { parameters, clockSpeed } = decodeParameters(payload);
          return encodeParameters({ ...parameters, difficulty: parameters.difficulty + 1n }, clockSpeed);
        }),
      /^block #0: it has difficulty /,
    ],
    [
      'a chain whose first round began later',
      (database) =>
        changeSealed(database, key('P'), (payload) => {
          const { parameters, clockSpeed } = decodeParameters(payload);
          return encodeParameters({ ...parameters, firstRoundStart: parameters.firstRoundStart + HOUR }, clockSpeed);
        }),
      /^block #0: /,
    ],
    [
      'a record whose checksum does not hold',
      (database) => database.putSync(key('O', coinbaseId(database, 3)), Buffer.alloc(20)),
      /^block #3: record O:[0-9a-f]{64} is damaged$/,
    ],
    [
      'a record that is cut short, whose checksum holds',
      (database) => changeSealed(database, key('O', coinbaseId(database, 3)), (payload) => payload.subarray(0, 3)),
      /^block #3: /,
    ],
  ];

  for (const [what, damage, problem] of damages) {
    it(`Found: ${what}`, async () => {
      const folder = copyOf(sound.path);
      await tamper(folder.path, damage);
      const { problems } = await verified(folder.path);
      expect(problems.map(told).join('\n')).to.match(problem);
      folder.remove();
    });
  }

  /** The first problem of a damaged copy, with what is sound before it. */
  async function account(
    damage: (database: RawDatabase) => void,
  ): Promise<Problem & { blocks: number; height: number }> {
    const folder = copyOf(sound.path);
    await tamper(folder.path, damage);
    const { problems, blocks, height } = await verified(folder.path);
    folder.remove();
    return { ...present(problems[0]), blocks, height };
  }

  it('Of the first bad block its index and hash are told, the record, what is wrong with it, what it should be, and how many are sound before it', async () => {
    expect(await account((database) => changeBlock(database, 3, (one) => ({ ...one, tonce: 31 })))).to.deep.equal({
      block: 3,
      hash: hashes[3],
      record: 'B:00000003',
      what: 'it has tonce 31, not 1',
      expected: '1',
      found: '31',
      blocks: 3,
      height: 7,
    });
  });

  it('Where the bad block itself cannot be read, its hash is what the block after it names', async () => {
    for (const damage of [
      (database: RawDatabase) => database.putSync(key('B', u32(3)), Buffer.alloc(90)),
      (database: RawDatabase) => database.removeSync(key('B', u32(3))),
    ]) {
      const { block, hash, record, blocks } = await account(damage);
      expect([block, hash, record, blocks]).to.deep.equal([3, hashes[3], 'B:00000003', 3]);
    }
  });

  it('The newest block, where it cannot be read, has no hash that could be told', async () => {
    const { block, hash, blocks } = await account((database) => database.removeSync(key('B', u32(TIP))));
    expect([block, hash, blocks]).to.deep.equal([TIP, undefined, TIP]);
  });

  it('What is amiss beside a block is told with its own record', async () => {
    const damage = (database: RawDatabase) => putSealed(database, key('H', present(hashes[2])), u32(1));
    const { block, record, expected, found } = await account(damage);
    expect([block, record]).to.deep.equal([2, `H:${hashes[2]?.toString('hex')}`]);
    expect([expected, found]).to.deep.equal(['block #2', 'block #1']);
  });

  it('What no block is to blame for is told with its record alone, and every block is sound', async () => {
    const dave = textKey('dave');
    const damage = (database: RawDatabase) =>
      putSealed(database, key('A', dave), encodeBalance({ units: 0n, count: 0n }));
    const { block, record, expected, found, blocks } = await account(damage);
    expect([block, record, blocks]).to.deep.equal([undefined, `A:${dave.toString('hex')}`, 7]);
    expect([expected, found]).to.deep.equal(['2 outputs of 1.4 hours', '0 outputs of 0 hours']);
  });

  /** The record of an address's only unspent output. */
  function owned(database: RawDatabase, address: string): [Buffer, Buffer] {
    const start = key('U', textKey(address));
    const [entry] = [...database.getRange({ start, limit: 1 })];
    return [Buffer.from(present(entry).key), Buffer.from(present(entry).value)];
  }
});

function told({ block, what }: Problem): string {
  return block === undefined ? what : `block #${block}: ${what}`;
}

function whole(accepted: AcceptedBlock): StoredBlock {
  return { ...accepted, block: present(accepted.block) };
}
