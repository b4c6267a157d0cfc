/** Reading records from LMDB, which has no checksums of its own: what is told is what was written, or a DamageError. */

import type { Database } from 'lmdb';
import { messageOf } from '../engine/fault.js';
import { after, describe, key, type Table, unseal } from './records.js';
import { DamageError } from './store.js';

/** Reads a payload: its bytes are lmdb's, and gone with the next read. A copy of every value would take as long as reading it. */
export type Decode<T> = (payload: Buffer, recordKey: Buffer) => T;

export class Reader {
  constructor(private readonly database: Database<Buffer, Buffer>) {}

  /** What a record says; undefined where there is none. */
  read<T>(recordKey: Buffer, decode: Decode<T>): T | undefined {
    try {
      const value = this.database.getBinaryFast(recordKey);
      if (value !== undefined) return decode(unseal(recordKey, value), recordKey);
      this.checkGap(recordKey, recordKey);
      return undefined;
    } catch (error) {
      throw unreadable(error);
    }
  }

  /** What the only record of a table says. */
  must<T>(table: Table, decode: Decode<T>): T {
    const decoded = this.read(key(table), decode);
    if (decoded === undefined) throw missing(key(table));
    return decoded;
  }

  /** A record's payload. */
  get(recordKey: Buffer): Buffer | undefined {
    return this.read(recordKey, (payload) => Buffer.from(payload));
  }

  /** What the records say whose keys begin with some bytes. */
  all<T>(prefix: Buffer, decode: Decode<T>): Generator<T> {
    return this.range(prefix, after(prefix), decode);
  }

  /** What the records from a key on say, before another key. */
  *range<T>(start: Buffer, end: Buffer, decode: Decode<T>, limit?: number, reverse = false): Generator<T> {
    const range = { start, end, reverse };
    try {
      for (const recordKey of this.database.getKeys(limit === undefined ? range : { ...range, limit })) {
        const value = this.read(recordKey, decode);
        if (value === undefined) throw missing(recordKey);
        yield value;
      }
    } catch (error) {
      throw unreadable(error);
    }
  }

  /** How many records there are whose keys begin with some bytes. */
  count(prefix: Buffer): number {
    try {
      return this.database.getKeysCount({ start: prefix, end: after(prefix) });
    } catch (error) {
      throw unreadable(error);
    }
  }

  /**
   * Believes that no record is there only where those on both sides are sound and in their order: a record whose key was damaged, which
   * no checksum of its own could tell, still lies beside where it should be. Without this a spent output could be made again.
   */
  checkGap(from: Buffer, to: Buffer): void {
    for (const [start, reverse] of [
      [from, true],
      [to, false],
    ] as const) {
      for (const neighbour of this.database.getKeys({ start, reverse, limit: 1 })) {
        const value = this.database.getBinaryFast(neighbour);
        if (value === undefined || neighbour.compare(start) > 0 === reverse) throw missing(neighbour);
        unseal(neighbour, value);
      }
    }
  }
}

/** The error of a record that should be there. */
export function missing(recordKey: Buffer): DamageError {
  return new DamageError(`record ${describe(recordKey)} is missing`, describe(recordKey));
}

/** LMDB's own numbers are below 0: what it stumbles over is damage. */
function unreadable(error: unknown): unknown {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' && code < 0 ? new DamageError(`LMDB: ${messageOf(error)}`) : error;
}
