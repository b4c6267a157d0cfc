/** Copies of a data folder's chain, with its keys and all else that is stored. */

import { chmodSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { messageOf } from '../engine/fault.js';
import { checkDataFile, completeDataFile, DATA_FILE, hasData, LOCK_FILE } from './folder.js';
import { LmdbStore } from './lmdb.js';
import { StoreError } from './store.js';

/** Hears how far it is: so many bytes of so many are copied. */
export type CopyReport = (done: number, of: number) => void;

/** How often that is looked at, milliseconds. */
const LOOK_MS = 100;

/**
 * Copies the chain as one moment has it, also beside a validator that writes to it: LMDB keeps what that moment has until the copy is done, and the
 * validator waits only while two pages are copied. Throws a StoreError.
 */
export async function copyChain(from: string, to: string, report: CopyReport): Promise<void> {
  const store = LmdbStore.openReadOnly(from);
  try {
    if (store.stored === undefined) throw new StoreError(`there is no chain in ${from}`);
    await watched(from, to, report, () => store.copyTo(to));
  } finally {
    await store.close();
  }
  completeDataFile(to);
}

/** Copies the data file of a folder that no validator uses, and writes nothing there. Throws a StoreError. */
export async function copyAtRest(from: string, to: string, report: CopyReport): Promise<void> {
  if (!hasData(from)) throw new StoreError(`there is no chain in ${from}`);
  if (isInUse(from)) throw new StoreError(`a validator runs on ${from}: hourcoin backup makes a copy beside it`);
  checkDataFile(from);
  const source = join(from, DATA_FILE);
  const copy = join(to, DATA_FILE);
  await watched(from, to, report, () => copyFile(source, copy, constants.COPYFILE_FICLONE));
  // A backup may be one that nobody is to write to.
  chmodSync(copy, 0o600);
  completeDataFile(to);
}

async function watched(from: string, to: string, report: CopyReport, copy: () => Promise<void>): Promise<void> {
  const size = sizeOf(join(from, DATA_FILE));
  const file = join(to, DATA_FILE);
  const look = setInterval(() => report(Math.min(sizeOf(file), size), size), LOOK_MS);
  try {
    await copy();
  } catch (error) {
    throw new StoreError(`${from} could not be copied to ${to}: ${messageOf(error)}`);
  } finally {
    clearInterval(look);
  }
  report(size, size);
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Whether a validator has the folder's lock. Where the lock may not be asked for, no validator could have it either. */
function isInUse(folder: string): boolean {
  let file: number;
  try {
    file = openSync(join(folder, LOCK_FILE), 'r+');
  } catch {
    return false;
  }
  const isFree = tryLock(file);
  closeSync(file);
  return !isFree;
}
