/** `hourcoin export`: writes a chain, or some of its blocks, to a file that any language can read. */

import { constants, existsSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tryLock } from 'fs-native-extensions';
import { messageOf } from '../engine/fault.js';
import type { StoredBlock } from '../engine/state.js';
import { LmdbStore } from '../store/lmdb.js';
import { type StoredChain, StoreError } from '../store/store.js';
import { ArchiveWriter } from '../wire/archive.js';
import { ExitError, undoable } from './exit.js';
import { Progress } from './progress.js';

/** Written together, bytes. */
const PIECE_BYTES = 262_144;

export interface ExportArguments {
  readonly data: string;
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** `file`: `-` for stdout. What is there already is not written over. */
export async function runExport(file: string, { data, from, to }: ExportArguments): Promise<void> {
  const store = LmdbStore.openReadOnly(data);
  try {
    const { stored } = store;
    if (stored === undefined) throw new ExitError(`there is no chain in ${data}`);
    const source = { store, chain: stored, ...rangeOf(store.height, data, from ?? 0, to) };
    if (file === '-') await toStdout(source);
    else await toFile(source, file);
    const { first, count } = source;
    const which = count === 0 ? 'No blocks' : `Blocks #${first} to #${first + count - 1}`;
    process.stderr.write(`${which} of ${data} are written${file === '-' ? '' : ` to ${file}`}.\n`);
  } finally {
    await store.close();
  }
}

/** What is written. */
interface Source {
  readonly store: LmdbStore;
  readonly chain: StoredChain;
  readonly first: number;
  readonly count: number;
}

function rangeOf(
  height: number,
  data: string,
  first: number,
  to: number | undefined,
): { first: number; count: number } {
  if (height === 0 && first === 0 && to === undefined) return { first, count: 0 };
  const last = to ?? height - 1;
  if (first > last && to !== undefined) throw new ExitError(`--from ${first} is beyond --to ${to}`, 2);
  const missing = first >= height ? first : last;
  if (missing < height) return { first, count: last - first + 1 };
  const blocks = height === 0 ? 'no blocks yet' : `blocks #0 to #${height - 1}`;
  throw new ExitError(`the chain in ${data} has ${blocks}, no #${missing}`);
}

/** Written beside its name, and renamed once it is whole and on the disk. */
async function toFile(source: Source, file: string): Promise<void> {
  mustBeNew(file);
  const beside = `${file}.hourcoin-unfinished`;
  const unwritten = (error: unknown): never => {
    throw error instanceof ExitError ? error : new ExitError(`${file} cannot be written: ${messageOf(error)}`);
  };
  // There may be what one that was killed has left, but no link to somewhere else.
  const opened = await open(beside, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW).catch(unwritten);
  if (!tryLock(opened.fd)) {
    await opened.close();
    throw new ExitError(`another export is writing ${file}: choose another name`);
  }
  await undoable(
    async () => {
      // One that had the lock may have ended just now.
      mustBeNew(file);
      await opened.truncate();
      await writeChain(source, (bytes) => opened.appendFile(bytes));
      await opened.sync();
      renameSync(beside, file);
    },
    () => rmSync(beside, { force: true }),
  )
    .catch(unwritten)
    .finally(() => opened.close());
}

function mustBeNew(file: string): void {
  if (existsSync(file)) throw new ExitError(`there is something at ${file} already: choose another name`);
}

async function toStdout(source: Source): Promise<void> {
  const { stdout } = process;
  if (stdout.isTTY) throw new ExitError('this is no text: name a file, or lead it into a program', 2);
  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      stdout.write(bytes, (error) => {
        if (error) reject(new ExitError(`stdout cannot be written: ${error.message}`));
        else resolve();
      });
    });
  await writeChain(source, write);
}

/** Reads the blocks a piece at a time: they stay as they are, however the chain grows meanwhile. */
async function writeChain(source: Source, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const { chain, first, count } = source;
  const archive = new ArchiveWriter({ ...chain, firstIndex: first, blockCount: count });
  const progress = new Progress();
  let pieces = [archive.header()];
  let bytes = 0;
  try {
    for (let done = 0; done < count; done++) {
      const piece = archive.block(readBlock(source, first + done));
      pieces.push(piece);
      bytes += piece.length;
      if (bytes < PIECE_BYTES) continue;
      progress.show('blocks', done, count);
      await write(Buffer.concat(pieces));
      pieces = [];
      bytes = 0;
    }
    await write(Buffer.concat(pieces));
  } finally {
    progress.clear();
  }
}

/** Throws an ExitError that says what can be had, where the block is not what was stored. */
function readBlock({ store, first }: Source, index: number): StoredBlock {
  const remedy = index > first ? `: the blocks before it can be had with --to ${index - 1}` : '';
  try {
    const accepted = store.block(index);
    if (accepted !== undefined) return accepted;
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof RangeError)) throw error;
    throw new ExitError(`block #${index} cannot be read (${error.message})${remedy}`);
  }
  throw new ExitError(`block #${index} is missing${remedy}`);
}
