/** Where a chain is kept. The LMDB store is the durable one; the memory store is for tests. Both pass the same suite. */

import type { AcceptedBlock, Output } from '../../gen/hourcoin/v1/block.js';
import type { OutputStatus } from '../engine/rules.js';
import type { ChainParameters, Change, State } from '../engine/state.js';

/** What a data folder holds when it is opened. */
export interface StoredChain {
  /** What is fixed since it was begun. */
  readonly parameters: ChainParameters;
  /** How fast the clock ran that made it: 1 but for trials. */
  readonly clockSpeed: number;
  /** The last stamp, milliseconds since the Unix epoch on the chain's timescale: no later one may be earlier. */
  readonly stamp: bigint;
}

/** An unspent output of an address, with its place in the order in which outputs were made. */
export interface OwnedOutput {
  readonly output: Output;
  readonly id: Buffer;
  readonly blockIndex: number;
  readonly place: bigint;
}

/** An address's balance: its unspent outputs' exact sum in units of 2^-1074, and their count. */
export interface Balance {
  readonly units: bigint;
  readonly count: bigint;
}

/** What is kept of a miner. */
export interface MinerRecord {
  readonly blockCount: bigint;
  readonly lastBlockIndex: number | undefined;
}

/** What is kept of a miner id's key. */
export interface StoredKey {
  /** SHA-256 of the token: the token itself is kept nowhere. */
  readonly hash: Buffer;
  readonly minerId: string;
  /** When it was made, milliseconds since the Unix epoch, UTC. */
  readonly madeAt: bigint;
}

/** How long a visit counts, milliseconds of the chain's clock. */
export const VISIT_MS = 3_600_000n;

/** A submission that was judged, for what is counted by network. */
export interface Visit {
  readonly at: bigint;
  readonly network: string;
  readonly minerId: string;
  readonly accepted: boolean;
}

/** A chain's store. Reads are synchronous and show committed changes only; a damaged record throws a DamageError. */
export interface Store {
  /** What is there; undefined before `begin`. */
  readonly stored: StoredChain | undefined;
  /** Begins a chain in an empty store, durably. */
  begin(parameters: ChainParameters, clockSpeed: number): Promise<void>;
  /** The state as the last commit left it. The chain must have begun. */
  loadState(): State;
  /** Carries changes out, in order, in one atomic transaction with the last stamp and the visits. Resolves when they are durable. */
  commit(changes: readonly Change[], stamp: bigint, visits?: readonly Visit[]): Promise<void>;
  /** The visits of the hour before the last stamp, the oldest first: the newest where they are more than LIMITS.visits. */
  visits(): Visit[];
  /** What is known of an output. */
  lookup(id: Buffer): OutputStatus;
  /** A block by its index. */
  block(index: number): AcceptedBlock | undefined;
  /** A block's index by its hash. */
  indexOf(hash: Buffer): number | undefined;
  /** An address's balance. */
  balance(address: string): Balance;
  /** An address's unspent outputs in the order in which they were made, those after a place, at most `limit`. */
  outputsOf(address: string, after: bigint | undefined, limit: number): OwnedOutput[];
  /** What is kept of a miner. */
  miner(minerId: string): MinerRecord;
  /** Every key of a miner id. */
  keys(): StoredKey[];
  /** Keeps a key, durably. */
  putKey(key: StoredKey): Promise<void>;
  /** Forgets a key, durably. */
  removeKey(hash: Buffer): Promise<void>;
  /** Closes it. */
  close(): Promise<void>;
}

/** A store that cannot be used as it is: the message says what is wrong and what to do. */
export class StoreError extends Error {
  /** What a log calls it. */
  override readonly name: string = 'StoreError';
}

/** Stored bytes are not what was written. */
export class DamageError extends StoreError {
  /** Always this. */
  override readonly name = 'DamageError';

  /** @internal */
  constructor(
    message: string,
    /** Which record, as store/records.ts names them: `B:00000003`; undefined where none can be named. */
    readonly record?: string,
  ) {
    super(message);
  }
}
