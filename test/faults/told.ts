/** What a validator tells of its chain, straight from its store: each thing by a name, to be held against what is right. */

import type { LmdbStore } from '../../src/store/lmdb.js';
import { addressPage, storedBlock } from '../../src/validator/reads.js';

/** Whom and what to ask for: what a sound chain has. Hashes and ids are hexadecimal. */
export interface Asked {
  readonly addresses: string[];
  readonly minerIds: string[];
  readonly outputIds: string[];
  readonly blockHashes: string[];
}

/** Each thing that is told, as text; null where it is refused with an error: a validator stops then. */
export type Told = Readonly<Record<string, string | null>>;

/** What is told where there is nothing. */
export const NOTHING = 'nothing';

/** Asks a store for everything. */
export function tellAll(store: LmdbStore, { addresses, minerIds, outputIds, blockHashes }: Asked): Told {
  const told: Record<string, string | null> = {};
  const ask = (name: string, answer: () => unknown): void => {
    try {
      told[name] = text(answer());
    } catch {
      told[name] = null;
    }
  };
  ask('chain', () => store.stored);
  ask('state', () => {
    const { round, lockouts, ...rest } = store.loadState();
    return { ...rest, round: { ...round, attempts: [...round.attempts].sort() }, lockouts: [...lockouts] };
  });
  for (const [index, hash] of blockHashes.entries()) {
    ask(`block #${index}`, () => storedBlock(store, index));
    ask(`block ${hash}`, () => store.indexOf(Buffer.from(hash, 'hex')));
  }
  for (const id of outputIds) {
    ask(`output ${id}`, () => {
      const status = store.lookup(Buffer.from(id, 'hex'));
      return status === 'absent' ? undefined : status;
    });
  }
  for (const address of addresses) ask(`address ${address}`, () => addressPage(store, address, { pageSize: 1_000 }));
  for (const minerId of minerIds) {
    ask(`miner ${minerId}`, () => {
      const miner = store.miner(minerId);
      // Of a miner without a record it is told that it has no blocks.
      return miner.blockCount === 0n ? undefined : miner;
    });
  }
  ask('keys', () => store.keys());
  return told;
}

/** Any value as text, the same for the same value. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? NOTHING;
}
