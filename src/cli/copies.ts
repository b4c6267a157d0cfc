/** `hourcoin backup` and `hourcoin restore`: verified copies of a data folder, there whole or not at all. */

import { existsSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { copyAtRest, copyChain } from '../store/backup.js';
import { LmdbStore } from '../store/lmdb.js';
import { NewFolder } from '../store/new-folder.js';
import { StoreError } from '../store/store.js';
import { ExitError } from './exit.js';
import { fillFolder } from './fill-folder.js';
import { colour, quoted, say } from './text.js';
import { verifyCopy } from './verify.js';

const MIB = 1_048_576;

/** Copies the data folder, also beside a running validator. */
export async function runBackup(folder: string, data: string): Promise<void> {
  if (!NewFolder.isFree(folder)) {
    throw new ExitError(`there is something in ${folder} already: name a new folder for this backup`);
  }
  if (liesIn(folder, data)) {
    throw new ExitError(`${folder} lies in the data folder, and would be lost with it: name a folder elsewhere`);
  }
  await copy(data, folder, copyChain);
  say(`  To go back to it: hourcoin restore ${quoted(folder)} --data NEW`);
}

/** Whether a path, of which there need be nothing yet, leads into a folder, also by links. */
function liesIn(path: string, folder: string): boolean {
  if (!existsSync(folder)) return false;
  let there = resolve(path);
  while (!existsSync(there)) there = dirname(there);
  const way = relative(realpathSync(folder), realpathSync(there));
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Makes a data folder of a backup. */
export async function runRestore(backup: string, data: string): Promise<void> {
  if (resolve(backup) === resolve(data))
    throw new ExitError('a backup is not restored into itself: choose another --data');
  await copy(backup, data, copyAtRest);
  say(`  To start it: hourcoin validator --data ${quoted(data)}`);
}

/** Throws a StoreError which, where the data is damaged, names what was copied. */
async function broughtUp(place: string, from: string): Promise<void> {
  try {
    await LmdbStore.open(place, say).close();
  } catch (error) {
    const isDamage = error instanceof StoreError && error.message.startsWith(`the data in ${place} is damaged`);
    throw isDamage ? new StoreError(error.message.replaceAll(place, from)) : error;
  }
}

async function copy(from: string, to: string, make: typeof copyChain): Promise<void> {
  const { blocks, tip } = await fillFolder(to, async (place, progress) => {
    await make(from, place, (done, of) => progress.show('MiB', done / MIB, of / MIB));
    // One of an older format is brought to this version's.
    await broughtUp(place, from);
    return verifyCopy(place, from, progress);
  });
  say(colour('green', `✓ ${from} is copied to ${to}, and the copy is sound`));
  say(`  Blocks:       ${blocks}`);
  if (tip !== undefined) say(`  Newest block: ${tip.toString('hex')}`);
}
