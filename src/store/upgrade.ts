/**
 * Formats of a data folder, and how an older one is brought to this version's. A step from one format to the next is one transaction, which
 * also writes the new format's number: killed at any moment, cut off or out of room, it leaves the folder as it was or brought up whole.
 * A step reads and writes records as they were then, byte by byte: what later versions make of them must not change it.
 */

import type { Database } from 'lmdb';
import { messageOf } from '../engine/fault.js';
import { checkRoom, unusable } from './folder.js';
import { missing, Reader } from './reader.js';
import { key, seal, u32, unseal } from './records.js';
import { StoreError } from './store.js';

/** What is written in this version, and the only format that is served and verified. */
export const FORMAT = 2;

interface Step {
  /** What it does, for the log. */
  readonly what: string;
  /** Runs within the transaction. Throws a DamageError where a record is not what it was. */
  run(database: Database<Buffer, Buffer>): void;
}

/** From each older format to the next. */
const STEPS: Readonly<Record<number, Step>> = {
  // Format 1 says nowhere how many there are: one that damage hides would be a second attempt, or an hour that is not waited.
  1: {
    what: 'its attempts and lockouts are counted',
    run(database) {
      const progress = read(database, key('S'));
      const round = progress.subarray(8, 16);
      const counts = [count(database, key('T', round)), count(database, key('L'))].map(u32);
      put(database, key('S'), Buffer.concat([progress, ...counts]));
    },
  },
};

/** Hears what is done. */
export type Report = (text: string) => void;

/** Brings an older folder to this version's format. Throws a StoreError that says what to do; the folder is as it was then. */
export function upgrade(database: Database<Buffer, Buffer>, folder: string, from: number, report: Report): void {
  if (STEPS[from] === undefined) throw otherFormat(folder, from);
  checkRoom(folder);
  for (let format = from; format < FORMAT; format++) {
    const step = STEPS[format] as Step;
    report(`The data in ${folder} has format ${format}: ${step.what}, and it becomes format ${format + 1}`);
    try {
      database.transactionSync(() => {
        step.run(database);
        put(database, key('F'), u32(format + 1));
      });
    } catch (error) {
      throw error instanceof StoreError ? error : unusable(folder, `format ${format} stays: ${messageOf(error)}`);
    }
  }
  report(`The data in ${folder} has format ${FORMAT} now: older versions of hourcoin cannot use it any more`);
}

/** The error of a format that is not this version's and cannot be brought to it here. */
export function otherFormat(folder: string, format: number): StoreError {
  let remedy = 'use a newer version of hourcoin';
  if (format < FORMAT) remedy = 'use an older version of hourcoin';
  if (STEPS[format] !== undefined) {
    remedy = "start this version's validator on it once, which brings it up, or use the version that wrote it";
  }
  return new StoreError(`the data in ${folder} has format ${format}, this version reads format ${FORMAT}: ${remedy}`);
}

function read(database: Database<Buffer, Buffer>, recordKey: Buffer): Buffer {
  const value = database.get(recordKey);
  if (value === undefined) throw missing(recordKey);
  return unseal(recordKey, value);
}

function put(database: Database<Buffer, Buffer>, recordKey: Buffer, payload: Buffer): void {
  database.putSync(recordKey, seal(recordKey, payload));
}

/** How many records there are under a prefix, every one of them sound. */
function count(database: Database<Buffer, Buffer>, prefix: Buffer): number {
  return [...new Reader(database).all(prefix, () => true)].length;
}
