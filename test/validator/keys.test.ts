/** Keys of miner ids: tokens are told once, and what is kept of them is enough to know them again. */

import { expect } from 'chai';
import { sha256 } from '../../src/engine/bytes.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { StoredKey } from '../../src/store/store.js';
import { Keys } from '../../src/validator/keys.js';

describe('Keys', () => {
  let store: MemoryStore;
  let keys: Keys;

  beforeEach(() => {
    store = new MemoryStore();
    keys = new Keys(store);
  });

  it('A token has 256 random bits, and a beginning by which a leaked one is known', async () => {
    const tokens = new Set<string>();
    for (let count = 0; count < 100; count++) tokens.add((await keys.add('alice')).token);
    expect(tokens.size).to.equal(100);
    for (const token of tokens) {
      expect(token).to.match(/^hck_[A-Za-z0-9_-]{43}$/);
      expect(Buffer.from(token.slice(4), 'base64url')).to.have.length(32);
    }
  });

  it('Its SHA-256 is kept, and it is not', async () => {
    const { token, id } = await keys.add('alice');
    const [kept] = store.keys() as [StoredKey];
    expect(kept.hash).to.deep.equal(sha256(Buffer.from(token)));
    expect(id).to.equal(kept.hash.toString('hex').slice(0, 16));
    expect(keys.list()).to.deep.equal([{ id, minerId: 'alice', madeAt: new Date(Number(kept.madeAt)).toISOString() }]);
  });

  it('A token is known again, also by who opens the store anew; the name that it has there tells whose it is', async () => {
    const [alice, bob] = [await keys.add('alice'), await keys.add('bob')];
    for (const known of [keys, new Keys(store)]) {
      for (const { token, minerId } of [alice, bob]) {
        const name = known.nameOf(token) as string;
        expect(known.minerOf(name)).to.equal(minerId);
        expect(name).to.not.contain(token.slice(4));
        expect(known.isOwned(minerId)).to.equal(true);
      }
      expect(known.isOwned('carol')).to.equal(false);
    }
  });

  it('What is not exactly a token of its own is known to nobody', async () => {
    const { token, id } = await keys.add('alice');
    const [{ hash }] = store.keys() as [StoredKey];
    for (const other of [
      '',
      'hck_',
      token.slice(0, -1),
      `${token}A`,
      `${token} `,
      `${token}\n`,
      token.toLowerCase(),
      token.slice(4),
      id,
      hash.toString('hex'),
      `hck_${'A'.repeat(43)}`,
      'x'.repeat(1_000_000),
    ]) {
      expect(keys.nameOf(other), other.slice(0, 60)).to.equal(undefined);
    }
  });

  it('A miner id may have several; it is free again once the last is revoked', async () => {
    const [first, second] = [await keys.add('alice'), await keys.add('alice')];
    const name = keys.nameOf(first.token) as string;
    expect(await keys.revoke(first.id)).to.deep.equal({ minerId: 'alice', wasLast: false });
    expect([keys.nameOf(first.token), keys.minerOf(name)]).to.deep.equal([undefined, undefined]);
    expect([keys.minerOf(keys.nameOf(second.token) as string), keys.isOwned('alice')]).to.deep.equal(['alice', true]);
    expect(await keys.revoke(first.id)).to.equal(undefined);
    expect(await keys.revoke(second.id)).to.deep.equal({ minerId: 'alice', wasLast: true });
    expect(keys.isOwned('alice')).to.equal(false);
    expect([keys.list(), new Keys(store).list()]).to.deep.equal([[], []]);
  });

  it('One that could not be kept, or revoked, is as it was before: nothing holds that would be lost', async () => {
    const { id, token } = await keys.add('alice');
    const fail = (): Promise<void> => Promise.reject(new Error('the disk is full'));
    Object.assign(store, { putKey: fail, removeKey: fail });
    for (const change of [keys.add('bob'), keys.revoke(id)]) {
      expect(await change.catch(({ message }) => message)).to.equal('the disk is full');
    }
    expect([keys.isOwned('bob'), keys.isOwned('alice'), keys.list().length]).to.deep.equal([false, true, 1]);
    expect(keys.nameOf(token)).to.be.a('string');
  });

  it('Names that mean something to JavaScript are miner ids like any others', async () => {
    for (const minerId of ['__proto__', 'constructor', 'toString']) {
      expect(keys.isOwned(minerId)).to.equal(false);
      const { token } = await keys.add(minerId);
      expect(keys.minerOf(keys.nameOf(token) as string)).to.equal(minerId);
      expect(keys.minerOf(minerId)).to.equal(undefined);
    }
  });
});
