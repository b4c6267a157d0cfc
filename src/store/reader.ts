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
      this.checkEdge(recordKey, true);
      this.checkEdge(recordKey, false);
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

  /** What the records from a key on say, before another key; in reverse from a key down, until before another one. */
  *range<T>(start: Buffer, end: Buffer, decode: Decode<T>, limit = Infinity, reverse = false): Generator<T> {
    try {
      this.checkEdge(start, !reverse);
      let left = limit;
      let last = start;
      for (const recordKey of this.database.getKeys({ start, reverse })) {
        if (left-- === 0) return;
        if (isBefore(recordKey, last, reverse)) throw missing(recordKey);
        // What ends the range may be one of its own whose key was damaged: others could lie behind it.
        if (!isBefore(recordKey, end, reverse)) return this.checkSound(recordKey);
        const value = this.read(recordKey, decode);
        if (value === undefined) throw missing(recordKey);
        yield value;
        last = recordKey;
      }
      this.checkOutermost(last, reverse);
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
   * Believes that no record is there only where the next ones on both sides are sound and in their order: a record whose key was damaged,
   * which no checksum of its own could tell, still lies beside where it should be, and whoever looks for what lies behind it is led there,
   * too. Without this a spent output could be made again, and a lockout forgotten. `reverse`: the next one before the key, not after it.
   */
  private checkEdge(start: Buffer, reverse: boolean): void {
    const [neighbour] = this.database.getKeys({ start, reverse, limit: 1 });
    if (neighbour === undefined) return this.checkOutermost(start, reverse);
    if (isBefore(neighbour, start, reverse)) throw missing(neighbour);
    this.checkSound(neighbour);
  }

  /** Believes that no key follows only where none does: at one that damage has made empty LMDB ends as at the last. */
  private checkOutermost(recordKey: Buffer, reverse: boolean): void {
    const [outermost] = this.database.getKeys({ reverse: !reverse, limit: 1 });
    const isHidden =
      outermost === undefined ? this.database.getKeysCount() > 0 : isBefore(recordKey, outermost, reverse);
    if (isHidden) throw new DamageError(`records beside ${describe(recordKey)} are missing`, describe(recordKey));
  }

  private checkSound(recordKey: Buffer): void {
    const value = this.database.getBinaryFast(recordKey);
    if (value === undefined) throw missing(recordKey);
    unseal(recordKey, value);
  }
}

/** Whether a key comes before another one, as they are read. */
function isBefore(one: Buffer, other: Buffer, reverse: boolean): boolean {
  return reverse ? one.compare(other) > 0 : one.compare(other) < 0;
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
