/** Stores for tests: chains that grow in them, and what is done to a data folder behind a store's back. */

import { cpSync } from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import type { Block, Transaction } from '../../gen/hourcoin/v1/block.js';
import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { apply, type ChainParameters, type Change, type StoredBlock } from '../../src/engine/state.js';
import { type Judgement, passRounds } from '../../src/engine/step.js';
import { LmdbStore } from '../../src/store/lmdb.js';
import { seal, unseal } from '../../src/store/records.js';
import type { Store } from '../../src/store/store.js';
import { EASY } from './blocks.js';
import { blockChange, TestChain } from './chains.js';
import { temporaryFolder } from './programs.js';

/** A chain of an easy difficulty. */
export const PARAMETERS: ChainParameters = {
  difficulty: EASY,
  timescale: Timescale.TAI,
  firstRoundStart: 1_762_800_000_000n,
};

/** An hour of the validator's clock, milliseconds. */
export const HOUR = 3_600_000n;

/** A chain that grows in a store. What the engine changes gathers until it is committed. */
export class GrowingChain {
  readonly chain: TestChain;
  now: bigint;
  private changes: Change[] = [];

  /** The store holds a chain of these parameters that has just begun. */
  constructor(
    public store: Store,
    parameters = PARAMETERS,
  ) {
    this.chain = new TestChain(parameters);
    this.now = parameters.firstRoundStart;
  }

  /** Lets time pass, milliseconds: rounds may end. */
  pass(ms: bigint): void {
    this.now += ms;
    const passed = passRounds(this.chain.state, this.now);
    if (passed === undefined) return;
    apply(this.chain.state, passed);
    this.changes.push(passed);
  }

  /** Submits a block. */
  submit(minerId: string, block: Block): Judgement {
    const judgement = this.chain.submit(minerId, block, this.now);
    this.changes.push(...judgement.changes);
    return judgement;
  }

  /** Submits a good block that pays its miner 2.0. */
  win(minerId: string, further: readonly Transaction[] = []): Judgement {
    return this.submit(minerId, this.chain.winning(minerId, this.now, further));
  }

  /** Adds a good block, which must be accepted, after some minutes in which every challenge ends. */
  extend(minerId: string, further: readonly Transaction[] = []): StoredBlock {
    this.pass(120_000n);
    const judgement = this.win(minerId, further);
    const change = blockChange(judgement);
    if (change === undefined) throw new Error(`the block was not accepted: ${judgement.verdict.message}`);
    return change.accepted;
  }

  /** Submits a block whose claimed hash is not its own: that uses the miner's attempt up. */
  fail(minerId: string): void {
    this.submit(minerId, { ...this.chain.winning(minerId, this.now), hash: Buffer.alloc(32) });
  }

  /** Makes what has gathered durable, and returns it. */
  async commit(): Promise<Change[]> {
    const changes = this.changes;
    this.changes = [];
    await this.store.commit(changes, this.now);
    return changes;
  }
}

/** Grows a chain in a new data folder, and closes it. */
export async function madeFolder(
  grow: (chain: GrowingChain) => unknown = () => {},
  { parameters = PARAMETERS, clockSpeed = 1 } = {},
): Promise<{ path: string; remove: () => void }> {
  const folder = temporaryFolder();
  const store = LmdbStore.open(folder.path);
  await store.begin(parameters, clockSpeed);
  const chain = new GrowingChain(store, parameters);
  await grow(chain);
  await chain.commit();
  await store.close();
  return folder;
}

/** A copy of a data folder. */
export function copyOf(folder: string): { path: string; remove: () => void } {
  const copy = temporaryFolder();
  cpSync(folder, copy.path, { recursive: true });
  return copy;
}

/** A data folder's database as lmdb itself opens it. */
export type RawDatabase = RootDatabase<Buffer, Buffer>;

/** Does something to a data folder's records that no store would do. No store may have it open. */
export async function tamper(folder: string, change: (database: RawDatabase) => void): Promise<void> {
  const database: RawDatabase = open({ path: folder, encoding: 'binary', keyEncoding: 'binary', noSubdir: false });
  try {
    await database.transaction(() => change(database));
  } finally {
    await database.close();
  }
}

/** Writes a record with a checksum that holds. */
export function putSealed(database: RawDatabase, key: Buffer, payload: Buffer): void {
  database.putSync(key, seal(key, payload));
}

/** Replaces a record's payload, and makes its checksum hold. */
export function changeSealed(database: RawDatabase, key: Buffer, change: (payload: Buffer) => Buffer): void {
  putSealed(database, key, change(Buffer.from(unseal(key, present(database.get(key))))));
}

/** A value that must be there. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is not there');
  return value;
}
