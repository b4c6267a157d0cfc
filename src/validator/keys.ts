/** Keys: a miner id that has one belongs to whoever shows its token. Only the tokens' hashes are kept. */

import { randomBytes } from 'node:crypto';
import { sha256 } from '../engine/bytes.js';
import { LIMITS } from '../engine/limits.js';
import type { Store, StoredKey } from '../store/store.js';

/** What all tokens begin with, so that a scanner for leaked secrets can know them. */
const PREFIX = 'hck_';
const TOKEN = /^hck_[\w-]{43}$/;
/** How much of a token's hash names a key for people: hexadecimal digits. */
const ID_DIGITS = 16;

/** A key as an operator sees it. */
export interface Key {
  /** What it is revoked by. */
  readonly id: string;
  readonly minerId: string;
  /** When it was made, in UTC, as in 2026-11-22T10:00:00.000Z. */
  readonly madeAt: string;
}

/** A key that was revoked. */
export interface RevokedKey {
  readonly minerId: string;
  /** Whether it was the miner id's last one. */
  readonly wasLast: boolean;
}

export class Keys {
  /** By the hash of the token, in hexadecimal. */
  private readonly byHash: Map<string, StoredKey>;
  private owned: Set<string>;

  constructor(private readonly store: Store) {
    this.byHash = new Map(store.keys().map((key) => [key.hash.toString('hex'), key]));
    this.owned = this.owners();
  }

  /** Makes a key, durably. Its token is told here and never again. */
  async add(minerId: string): Promise<Key & { readonly token: string }> {
    const bytes = Buffer.byteLength(minerId);
    if (bytes === 0 || bytes > LIMITS.minerIdBytes)
      throw new RangeError(`a miner id has 1 to ${LIMITS.minerIdBytes} bytes`);
    const token = `${PREFIX}${randomBytes(32).toString('base64url')}`;
    const key = { hash: sha256(Buffer.from(token)), minerId, madeAt: BigInt(Date.now()) };
    await this.store.putKey(key);
    this.byHash.set(key.hash.toString('hex'), key);
    this.owned = this.owners();
    return { ...shown(key), token };
  }

  /** Revokes a key, durably; undefined where there is none. A miner id without keys is free again. */
  async revoke(id: string): Promise<RevokedKey | undefined> {
    const [name, key] = [...this.byHash].find(([, one]) => shown(one).id === id) ?? [];
    if (name === undefined || key === undefined) return undefined;
    await this.store.removeKey(key.hash);
    this.byHash.delete(name);
    this.owned = this.owners();
    return { minerId: key.minerId, wasLast: !this.isOwned(key.minerId) };
  }

  /** Every key, by miner id, the oldest first. */
  list(): Key[] {
    const order = ({ minerId, madeAt }: Key): string => `${minerId}\0${madeAt}`;
    return [...this.byHash.values()].map(shown).sort((a, b) => (order(a) < order(b) ? -1 : 1));
  }

  /** The name of a token's key, to be remembered instead of the token; undefined where there is none. */
  nameOf(token: string): string | undefined {
    if (!TOKEN.test(token)) return undefined;
    const name = sha256(Buffer.from(token)).toString('hex');
    return this.byHash.has(name) ? name : undefined;
  }

  /** The miner id that a key is for; undefined where it has been revoked. */
  minerOf(name: string): string | undefined {
    return this.byHash.get(name)?.minerId;
  }

  /** Whether a miner id belongs to a key. */
  isOwned(minerId: string): boolean {
    return this.owned.has(minerId);
  }

  private owners(): Set<string> {
    return new Set(Array.from(this.byHash.values(), ({ minerId }) => minerId));
  }
}

function shown({ hash, minerId, madeAt }: StoredKey): Key {
  return {
    id: hash.toString('hex').slice(0, ID_DIGITS),
    minerId,
    madeAt: new Date(Number(madeAt)).toISOString(),
  };
}
