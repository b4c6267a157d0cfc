/** A data folder: who may write to it, and whether its file can be opened at all. */

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tryLock } from 'fs-native-extensions';
import { messageOf } from '../engine/fault.js';
import { StoreError } from './store.js';

export const DATA_FILE = 'data.mdb';
export const READERS_FILE = 'lock.mdb';
export const LOCK_FILE = 'validator.lock';
/** Written to find out whether there is room, and removed at once. */
export const ROOM_FILE = 'room.tmp';

/** Makes the folder where there is none, and locks it for one writer. Returns what gives the lock back. */
export function lockFolder(folder: string): () => void {
  let file: number;
  madeFolders(folder);
  try {
    // LMDB ends the process without a word where it may not write to a file of its own.
    for (const name of [DATA_FILE, READERS_FILE].map((name) => join(folder, name))) {
      if (existsSync(name)) closeSync(openSync(name, 'r+'));
    }
    file = openSync(join(folder, LOCK_FILE), 'a+', 0o600);
  } catch (error) {
    throw unusable(folder, error);
  }
  // The system lets go of the lock however the process ends: nothing stale is left behind.
  if (tryLock(file)) return () => closeSync(file);
  closeSync(file);
  throw new StoreError(
    `the data folder ${folder} is in use by another validator: stop that one, or choose another with --data`,
  );
}

/**
 * Makes a folder, and those that it lies in, for their owner alone. Returns those that there were none of, the innermost first. Throws a StoreError.
 * One by one: where the system has no such folder to make, as below /proc, Node's own way of making several never ends.
 */
export function madeFolders(folder: string): string[] {
  const missing: string[] = [];
  for (let one = resolve(folder); !existsSync(one); one = dirname(one)) missing.push(one);
  try {
    for (const one of [...missing].reverse()) mkdirSync(one, { mode: 0o700 });
  } catch (error) {
    throw unusable(folder, error);
  }
  return missing;
}

/** What LMDB's files take when they are new, and more. */
const NEW_FILES_BYTES = 65_536;

/** Throws a StoreError where the disk has no room for LMDB's new files: it would end the process without a word. */
export function checkRoom(folder: string): void {
  const probe = join(folder, ROOM_FILE);
  try {
    writeFileSync(probe, Buffer.alloc(NEW_FILES_BYTES, 1), { flush: true });
  } catch (error) {
    throw unusable(folder, error);
  } finally {
    rmSync(probe, { force: true });
  }
}

/** Whether there is a data file. Throws a StoreError where that may not be known. */
export function hasData(folder: string): boolean {
  try {
    return statSync(join(folder, DATA_FILE), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw unusable(folder, error);
  }
}

/** Whether LMDB has yet to make one of its files there. */
export function lacksFiles(folder: string): boolean {
  return !hasData(folder) || !existsSync(join(folder, READERS_FILE));
}

/** LMDB's two meta pages, as lmdb 3 lays them out, and how every page begins. */
const MAGIC = 0xbeefc0de;
const META = { magic: 24, mapSize: 40, pageSize: 48, root: 136, lastPage: 144, transaction: 152, bytes: 160 };
const PAGE = { number: 0, transaction: 8, bytes: 16 };
/** The root of a tree without records. */
const NO_ROOT = 2n ** 64n - 1n;

/** How often meta pages that do not agree are read: a validator may have written between two reads. */
const META_READS = 4;

/**
 * Throws a StoreError where the data file is not LMDB's, is cut short, or begins with pages that do not agree: LMDB maps the file into
 * memory, and a page that is not there would end the process without a word; a wrong beginning would show the chain as it once was.
 */
export function checkDataFile(folder: string): void {
  let file: number | undefined;
  try {
    // Of what is no file there may be nobody to open it for.
    file = openSync(join(folder, DATA_FILE), constants.O_RDONLY | constants.O_NONBLOCK);
    if (!fstatSync(file).isFile()) throw damaged(folder, `its ${DATA_FILE} is no file`);
    let [first, second] = readMetas(file);
    for (let reads = 1; first && second && !agree(file, first, second); reads++) {
      if (reads === META_READS) throw damaged(folder, 'its first pages do not agree');
      [first, second] = readMetas(file);
    }
    if (first === undefined || second === undefined) throw damaged(folder, 'it does not begin as a database does');
    const whole = fstatSync(file).size >= wholeSize(first, second);
    // A last page that was never used may be missing after a crash: a process that may die finds out.
    if (!whole && !canBeRead(folder)) throw damaged(folder, 'it is cut short');
  } catch (error) {
    throw error instanceof StoreError ? error : unusable(folder, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Gives a closed data file the pages at its end that were never used: the next start need not find out that it lacks no other. */
export function completeDataFile(folder: string): void {
  const file = openSync(join(folder, DATA_FILE), 'r+');
  const [first, second] = readMetas(file);
  const size = first && second ? wholeSize(first, second) : 0;
  if (fstatSync(file).size < size) ftruncateSync(file, size);
  closeSync(file);
}

/** The error of a folder whose data cannot be used. */
export function damaged(folder: string, what: string): StoreError {
  return new StoreError(
    `the data in ${folder} is damaged (${what}): hourcoin verify --data ${folder} shows what can be saved; restore a backup, or start anew with another --data`,
  );
}

/** The error of a folder that the system keeps us from using. */
export function unusable(folder: string, error: unknown): StoreError {
  return new StoreError(`cannot use the data folder ${folder}: ${messageOf(error)}`);
}

interface Meta {
  readonly pageSize: number;
  /** What LMDB maps, bytes: no page lies beyond. */
  readonly mapSize: bigint;
  readonly root: bigint;
  readonly lastPage: bigint;
  readonly transaction: bigint;
}

function readMetas(file: number): [Meta | undefined, Meta | undefined] {
  const first = readMeta(file, 0);
  return [first, first && readMeta(file, first.pageSize)];
}

function readMeta(file: number, at: number): Meta | undefined {
  const bytes = Buffer.alloc(META.bytes);
  if (readSync(file, bytes, 0, META.bytes, at) < META.bytes || bytes.readUInt32LE(META.magic) !== MAGIC)
    return undefined;
  const pageSize = bytes.readUInt32LE(META.pageSize);
  return {
    pageSize,
    mapSize: bytes.readBigUInt64LE(META.mapSize),
    root: bytes.readBigUInt64LE(META.root),
    lastPage: bytes.readBigUInt64LE(META.lastPage),
    transaction: bytes.readBigUInt64LE(META.transaction),
  };
}

/**
 * Whether the meta pages are those of the last two transactions: one is the other's successor, they take turns, the file fits its map and does
 * not shrink, and each transaction has written the root of its own tree. LMDB has no checksum that would say so.
 */
function agree(file: number, first: Meta, second: Meta): boolean {
  const newer = newest(first, second);
  const older = newer === first ? second : first;
  if (first.pageSize !== second.pageSize || older.lastPage > newer.lastPage) return false;
  if (newer.lastPage >= newer.mapSize / BigInt(newer.pageSize)) return false;
  if (newer.transaction === 0n) return true;
  const inTurn = first.transaction % 2n === 0n && newer.transaction - older.transaction === 1n;
  return inTurn && [older, newer].every((meta) => hasOwnRoot(file, meta));
}

function hasOwnRoot(file: number, { root, lastPage, pageSize, transaction }: Meta): boolean {
  if (root === NO_ROOT) return transaction <= 1n;
  if (root > lastPage) return false;
  const bytes = Buffer.alloc(PAGE.bytes);
  if (readSync(file, bytes, 0, PAGE.bytes, Number(root) * pageSize) < PAGE.bytes) return false;
  return bytes.readBigUInt64LE(PAGE.number) === root && bytes.readBigUInt64LE(PAGE.transaction) === transaction;
}

/** The meta page of the latest transaction. */
function newest(first: Meta, second: Meta): Meta {
  return second.transaction > first.transaction ? second : first;
}

/** The size of the file as its latest transaction has it, bytes. */
function wholeSize(first: Meta, second: Meta): number {
  const { pageSize, lastPage } = newest(first, second);
  return (Number(lastPage) + 1) * pageSize;
}

function canBeRead(folder: string): boolean {
  const reader = fileURLToPath(new URL('./read-all.js', import.meta.url));
  return spawnSync(process.execPath, [reader, folder], { stdio: 'ignore' }).status === 0;
}
