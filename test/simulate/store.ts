/**
 * The store's contract over a simulated disk: a log of commits, each a checksummed record, written and synced before it is acknowledged. What it holds
 * is kept by a MemoryStore, and by the same one over restarts: what was synced need not be read again, and only the rest of the log is.
 */

import { deserialize, serialize } from 'node:v8';
import type { ChainParameters, Change } from '../../src/engine/state.js';
import { crc32 } from '../../src/store/crc32.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { Visit } from '../../src/store/store.js';
import type { Disk } from './disk.js';

/** What is written at a time. */
type LogRecord =
  | { readonly type: 'begin'; readonly parameters: ChainParameters; readonly clockSpeed: number }
  | {
      readonly type: 'commit';
      readonly changes: readonly Change[];
      readonly stamp: bigint;
      readonly visits: readonly Visit[];
    };

/** A record's length and checksum. */
const HEAD_BYTES = 8;

export class LoggedStore extends MemoryStore {
  constructor(private readonly disk: Disk) {
    super();
  }

  override begin(parameters: ChainParameters, clockSpeed: number): Promise<void> {
    return this.keep({ type: 'begin', parameters, clockSpeed });
  }

  override commit(changes: readonly Change[], stamp: bigint, visits: readonly Visit[] = []): Promise<void> {
    return this.keep({ type: 'commit', changes, stamp, visits });
  }

  /** Takes up what a crash has left of the log, to the first record that is not whole. `half`: of a commit its first change alone, for a canary. */
  async recover(log: Buffer, half = false): Promise<void> {
    let at = 0;
    while (at + HEAD_BYTES <= log.length) {
      const length = log.readUInt32BE(at);
      const payload = log.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
      if (length === 0 || payload.length < length || checksum(payload) !== log.readUInt32BE(at + 4)) break;
      const record = deserialize(payload) as LogRecord;
      await this.take(half && record.type === 'commit' ? { ...record, changes: record.changes.slice(0, 1) } : record);
      at += HEAD_BYTES + length;
    }
    this.disk.cutOff();
  }

  private async keep(record: LogRecord): Promise<void> {
    const payload = serialize(record);
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(payload.length);
    head.writeUInt32BE(checksum(payload), 4);
    await this.disk.write(Buffer.concat([head, payload]));
    await this.disk.sync();
    await this.take(record);
    this.disk.cutOff();
  }

  private take(record: LogRecord): Promise<void> {
    if (record.type === 'begin') return super.begin(record.parameters, record.clockSpeed);
    return super.commit(record.changes, record.stamp, record.visits);
  }
}

function checksum(payload: Buffer): number {
  return crc32(payload, payload.length, 0);
}
