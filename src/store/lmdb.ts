/** The durable store: LMDB in a data folder, one atomic and synced transaction a commit. records.ts says what lies in it. */

import { type Database, open } from 'lmdb';
import { messageOf } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { OutputStatus } from '../engine/rules.js';
import { type ChainParameters, type Change, initialState, type State, type StoredBlock } from '../engine/state.js';
import {
  checkDataFile,
  checkRoom,
  completeDataFile,
  damaged,
  hasData,
  lacksFiles,
  lockFolder,
  unusable,
} from './folder.js';
import { missing, Reader } from './reader.js';
import * as records from './records.js';
import { key, type Table, textKey, u32, u64 } from './records.js';
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
import { FORMAT, otherFormat, type Report, upgrade } from './upgrade.js';
import { putBlock, Writes } from './writes.js';

/** How many attempts and lockouts that are over a commit deletes, beside as many as it may add: more wait for the next. */
const SWEEP = 1_000;

/** Commits between two looks for readers that were killed: what LMDB showed them would be kept for them, and the file would grow. */
const READER_CHECK_EVERY = 1_000;

export class LmdbStore implements Store {
  private chain: Omit<StoredChain, 'stamp'> | undefined;
  private commits = 0;
  private progress: records.Progress = records.NO_PROGRESS;

  private readonly reader: Reader;

  private constructor(
    private readonly database: Database<Buffer, Buffer>,
    private readonly closed: () => void,
  ) {
    this.reader = new Reader(database);
  }

  /**
   * Opens a data folder for its one writer, and makes it where there is none. One of an older format is brought to this version's; `report`
   * hears of it. Throws a StoreError that says what to do.
   */
  static open(folder: string, report: Report = () => {}): LmdbStore {
    const unlock = lockFolder(folder);
    try {
      if (hasData(folder)) checkDataFile(folder);
      if (lacksFiles(folder)) checkRoom(folder);
      return LmdbStore.openDatabase(folder, report, () => {
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

  /** Opens a data folder of this version's format to read it, beside a validator that may be writing to it. */
  static openReadOnly(folder: string): LmdbStore {
    if (!hasData(folder)) throw new StoreError(`there is no chain in ${folder}`);
    checkDataFile(folder);
    return LmdbStore.openDatabase(folder, undefined, () => {});
  }

  /** Without a report it is opened to be read only. */
  private static openDatabase(folder: string, report: Report | undefined, closed: () => void): LmdbStore {
    let database: Database<Buffer, Buffer>;
    // Keys' hashes and clients' addresses lie there, wherever the folder is.
    const before = process.umask(0o077);
    try {
      // Without overlappingSync a commit is on the disk when it resolves. Without eventTurnBatching a commit that fails is rejected once, to
      // us: batches have a promise of their own that nobody could hear.
      database = open<Buffer, Buffer>({
        path: folder,
        readOnly: report === undefined,
        encoding: 'binary',
        keyEncoding: 'binary',
        overlappingSync: false,
        eventTurnBatching: false,
        noSubdir: false,
      });
    } catch (error) {
      // The system's numbers are above 0, those of LMDB, which speak of what the file holds, below.
      const { code } = error as { code?: unknown };
      throw typeof code === 'number' && code > 0 ? unusable(folder, error) : damaged(folder, messageOf(error));
    } finally {
      process.umask(before);
    }
    const store = new LmdbStore(database, closed);
    try {
      store.readHeader(folder, report);
      if (report !== undefined) store.checkCounts();
      return store;
    } catch (error) {
      void database.close();
      throw error instanceof StoreError && !(error instanceof DamageError) ? error : damaged(folder, messageOf(error));
    }
  }

  private readHeader(folder: string, report: Report | undefined): void {
    const format = this.reader.read(key('F'), (bytes) => bytes.readUInt32BE(0));
    if (format === undefined) {
      // A chain that seems not to have begun must not be begun anew.
      for (const table of ['P', 'S'] as const) if (this.reader.get(key(table)) !== undefined) throw missing(key('F'));
      return;
    }
    if (format > FORMAT || (format < FORMAT && report === undefined)) throw otherFormat(folder, format);
    if (format < FORMAT) upgrade(this.database, folder, format, report as Report);
    this.chain = this.reader.must('P', records.decodeParameters);
    this.progress = this.reader.must('S', records.decodeProgress);
  }

  /** Throws a DamageError where attempts of the round in force, or lockouts, are not as many as were kept: damage can hide a record. */
  checkCounts(): void {
    if (this.chain === undefined) return;
    const { round, attempts, lockouts } = this.progress;
    const kept = [this.reader.count(key('T', u64(round))), this.reader.count(key('L'))] as const;
    if (kept[0] !== attempts) throw new DamageError(`there are ${kept[0]} attempts of round ${round}, not ${attempts}`);
    if (kept[1] !== lockouts) throw new DamageError(`there are ${kept[1]} lockouts, not ${lockouts}`);
  }

  get stored(): StoredChain | undefined {
    return this.chain && { ...this.chain, stamp: this.progress.stamp };
  }

  /** How many blocks the chain has. */
  get height(): number {
    return this.progress.height;
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
    state.round = {
      number: round,
      start: roundStart,
      attempts: new Set(this.reader.all(key('T', u64(round)), (text) => text.toString())),
    };
    // In the order of their keys: that of the lockouts' ends.
    const lockout = (minerId: Buffer, recordKey: Buffer) => [minerId.toString(), recordKey.readBigUInt64BE(1)] as const;
    for (const [minerId, end] of this.reader.range(key('L', u64(stamp + 1n)), records.after(key('L')), lockout)) {
      state.lockouts.set(minerId, end);
    }
    state.height = height;
    const tip = height > 0 ? this.block(height - 1)?.block : undefined;
    if (height > 0 && tip === undefined) throw new DamageError(`block #${height - 1} is missing`);
    state.tip = tip && { hash: tip.hash, timestamp: tip.timestamp };
    return state;
  }

  async commit(changes: readonly Change[], stamp: bigint, visits: readonly Visit[] = []): Promise<void> {
    let { round, roundStart, height, outputs, lockouts } = this.progress;
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
          lockouts++;
          attempts = [];
      }
    }
    // Numbered as they come, so that those of a commit lie together: under keys in no order each would cost a page.
    let number = this.progress.round === round ? this.progress.attempts : 0;
    for (const minerId of attempts) writes.put(key('T', u64(round), u32(number++)), Buffer.from(minerId));
    const most = SWEEP + changes.length;
    for (const visit of visits) writes.put(records.visitKey(visit), records.encodeVisit(visit));
    // Where nobody is counted by network, nobody waits for this either.
    if (visits.length > 0 || !changes.some(({ type }) => type === 'attempt')) {
      this.sweep(writes, key('V'), anHourBefore(stamp), SWEEP);
    }
    this.sweep(writes, key('T'), key('T', u64(round)), most);
    lockouts -= this.sweep(writes, key('L'), key('L', u64(stamp + 1n)), most);
    const progress = { stamp, round, roundStart, height, outputs, attempts: number, lockouts };
    writes.put(key('S'), records.encodeProgress(progress));
    await writes.commit();
    this.progress = progress;
    if (++this.commits % READER_CHECK_EVERY === 0) this.database.readerCheck();
  }

  lookup(id: Buffer): OutputStatus {
    const record = this.outputRecord(id);
    if (record === undefined) return 'absent';
    return record.spentIn === records.NOT_SPENT ? 'unspent' : 'spent';
  }

  /** What is kept of an output, for `verify`. */
  outputRecord(id: Buffer): records.OutputRecord | undefined {
    return this.reader.read(key('O', id), records.decodeOutputRecord);
  }

  block(index: number): StoredBlock | undefined {
    const block = this.reader.read(key('B', u32(index)), records.decodeBlock);
    if (block === undefined && index < this.progress.height) throw new DamageError(`block #${index} is missing`);
    return block;
  }

  /** A block that is not yet held against its content hash, for `verify`. */
  blockAsIs(index: number): StoredBlock | undefined {
    return this.reader.read(key('B', u32(index)), records.decodeBlockAsIs);
  }

  indexOf(hash: Buffer): number | undefined {
    return this.reader.read(key('H', hash), (bytes) => bytes.readUInt32BE(0));
  }

  balance(address: string): Balance {
    return this.reader.read(key('A', textKey(address)), records.decodeBalance) ?? { units: 0n, count: 0n };
  }

  outputsOf(address: string, afterPlace: bigint | undefined, limit: number): OwnedOutput[] {
    const prefix = key('U', textKey(address));
    const from = afterPlace === undefined ? prefix : Buffer.concat([prefix, u64(afterPlace + 1n)]);
    return [...this.reader.range(from, records.after(prefix), records.decodeOwned, limit)];
  }

  miner(minerId: string): MinerRecord {
    return (
      this.reader.read(key('M', textKey(minerId)), records.decodeMiner) ?? { blockCount: 0n, lastBlockIndex: undefined }
    );
  }

  /** Every address's balance, by the address's SHA-256 in hexadecimal, for `verify`. */
  balances(): Generator<{ addressHash: string; balance: Balance }> {
    return this.reader.all(key('A'), (bytes, recordKey) => ({
      addressHash: recordKey.toString('hex', 1),
      balance: records.decodeBalance(bytes),
    }));
  }

  /** Every unspent output with the SHA-256 of the address it is kept under, in that order, for `verify`. */
  ownedOutputs(): Generator<{ addressHash: string; owned: OwnedOutput }> {
    return this.reader.all(key('U'), (bytes, recordKey) => ({
      addressHash: recordKey.toString('hex', 1, 33),
      owned: records.decodeOwned(bytes, recordKey),
    }));
  }

  /** How many records a table has, for `verify`. */
  count(table: Table): number {
    return this.reader.count(key(table));
  }

  visits(): Visit[] {
    const visit = (bytes: Buffer, recordKey: Buffer): Visit => records.decodeVisit(recordKey.readBigUInt64BE(1), bytes);
    const newest = this.reader.range(
      records.after(key('V')),
      anHourBefore(this.progress.stamp),
      visit,
      LIMITS.visits,
      true,
    );
    return [...newest].reverse();
  }

  keys(): StoredKey[] {
    const stored = (bytes: Buffer, recordKey: Buffer): StoredKey => ({
      hash: Buffer.from(recordKey.subarray(1)),
      madeAt: bytes.readBigUInt64BE(0),
      minerId: bytes.toString('utf8', 8),
    });
    return [...this.reader.all(key('K'), stored)];
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

  /** Copies all of it, as this moment has it, to the data file of a folder that has none. */
  copyTo(folder: string): Promise<void> {
    return this.database.backup(folder, false);
  }

  async close(): Promise<void> {
    await this.database.close();
    this.closed();
  }

  private writes(): Writes {
    return new Writes(this.database, (recordKey) => this.reader.get(recordKey));
  }

  /** Deletes what is over, some of it; returns how many. */
  private sweep(writes: Writes, from: Buffer, to: Buffer, most: number): number {
    let swept = 0;
    for (const old of this.database.getKeys({ start: from, end: to, limit: most })) {
      writes.remove(Buffer.from(old));
      swept++;
    }
    return swept;
  }
}

/** The first key of the visits that still count at a stamp. */
function anHourBefore(stamp: bigint): Buffer {
  return key('V', u64(stamp > VISIT_MS ? stamp - VISIT_MS + 1n : 0n));
}
