/** The durable store: LMDB in a data folder, one atomic and synced transaction a commit. records.ts says what lies in it. */

import { type Database, open } from 'lmdb';
import { LIMITS } from '../engine/limits.js';
import type { OutputStatus } from '../engine/rules.js';
import { type ChainParameters, type Change, initialState, type State, type StoredBlock } from '../engine/state.js';
import {
  checkDataFile,
  checkRoom,
  completeDataFile,
  damaged,
  hasData,
  lockFolder,
  reason,
  unusable,
} from './folder.js';
import * as records from './records.js';
import { key, type Table, textKey, u32, u64, unseal } from './records.js';
import {
  type Balance,
  DamageError,
  type MinerRecord,
  type OwnedOutput,
  type Store,
  type StoredChain,
  type StoredKey,
  StoreError,
  VISIT_MS,
  type Visit,
} from './store.js';
import { putBlock, Writes } from './writes.js';

/** What is written in this version, and the only format that is read. */
export const FORMAT = 1;

/** How many attempts and lockouts that are over a commit deletes: more wait for the next. */
const SWEEP = 1_000;

export class LmdbStore implements Store {
  private chain: Omit<StoredChain, 'stamp'> | undefined;
  /** How many attempts of a round are stored, as far as that was counted. */
  private attempts: { round: bigint; count: number } | undefined;
  private progress: records.Progress = { stamp: 0n, round: 1n, roundStart: 0n, height: 0, outputs: 0n };

  private constructor(
    private readonly database: Database<Buffer, Buffer>,
    private readonly closed: () => void,
  ) {}

  /** Opens a data folder for its one writer, and makes it where there is none. Throws a StoreError that says what to do. */
  static open(folder: string): LmdbStore {
    const unlock = lockFolder(folder);
    try {
      if (hasData(folder)) checkDataFile(folder);
      else checkRoom(folder);
      return LmdbStore.openDatabase(folder, false, () => {
        try {
          completeDataFile(folder);
        } finally {
          unlock();
        }
      });
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** Opens a data folder to read it, beside a validator that may be writing to it. */
  static openReadOnly(folder: string): LmdbStore {
    if (!hasData(folder)) throw new StoreError(`there is no chain in ${folder}`);
    checkDataFile(folder);
    return LmdbStore.openDatabase(folder, true, () => {});
  }

  private static openDatabase(folder: string, readOnly: boolean, closed: () => void): LmdbStore {
    let database: Database<Buffer, Buffer>;
    // Keys' hashes and clients' addresses lie there, wherever the folder is.
    const before = process.umask(0o077);
    try {
      // Without overlappingSync a commit is on the disk when it resolves. Without eventTurnBatching a commit that fails is rejected once, to
      // us: batches have a promise of their own that nobody could hear.
      database = open<Buffer, Buffer>({
        path: folder,
        readOnly,
        encoding: 'binary',
        keyEncoding: 'binary',
        overlappingSync: false,
        eventTurnBatching: false,
        noSubdir: false,
      });
    } catch (error) {
      // The system's numbers are above 0, those of LMDB, which speak of what the file holds, below.
      const { code } = error as { code?: unknown };
      throw typeof code === 'number' && code > 0 ? unusable(folder, error) : damaged(folder, reason(error));
    } finally {
      process.umask(before);
    }
    const store = new LmdbStore(database, closed);
    try {
      store.readHeader(folder);
      return store;
    } catch (error) {
      void database.close();
      throw error instanceof StoreError && !(error instanceof DamageError) ? error : damaged(folder, reason(error));
    }
  }

  private readHeader(folder: string): void {
    const format = this.read(key('F'), (bytes) => bytes.readUInt32BE(0));
    if (format === undefined) return;
    if (format !== FORMAT) {
      const remedy = format > FORMAT ? 'use a newer version of hourcoin' : 'use an older version of hourcoin';
      throw new StoreError(
        `the data in ${folder} has format ${format}, this version reads format ${FORMAT}: ${remedy}`,
      );
    }
    this.chain = this.must('P', records.decodeParameters);
    this.progress = this.must('S', records.decodeProgress);
  }

  get stored(): StoredChain | undefined {
    return this.chain && { ...this.chain, stamp: this.progress.stamp };
  }

  /** How many outputs were ever made on the chain. */
  get outputCount(): bigint {
    return this.progress.outputs;
  }

  async begin(parameters: ChainParameters, clockSpeed: number): Promise<void> {
    const { firstRoundStart } = parameters;
    const progress = { ...this.progress, stamp: firstRoundStart, roundStart: firstRoundStart };
    const writes = this.writes();
    writes.put(key('F'), u32(FORMAT));
    writes.put(key('P'), records.encodeParameters(parameters, clockSpeed));
    writes.put(key('S'), records.encodeProgress(progress));
    await writes.commit();
    this.chain = { parameters, clockSpeed };
    this.progress = progress;
  }

  loadState(): State {
    if (this.chain === undefined) throw new Error('the chain has not begun');
    const state = initialState(this.chain.parameters);
    const { height, round, roundStart, stamp } = this.progress;
    state.round = { number: round, start: roundStart, attempts: new Set(this.texts(key('T', u64(round)))) };
    // In the order of their keys: that of the lockouts' ends.
    const lockout = (minerId: Buffer, recordKey: Buffer) => [minerId.toString(), recordKey.readBigUInt64BE(1)] as const;
    for (const [minerId, end] of this.range(key('L', u64(stamp + 1n)), records.after(key('L')), lockout)) {
      state.lockouts.set(minerId, end);
    }
    state.height = height;
    const tip = height > 0 ? this.block(height - 1)?.block : undefined;
    if (height > 0 && tip === undefined) throw new DamageError(`block #${height - 1} is missing`);
    state.tip = tip && { hash: tip.hash, timestamp: tip.timestamp };
    return state;
  }

  async commit(changes: readonly Change[], stamp: bigint, visits: readonly Visit[] = []): Promise<void> {
    let { round, roundStart, height, outputs } = this.progress;
    let attempts: string[] = [];
    const writes = this.writes();
    for (const change of changes) {
      switch (change.type) {
        case 'attempt':
          attempts.push(change.minerId);
          break;
        case 'round':
          round = change.number;
          roundStart = change.start;
          attempts = [];
          break;
        case 'block':
          outputs = putBlock(writes, change.accepted, change.outputs, outputs);
          round = change.accepted.round + 1n;
          roundStart = change.accepted.acceptedAt;
          height = change.accepted.block.index + 1;
          attempts = [];
      }
    }
    // Numbered as they come, so that those of a commit lie together: under keys in no order each would cost a page.
    let number = this.attempts?.round === round ? this.attempts.count : this.countFrom(key('T', u64(round)));
    for (const minerId of attempts) writes.put(key('T', u64(round), u32(number++)), Buffer.from(minerId));
    for (const visit of visits) writes.put(records.visitKey(visit), records.encodeVisit(visit));
    // Where nobody is counted by network, nobody waits for this either.
    if (visits.length > 0 || !changes.some(({ type }) => type === 'attempt')) {
      this.sweep(writes, key('V'), anHourBefore(stamp));
    }
    this.sweep(writes, key('T'), key('T', u64(round)));
    this.sweep(writes, key('L'), key('L', u64(stamp + 1n)));
    const progress = { stamp, round, roundStart, height, outputs };
    writes.put(key('S'), records.encodeProgress(progress));
    await writes.commit();
    this.progress = progress;
    this.attempts = { round, count: number };
  }

  lookup(id: Buffer): OutputStatus {
    const record = this.outputRecord(id);
    if (record === undefined) return 'absent';
    return record.spentIn === records.NOT_SPENT ? 'unspent' : 'spent';
  }

  /** What is kept of an output, for `verify`. */
  outputRecord(id: Buffer): records.OutputRecord | undefined {
    return this.read(key('O', id), records.decodeOutputRecord);
  }

  block(index: number): StoredBlock | undefined {
    return this.read(key('B', u32(index)), records.decodeBlock);
  }

  /** A block that is not yet held against its content hash, for `verify`. */
  blockAsIs(index: number): StoredBlock | undefined {
    return this.read(key('B', u32(index)), records.decodeBlockAsIs);
  }

  indexOf(hash: Buffer): number | undefined {
    return this.read(key('H', hash), (bytes) => bytes.readUInt32BE(0));
  }

  balance(address: string): Balance {
    return this.read(key('A', textKey(address)), records.decodeBalance) ?? { units: 0n, count: 0n };
  }

  outputsOf(address: string, afterPlace: bigint | undefined, limit: number): OwnedOutput[] {
    const prefix = key('U', textKey(address));
    const from = afterPlace === undefined ? prefix : Buffer.concat([prefix, u64(afterPlace + 1n)]);
    return [...this.range(from, records.after(prefix), records.decodeOwned, limit)];
  }

  miner(minerId: string): MinerRecord {
    return this.read(key('M', textKey(minerId)), records.decodeMiner) ?? { blockCount: 0n, lastBlockIndex: undefined };
  }

  /** Every address's balance, by the address's SHA-256 in hexadecimal, for `verify`. */
  balances(): Generator<{ addressHash: string; balance: Balance }> {
    return this.range(key('A'), records.after(key('A')), (bytes, recordKey) => ({
      addressHash: recordKey.toString('hex', 1),
      balance: records.decodeBalance(bytes),
    }));
  }

  /** Every unspent output with the SHA-256 of the address it is kept under, in that order, for `verify`. */
  ownedOutputs(): Generator<{ addressHash: string; owned: OwnedOutput }> {
    return this.range(key('U'), records.after(key('U')), (bytes, recordKey) => ({
      addressHash: recordKey.toString('hex', 1, 33),
      owned: records.decodeOwned(bytes, recordKey),
    }));
  }

  /** How many records a table has, for `verify`. */
  count(table: Table): number {
    return this.countFrom(key(table));
  }

  visits(): Visit[] {
    const visit = (bytes: Buffer, recordKey: Buffer): Visit => records.decodeVisit(recordKey.readBigUInt64BE(1), bytes);
    const newest = this.range(records.after(key('V')), anHourBefore(this.progress.stamp), visit, LIMITS.visits, true);
    return [...newest].reverse();
  }

  keys(): StoredKey[] {
    const stored = (bytes: Buffer, recordKey: Buffer): StoredKey => ({
      hash: Buffer.from(recordKey.subarray(1)),
      madeAt: bytes.readBigUInt64BE(0),
      minerId: bytes.toString('utf8', 8),
    });
    return [...this.range(key('K'), records.after(key('K')), stored)];
  }

  async putKey({ hash, madeAt, minerId }: StoredKey): Promise<void> {
    const writes = this.writes();
    writes.put(key('K', hash), Buffer.concat([u64(madeAt), Buffer.from(minerId)]));
    await writes.commit();
  }

  async removeKey(hash: Buffer): Promise<void> {
    const writes = this.writes();
    writes.remove(key('K', hash));
    await writes.commit();
  }

  async close(): Promise<void> {
    await this.database.close();
    this.closed();
  }

  private writes(): Writes {
    return new Writes(this.database, (recordKey) => this.get(recordKey));
  }

  /** Deletes what is over, some of it. */
  private sweep(writes: Writes, from: Buffer, to: Buffer): void {
    for (const old of this.database.getKeys({ start: from, end: to, limit: SWEEP })) writes.remove(Buffer.from(old));
  }

  private countFrom(prefix: Buffer): number {
    return this.database.getKeysCount({ start: prefix, end: records.after(prefix) });
  }

  private texts(prefix: Buffer): Generator<string> {
    return this.range(prefix, records.after(prefix), (text) => text.toString());
  }

  private *range<T>(start: Buffer, end: Buffer, decode: Decode<T>, limit?: number, reverse = false): Generator<T> {
    const range = { start, end, reverse };
    for (const recordKey of this.database.getKeys(limit === undefined ? range : { ...range, limit })) {
      yield this.read(recordKey, decode) as T;
    }
  }

  /** A record's payload. */
  private get(recordKey: Buffer): Buffer | undefined {
    return this.read(recordKey, (payload) => Buffer.from(payload));
  }

  private read<T>(recordKey: Buffer, decode: Decode<T>): T | undefined {
    const value = this.database.getBinaryFast(recordKey);
    return value && decode(unseal(recordKey, value), recordKey);
  }

  private must<T>(table: Table, decode: Decode<T>): T {
    const decoded = this.read(key(table), decode);
    if (decoded === undefined) throw new DamageError(`record ${table} is missing`);
    return decoded;
  }
}

/** The first key of the visits that still count at a stamp. */
function anHourBefore(stamp: bigint): Buffer {
  return key('V', u64(stamp > VISIT_MS ? stamp - VISIT_MS + 1n : 0n));
}

/** Reads a payload: its bytes are lmdb's, and gone with the next read. A copy of every value would take as long as reading it. */
type Decode<T> = (payload: Buffer, recordKey: Buffer) => T;
