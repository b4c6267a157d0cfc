/**
 * What a commit writes: gathered first, then written in one transaction by LMDB's own thread, which also syncs it. Nothing waits for it
 * meanwhile, and a commit that cannot be made whole writes nothing.
 */

import type { Database } from 'lmdb';
import { exactUnits } from '../engine/exact.js';
import type { OutputChanges } from '../engine/rules.js';
import { LOCKOUT_MS, type StoredBlock } from '../engine/state.js';
import * as records from './records.js';
import { key, NOT_SPENT, seal, textKey, u32, u64 } from './records.js';
import { DamageError } from './store.js';

export class Writes {
  private readonly records = new Map<string, { readonly key: Buffer; readonly payload: Buffer | undefined }>();

  constructor(
    private readonly database: Database<Buffer, Buffer>,
    /** Reads the payload of a record that is committed. */
    private readonly read: (recordKey: Buffer) => Buffer | undefined,
  ) {}

  put(recordKey: Buffer, payload: Buffer): void {
    this.records.set(recordKey.toString('latin1'), { key: recordKey, payload });
  }

  remove(recordKey: Buffer): void {
    this.records.set(recordKey.toString('latin1'), { key: recordKey, payload: undefined });
  }

  /** A record's payload as it will be. */
  get(recordKey: Buffer): Buffer | undefined {
    const written = this.records.get(recordKey.toString('latin1'));
    return written === undefined ? this.read(recordKey) : written.payload;
  }

  /** Resolves when all of it is on the disk. Where it rejects, nothing of it is kept. */
  async commit(): Promise<void> {
    try {
      await this.database.batch(() => {
        for (const { key, payload } of this.records.values()) {
          if (payload === undefined) void this.database.remove(key);
          else void this.database.put(key, seal(key, payload));
        }
      });
    } catch (error) {
      throw await causeOf(error);
    }
  }
}

/** Puts an accepted block and all that follows from it. `place`: of the first output that it makes; returns the next one's. */
export function putBlock(writes: Writes, accepted: StoredBlock, { made, spent }: OutputChanges, place: bigint): bigint {
  const { block, minerId, acceptedAt } = accepted;
  const { index, hash } = block;
  const miner = textKey(minerId);
  writes.put(key('B', u32(index)), records.encodeBlock(accepted));
  writes.put(key('H', hash), u32(index));
  const kept = writes.get(key('M', miner));
  const blockCount = kept === undefined ? 0n : records.decodeMiner(kept).blockCount;
  writes.put(key('M', miner), records.encodeMiner({ blockCount: blockCount + 1n, lastBlockIndex: index }));
  writes.put(key('L', u64(acceptedAt + LOCKOUT_MS), miner), Buffer.from(minerId));
  for (const { id, output } of made) {
    const owner = textKey(output.toAddr);
    writes.put(key('O', id), records.encodeOutputRecord({ madeIn: index, spentIn: NOT_SPENT, place }));
    writes.put(key('U', owner, u64(place)), records.encodeOwned(index, id, output));
    addToBalance(writes, owner, exactUnits(output.value), 1n);
    place++;
  }
  for (const { id, output } of spent) {
    const owner = textKey(output.toAddr);
    const bytes = writes.get(key('O', id));
    if (bytes === undefined) throw new DamageError(`output ${id.toString('hex')} is missing`);
    const record = records.decodeOutputRecord(bytes);
    writes.put(key('O', id), records.encodeOutputRecord({ ...record, spentIn: index }));
    writes.remove(key('U', owner, u64(record.place)));
    addToBalance(writes, owner, -exactUnits(output.value), -1n);
  }
  return place;
}

function addToBalance(writes: Writes, owner: Buffer, units: bigint, count: bigint): void {
  const bytes = writes.get(key('A', owner));
  const balance = bytes === undefined ? { units: 0n, count: 0n } : records.decodeBalance(bytes);
  writes.put(key('A', owner), records.encodeBalance({ units: balance.units + units, count: balance.count + count }));
}

/** What LMDB calls a write that the system has cut short, as it does where the disk becomes full in the middle of it. */
const EIO = 5;

/** What the system said where a commit failed: lmdb has it in a promise beside its error. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error;
  const cause: unknown = await Promise.resolve(error.commitError).then(
    () => error,
    (cause) => cause,
  );
  if (!(cause instanceof Error && 'code' in cause && cause.code === EIO)) return cause;
  return new Error(`${cause.message} (a write failed or was cut short: the disk is full, or failing)`, { cause });
}
