/** Both stores, by one suite: what the memory store says, the durable one says too, and goes on saying when it is opened again. */

import { expect } from 'chai';
import fc from 'fast-check';
import type { AcceptedBlock, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { MAX_U64, MAX_U128, outputId, sha256 } from '../../src/engine/bytes.js';
import { exactUnits } from '../../src/engine/exact.js';
import { LIMITS } from '../../src/engine/limits.js';
import { type Change, initialState, LOCKOUT_MS, type State } from '../../src/engine/state.js';
import { LmdbStore } from '../../src/store/lmdb.js';
import { MemoryStore } from '../../src/store/memory.js';
import { encodeVisit, key, type Table, textKey, u32, u64, visitKey } from '../../src/store/records.js';
import { DamageError, type OwnedOutput, type Store, StoreError, type Visit } from '../../src/store/store.js';
import { mined, output } from '../support/blocks.js';
import { blockChange } from '../support/chains.js';
import { temporaryFolder } from '../support/programs.js';
import {
  copyOf,
  GrowingChain,
  HOUR,
  madeFolder,
  PARAMETERS,
  present,
  putSealed,
  type RawDatabase,
  tamper,
} from '../support/stores.js';

/** A kind of store. A test closes every store that it opens. */
interface Kind {
  readonly name: string;
  open(): { store: Store; remove(): void };
  /** Closes a store and opens it again, where what it holds outlives that. */
  reopen(store: Store): Promise<Store>;
}

const MEMORY: Kind = {
  name: 'MemoryStore',
  open: () => ({ store: new MemoryStore(), remove: () => {} }),
  reopen: async (store) => store,
};

const folders = new Map<Store, string>();

const LMDB: Kind = {
  name: 'LmdbStore',
  open: () => {
    const folder = temporaryFolder();
    const store = LmdbStore.open(folder.path);
    folders.set(store, folder.path);
    return { store, remove: folder.remove };
  },
  reopen: async (store) => {
    const path = present(folders.get(store));
    await store.close();
    const reopened = LmdbStore.open(path);
    folders.set(reopened, path);
    return reopened;
  },
};

/** The shortest and the longest names that the limits allow, and some between. */
const NAMES = ['', 'alice', 'bob\u0000', 'é'.repeat(128), `${'n'.repeat(255)}1`, `${'n'.repeat(255)}2`];

for (const kind of [MEMORY, LMDB]) {
  describe(`${kind.name}: what every store does`, () => {
    let store: Store;
    let remove: () => void;
    let chain: GrowingChain;

    beforeEach(async () => {
      ({ store, remove } = kind.open());
    });
    afterEach(async () => {
      await store.close();
      remove();
    });

    async function begin(parameters = PARAMETERS): Promise<void> {
      await store.begin(parameters, 1);
      chain = new GrowingChain(store, parameters);
    }

    /** Commits what has gathered, and opens the store again. */
    async function settle(): Promise<void> {
      await chain.commit();
      store = chain.store = await kind.reopen(store);
    }

    it('An empty store holds no chain, and there is no state to load', () => {
      expect(store.stored).to.equal(undefined);
      expect(() => store.loadState()).to.throw('the chain has not begun');
    });

    for (const [difficulty, timescale, clockSpeed] of [
      [1n, Timescale.TAI, 1],
      [MAX_U128, Timescale.UTC, 0.1],
      [0x00ff_ffff_ffff_ffff_ffff_ffff_ffff_ffffn, Timescale.TAI, 1_000_000],
    ] as const) {
      it(`A chain begins: difficulty ${difficulty}, timescale ${timescale}, clock speed ${clockSpeed}`, async () => {
        const parameters = { difficulty, timescale, firstRoundStart: 1_762_800_000_123n };
        await store.begin(parameters, clockSpeed);
        store = await kind.reopen(store);
        expect(store.stored).to.deep.equal({ parameters, clockSpeed, stamp: parameters.firstRoundStart });
        expect(store.loadState()).to.deep.equal(initialState(parameters));
      });
    }

    it('A commit without changes stores the stamp', async () => {
      await begin();
      chain.now += 5n;
      await settle();
      expect(store.stored?.stamp).to.equal(chain.now);
      expect(store.loadState()).to.deep.equal(initialState(PARAMETERS));
    });

    it('Keys are kept, in no order, until they are removed, and beside whatever is committed meanwhile', async () => {
      await begin();
      expect(store.keys()).to.deep.equal([]);
      const keys = NAMES.map((minerId, n) => ({ hash: sha256(Buffer.of(n)), minerId, madeAt: MAX_U64 - BigInt(n) }));
      const kept = (): unknown => new Map(store.keys().map(({ hash, ...rest }) => [hash.toString('hex'), rest]));
      const these = (some: typeof keys): unknown =>
        new Map(some.map(({ hash, ...rest }) => [hash.toString('hex'), rest]));
      const puts = keys.map((key) => store.putKey(key));
      chain.extend('alice');
      await Promise.all([...puts, chain.commit()]);
      expect(kept()).to.deep.equal(these(keys));
      store = chain.store = await kind.reopen(store);
      expect(kept()).to.deep.equal(these(keys));
      const [first, ...others] = keys as [(typeof keys)[0], ...typeof keys];
      // The second time there is nothing to remove.
      for (let times = 0; times < 2; times++) await store.removeKey(first.hash);
      expect(kept()).to.deep.equal(these(others));
      chain.extend('bob');
      await settle();
      expect(kept()).to.deep.equal(these(others));
      expect(store.block(1)?.minerId).to.equal('bob');
    });

    it('An attempt is kept in its round, and gone in the next one', async () => {
      await begin();
      for (const name of NAMES) chain.fail(name);
      await settle();
      expect(store.loadState().round.attempts).to.deep.equal(new Set(NAMES));
      chain.pass(HOUR);
      await settle();
      expect(store.loadState().round).to.deep.equal({
        number: 2n,
        start: PARAMETERS.firstRoundStart + HOUR,
        attempts: new Set(),
      });
    });

    it('Attempts before and after the end of a round, in one commit: those of the new round are kept', async () => {
      await begin();
      chain.fail('early');
      chain.pass(HOUR);
      chain.fail('late');
      await settle();
      expect(store.loadState().round.attempts).to.deep.equal(new Set(['late']));
    });

    it('An accepted block is the tip, begins a round and locks its miner out', async () => {
      await begin();
      chain.fail('eve');
      chain.extend('alice');
      await settle();
      const { block } = present(store.block(0));
      expect(store.loadState()).to.deep.equal({
        parameters: PARAMETERS,
        height: 1,
        tip: { hash: block?.hash, timestamp: block?.timestamp },
        round: { number: 2n, start: chain.now, attempts: new Set() },
        lockouts: new Map([['alice', chain.now + LOCKOUT_MS]]),
      });
    });

    it('Lockouts are loaded in the order in which they end; one that ends at the stamp is over', async () => {
      await begin();
      for (const name of NAMES) chain.extend(name);
      await settle();
      expect([...store.loadState().lockouts.keys()]).to.deep.equal(NAMES);
      chain.pass(present(store.loadState().lockouts.get('')) - chain.now);
      await settle();
      const { lockouts } = store.loadState();
      expect([...lockouts].filter(([, end]) => end > chain.now).map(([name]) => name)).to.deep.equal(NAMES.slice(1));
    });

    it('A block is found by its index and its index by its hash, with all that the validator knew of it', async () => {
      await begin();
      const accepted: AcceptedBlock[] = [];
      for (const name of NAMES) {
        chain.pass(120_000n);
        accepted.push(present(blockChange(chain.win(name))).accepted);
      }
      await settle();
      for (const [index, one] of accepted.entries()) {
        expect(store.block(index)).to.deep.equal(one);
        expect(store.indexOf(present(one.block).hash)).to.equal(index);
      }
      expect(store.block(NAMES.length)).to.equal(undefined);
      expect(store.block(0xffff_ffff)).to.equal(undefined);
      expect(store.indexOf(sha256(Buffer.from('no block')))).to.equal(undefined);
    });

    it('An output is absent, then unspent, then spent for ever', async () => {
      await begin();
      chain.pass(120_000n);
      const made = output('alice', 2, chain.now);
      expect(store.lookup(outputId(made))).to.equal('absent');
      chain.win('alice');
      await settle();
      expect(store.lookup(outputId(made))).to.equal('unspent');
      chain.extend('bob', [{ inputs: [made], outputs: [] }]);
      await settle();
      expect(store.lookup(outputId(made))).to.equal('spent');
    });

    it('A balance is exact: dust beside whole hours is not lost', async () => {
      await begin();
      chain.pass(120_000n);
      const [hours, dust, tenth] = [2, 5e-324, 0.1].map((value) => output('alice', value, chain.now)) as [
        Output,
        Output,
        Output,
      ];
      // In doubles 2.0 and the smallest double are 2.0: a coinbase may say so.
      const block = chain.chain.winning('alice', chain.now);
      const { verdict } = chain.submit('alice', remined(chain, { ...block, transactions: [coinbase(hours, dust)] }));
      expect(verdict.result).to.equal(SubmitResult.ACCEPTED);
      await settle();
      expect(store.balance('alice')).to.deep.equal({ units: exactUnits(2) + 1n, count: 2n });

      chain.extend('bob', [{ inputs: [hours], outputs: [{ ...tenth, timestamp: chain.now }] }]);
      await settle();
      expect(store.balance('alice')).to.deep.equal({ units: exactUnits(0.1) + 1n, count: 2n });
      expect(store.balance('bob')).to.deep.equal({ units: exactUnits(2), count: 1n });
    });

    it('An address that nobody has paid, or that has spent all, has nothing', async () => {
      await begin();
      chain.pass(120_000n);
      const made = output('alice', 2, chain.now);
      chain.win('alice');
      chain.extend('bob', [{ inputs: [made], outputs: [] }]);
      await settle();
      for (const address of ['nobody', 'alice']) {
        expect(store.balance(address)).to.deep.equal({ units: 0n, count: 0n });
        expect(store.outputsOf(address, undefined, 10)).to.deep.equal([]);
      }
    });

    it("An address's unspent outputs come in the order in which they were made, a page at a time", async () => {
      await begin();
      const made: Output[] = [];
      for (const name of NAMES) {
        chain.pass(120_000n);
        const outputs = [0.5, 0.25].map((value, at) => output('alice', value, chain.now + BigInt(at)));
        const block = chain.chain.winning('alice', chain.now);
        chain.submit(
          name,
          remined(chain, { ...block, transactions: [coinbase(...outputs, output('bob', 1.25, chain.now))] }),
        );
        made.push(...outputs);
      }
      await chain.commit();
      const [spent, ...unspent] = made as [Output, ...Output[]];
      chain.pass(HOUR);
      chain.extend('spender', [{ inputs: [spent], outputs: [] }]);
      await settle();
      const all = pages(store, 'alice', 1_000);
      expect(all.map((one) => one.output)).to.deep.equal(unspent);
      expect(all.map((one) => one.id)).to.deep.equal(unspent.map(outputId));
      // The first of each three outputs made was alice's, the second too, the third bob's.
      expect(all.map((one) => one.place)).to.deep.equal([1n, 3n, 4n, 6n, 7n, 9n, 10n, 12n, 13n, 15n, 16n]);
      expect(all.map((one) => one.blockIndex)).to.deep.equal([0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
      for (const limit of [1, 2, 3, 11, 12]) expect(pages(store, 'alice', limit)).to.deep.equal(all);
    });

    describe('Visits', () => {
      const AT = PARAMETERS.firstRoundStart;
      const visit = (minerId: string, at = AT, network = '203.0.113.7'): Visit => ({
        at,
        network,
        minerId,
        accepted: at % 2n === 0n,
      });

      /** Commits visits at a stamp, and opens the store again. */
      async function commit(stamp: bigint, visits: readonly Visit[] = []): Promise<void> {
        await store.commit([], stamp, visits);
        store = await kind.reopen(store);
      }

      it('are kept as they were, the oldest first', async () => {
        await begin();
        const visits = NAMES.map((minerId, n) => visit(minerId, AT + BigInt(n)));
        await commit(AT + 2n, visits.slice(0, 3));
        await commit(AT + 9n, visits.slice(3));
        expect(store.visits()).to.deep.equal(visits);
      });

      it('of one moment are all kept: from several networks in one name, in several names from one network', async () => {
        await begin();
        const networks = ['203.0.113.7', '2001:db8:1:2::/64', '203.0.113.70'];
        const visits = NAMES.flatMap((minerId) => networks.map((network) => visit(minerId, AT, network)));
        await commit(AT, visits);
        expect(store.visits()).to.have.deep.members(visits);
      });

      it('are kept for an hour of the chain, to the millisecond', async () => {
        await begin();
        const [first, second] = [visit('alice'), visit('bob', AT + 1n)] as const;
        await commit(AT + 1n, [first, second]);
        await commit(AT + HOUR - 1n);
        expect(store.visits()).to.deep.equal([first, second]);
        await commit(AT + HOUR);
        expect(store.visits()).to.deep.equal([second]);
        await commit(AT + HOUR + 1n);
        expect(store.visits()).to.deep.equal([]);
      });

      it('come with what they led to, or not at all', async () => {
        await begin();
        const changes: Change[] = [{ type: 'attempt', minerId: 'alice' }];
        await store.commit(changes, AT, [visit('alice')]);
        store = await kind.reopen(store);
        expect(store.visits()).to.deep.equal([visit('alice')]);
        expect([...store.loadState().round.attempts]).to.deep.equal(['alice']);
      });
    });

    it('A miner is known by its blocks', async () => {
      await begin();
      for (const name of ['', 'alice', 'bob']) chain.extend(name);
      chain.pass(HOUR);
      chain.extend('alice');
      await settle();
      expect(store.miner('alice')).to.deep.equal({ blockCount: 2n, lastBlockIndex: 3 });
      expect(store.miner('')).to.deep.equal({ blockCount: 1n, lastBlockIndex: 0 });
      expect(store.miner('nobody')).to.deep.equal({ blockCount: 0n, lastBlockIndex: undefined });
    });
  });
}

describe('Both stores: random histories', () => {
  const name = fc.constantFrom(...NAMES);
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('win' as const), name, to: name, spend: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('fail' as const), name }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant('pass' as const),
        ms: fc.constantFrom(1n, 999n, 60_000n, HOUR / 2n, HOUR, 3n * HOUR - 1n),
      }),
    },
    { weight: 3, arbitrary: fc.constant({ type: 'commit' as const }) },
    { weight: 1, arbitrary: fc.constant({ type: 'reopen' as const }) },
  );

  it('The same history gives the same answers, and they are those of the history', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }),
        fc.integer({ min: 1, max: 4 }),
        agree,
      ),
      { numRuns: 40 },
    );
  }).timeout(40_000);

  async function agree(steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[], limit: number) {
    const memory = new MemoryStore();
    const opened = LMDB.open();
    let lmdb = opened.store;
    try {
      await memory.begin(PARAMETERS, 1);
      await lmdb.begin(PARAMETERS, 1);
      const chain = new GrowingChain(memory);
      const accepted: AcceptedBlock[] = [];
      for (const one of [...steps, { type: 'commit' as const }]) {
        if (one.type === 'pass') chain.pass(one.ms);
        else if (one.type === 'fail') chain.fail(one.name);
        else if (one.type === 'reopen') lmdb = await LMDB.reopen(lmdb);
        else if (one.type === 'win') {
          const block = blockChange(chain.win(one.name, spending(chain, one.spend, one.to)));
          if (block !== undefined) accepted.push(block.accepted);
        } else {
          const changes = await chain.commit();
          await lmdb.commit(changes, chain.now);
          for (const store of [memory, lmdb]) expectHistory(store, chain, accepted, limit);
          for (const address of NAMES) {
            expect(pages(lmdb, address, limit)).to.deep.equal(pages(memory, address, limit));
          }
        }
      }
    } finally {
      await lmdb.close();
      opened.remove();
    }
  }

  /** Now and then, a transaction that spends an output in halves. */
  function spending({ chain, now }: GrowingChain, choice: number, to: string): Transaction[] {
    const unspent = chain.outputs.unspent();
    const input = choice % 2 === 0 ? unspent[choice % Math.max(1, unspent.length)] : undefined;
    if (input === undefined) return [];
    return [{ inputs: [input], outputs: [output(to, input.value / 2, now), output('alice', input.value / 4, now)] }];
  }

  function expectHistory(
    store: Store,
    { chain, now }: GrowingChain,
    accepted: readonly AcceptedBlock[],
    limit: number,
  ) {
    expect(store.stored?.stamp).to.equal(now);
    expect(inForce(store.loadState(), now)).to.deep.equal(inForce(chain.state, now));
    const ends = [...store.loadState().lockouts.values()];
    expect(ends.every((end, at) => at === 0 || (ends[at - 1] as bigint) <= end)).to.equal(true);
    for (const [index, one] of accepted.entries()) {
      expect(store.block(index)).to.deep.equal(one);
      expect(store.indexOf(present(one.block).hash)).to.equal(index);
      for (const { outputs } of present(one.block).transactions) {
        for (const id of outputs.map(outputId)) expect(store.lookup(id)).to.equal(chain.outputs.lookup(id));
      }
    }
    expect(store.block(accepted.length)).to.equal(undefined);
    for (const one of NAMES) {
      const owned = chain.outputs.unspent().filter(({ toAddr }) => toAddr === one);
      const units = owned.reduce((sum, { value }) => sum + exactUnits(value), 0n);
      expect(store.balance(one)).to.deep.equal({ units, count: BigInt(owned.length) });
      expect(pages(store, one, limit).map((page) => page.output)).to.deep.equal(owned);
      const blocks = accepted.filter(({ minerId }) => minerId === one);
      expect(store.miner(one)).to.deep.equal({
        blockCount: BigInt(blocks.length),
        lastBlockIndex: blocks.at(-1)?.block?.index,
      });
    }
  }

  /** What a state says at a time: lockouts that are over say nothing, and the order of those that end together does not count. */
  function inForce({ lockouts, ...state }: State, now: bigint) {
    return { ...state, lockouts: new Map([...lockouts].filter(([, end]) => end > now).sort()) };
  }
});

describe('LmdbStore: what lies in the folder', () => {
  let path: string;
  let remove: () => void;

  afterEach(() => remove());

  async function make(grow: (chain: GrowingChain) => unknown): Promise<GrowingChain> {
    let grown: GrowingChain | undefined;
    ({ path, remove } = await madeFolder((chain) => {
      grown = chain;
      grow(chain);
    }));
    return present(grown);
  }

  /** Opens the folder for a look. */
  async function look<T>(work: (store: LmdbStore) => T | Promise<T>): Promise<T> {
    const store = LmdbStore.open(path);
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  it('Attempts of rounds that have ended are swept away', async () => {
    await make(() => {});
    const attempts = Array.from({ length: 2_500 }, (_, n): Change => ({ type: 'attempt', minerId: `m${n}` }));
    await look(async (store) => {
      await store.commit(attempts, PARAMETERS.firstRoundStart);
      expect(store.count('T')).to.equal(2_500);
      const start = PARAMETERS.firstRoundStart + HOUR;
      await store.commit([{ type: 'round', number: 2n, start }], start);
      expect(store.loadState().round.attempts.size).to.equal(0);
      for (let commits = 0; commits < 2; commits++) await store.commit([], start);
      expect(store.count('T')).to.equal(0);
    });
  });

  it('Lockouts that are over are swept away', async () => {
    await make((chain) => {
      for (const name of NAMES) chain.extend(name);
    });
    await look(async (store) => {
      expect(store.count('L')).to.equal(NAMES.length);
      const ends = [...store.loadState().lockouts.values()];
      await store.commit([], ends[1] as bigint);
      expect(store.count('L')).to.equal(NAMES.length - 2);
      await store.commit([], (ends.at(-1) as bigint) - 1n);
      expect(store.count('L')).to.equal(1);
      await store.commit([], ends.at(-1) as bigint);
      expect(store.count('L')).to.equal(0);
    });
  });

  describe('Visits', () => {
    const AT = PARAMETERS.firstRoundStart;
    const visits = (count: number, at = AT): Visit[] =>
      Array.from({ length: count }, (_, n) => ({ at, network: '203.0.113.7', minerId: `m${n}`, accepted: false }));

    it('of more than an hour ago are swept away, while others come and while nobody does', async () => {
      await make(() => {});
      await look(async (store) => {
        await store.commit([], AT, visits(3_500));
        await store.commit([], AT + HOUR - 1n);
        expect(store.count('V')).to.equal(3_500);
        await store.commit([{ type: 'attempt', minerId: 'm' }], AT + HOUR, visits(10, AT + HOUR));
        expect(store.count('V')).to.equal(2_510);
        for (let commits = 0; commits < 3; commits++) await store.commit([], AT + HOUR);
        expect(store.count('V')).to.equal(10);
        expect(store.visits()).to.have.length(10);
      });
    });

    it('are read up to a limit: the newest', async () => {
      await make((chain) => chain.pass(1_000n));
      await tamper(path, (database) => {
        for (let n = 0; n < LIMITS.visits + 5; n++) {
          const visit = { at: AT + BigInt(n % 1_000), network: '203.0.113.7', minerId: `m${n}`, accepted: false };
          putSealed(database, visitKey(visit), encodeVisit(visit));
        }
      });
      await look((store) => {
        const read = store.visits();
        expect(read).to.have.length(LIMITS.visits);
        expect(read.filter(({ at }) => at === AT)).to.have.length(LIMITS.visits / 1_000 - 4);
        expect(read.every(({ at }, n) => n === 0 || (read[n - 1] as Visit).at <= at)).to.equal(true);
      });
    });
  });

  it('A commit that cannot be carried out whole leaves nothing behind', async () => {
    const chain = await make((chain) => chain.extend('alice'));
    // The block and what it makes are written before the balance of the address that it spends from is.
    await tamper(path, (database) => flip(database, key('A', textKey('alice')), 0));
    await look(async (store) => {
      chain.store = store;
      chain.extend('bob', [{ inputs: chain.chain.outputs.unspent(), outputs: [] }]);
      const before = [store.loadState(), store.count('B'), store.count('O'), store.outputCount];
      await expectRejection(chain.commit(), DamageError);
      expect([store.loadState(), store.count('B'), store.count('O'), store.outputCount]).to.deep.equal(before);
      expect(store.block(1)).to.equal(undefined);
    });
    await look((store) => expect(store.block(1)).to.equal(undefined));
  });

  describe('Damage is found when it is read', () => {
    const VISIT: Visit = {
      at: PARAMETERS.firstRoundStart + 1n,
      network: '203.0.113.7',
      minerId: 'alice',
      accepted: true,
    };
    const alice = textKey('alice');
    let hash: Buffer;
    let id: Buffer;
    let sound: { path: string; remove: () => void };

    before(async () => {
      sound = await madeFolder(async (chain) => {
        chain.extend('alice');
        chain.fail('bob');
        const { store, now } = chain;
        void store.commit([], now, [VISIT]);
        hash = present(chain.chain.state.tip).hash;
        id = outputId(present(chain.chain.outputs.unspent()[0]));
        await chain.store.putKey({ hash: alice, minerId: 'alice', madeAt: 1n });
      });
    });
    after(() => sound.remove());
    beforeEach(() => {
      ({ path, remove } = copyOf(sound.path));
    });

    const reads: [string, () => [Table, ...Buffer[]], (store: LmdbStore) => unknown][] = [
      ['a block', () => ['B', u32(0)], (store) => store.block(0)],
      ['the tip, when the state is loaded', () => ['B', u32(0)], (store) => store.loadState()],
      ["a block's hash", () => ['H', hash], (store) => store.indexOf(hash)],
      ['an output', () => ['O', id], (store) => store.lookup(id)],
      [
        'an unspent output of an address',
        () => ['U', alice, u64(0n)],
        (store) => store.outputsOf('alice', undefined, 1),
      ],
      ['a balance', () => ['A', alice], (store) => store.balance('alice')],
      ['a miner', () => ['M', alice], (store) => store.miner('alice')],
      ['a lockout', () => ['L', lockoutEnd(), alice], (store) => store.loadState()],
      ['an attempt', () => ['T', u64(2n), u32(0)], (store) => store.loadState()],
      ['a visit', () => ['V', visitKey(VISIT).subarray(1)], (store) => store.visits()],
      ['a key', () => ['K', alice], (store) => store.keys()],
    ];
    const lockoutEnd = (): Buffer => u64(PARAMETERS.firstRoundStart + 120_000n + LOCKOUT_MS);

    for (const [what, names, read] of reads) {
      it(`${what}: any byte of it flipped`, async () => {
        const record = key(...names());
        let length = 0;
        await tamper(path, (database) => {
          length = present(database.get(record)).length;
        });
        for (const at of new Set([0, Math.floor(length / 2), length - 4, length - 1])) {
          await tamper(path, (database) => flip(database, record, at));
          await look((store) => expect(() => read(store)).to.throw(DamageError, 'damaged'));
          await tamper(path, (database) => flip(database, record, at));
        }
        await look((store) => expect(() => read(store)).not.to.throw());
      });
    }

    it('a value that is shorter than a checksum', async () => {
      await tamper(path, (database) => database.putSync(key('H', hash), Buffer.alloc(3)));
      await look((store) => expect(() => store.indexOf(hash)).to.throw(DamageError));
    });

    it("a value that is another key's", async () => {
      await tamper(path, (database) => database.putSync(key('B', u32(1)), present(database.get(key('B', u32(0))))));
      await look((store) => expect(() => store.block(1)).to.throw(DamageError));
    });

    it('a block whose checksum holds and whose content hash does not', async () => {
      await tamper(path, (database) => {
        const payload = Buffer.from(present(database.get(key('B', u32(0)))).subarray(0, -4));
        payload[payload.length - 1] = (payload.at(-1) as number) ^ 1;
        putSealed(database, key('B', u32(0)), payload);
      });
      await look((store) => expect(() => store.block(0)).to.throw(DamageError, 'content hash'));
    });

    it('a tip that is missing', async () => {
      await tamper(path, (database) => database.removeSync(key('B', u32(0))));
      await look((store) => expect(() => store.loadState()).to.throw(DamageError, 'block #0 is missing'));
    });

    for (const table of ['F', 'P', 'S'] as const) {
      it(`record ${table}: the folder is not opened, and is free again`, async () => {
        await tamper(path, (database) => flip(database, key(table), 0));
        for (let times = 0; times < 2; times++) {
          expect(() => LmdbStore.open(path)).to.throw(StoreError, `the data in ${path} is damaged`);
        }
        await tamper(path, (database) => flip(database, key(table), 0));
        await look((store) => expect(store.stored?.parameters).to.deep.equal(PARAMETERS));
      });
    }

    for (const table of ['P', 'S'] as const) {
      it(`record ${table} is missing`, async () => {
        await tamper(path, (database) => database.removeSync(key(table)));
        expect(() => LmdbStore.open(path)).to.throw(StoreError, `record ${table}: is missing`);
      });
    }
  });
});

function coinbase(...outputs: Output[]): Transaction {
  return { inputs: [], outputs };
}

/** A block of the chain's difficulty again, after it was changed. */
function remined({ chain }: GrowingChain, block: Parameters<typeof mined>[0]) {
  return mined(block, chain.state.parameters.difficulty);
}

/** All of an address's unspent outputs, in pages of a length. */
function pages(store: Store, address: string, limit: number): OwnedOutput[] {
  const all: OwnedOutput[] = [];
  for (;;) {
    const page = store.outputsOf(address, all.at(-1)?.place, limit);
    expect(page.length).to.be.at.most(limit);
    all.push(...page);
    if (page.length < limit) return all;
  }
}

/** Flips the lowest bit of a byte of a record. */
function flip(database: RawDatabase, record: Buffer, at: number): void {
  const value = Buffer.from(present(database.get(record)));
  value[at] = (value[at] as number) ^ 1;
  database.putSync(record, value);
}

async function expectRejection(promise: Promise<unknown>, kind: new (...args: never[]) => Error): Promise<void> {
  let error: unknown;
  await promise.catch((caught) => {
    error = caught;
  });
  expect(error).to.be.instanceOf(kind);
}
