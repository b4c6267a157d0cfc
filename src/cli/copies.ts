/** `hourcoin backup` and `hourcoin restore`: verified copies of a data folder, there whole or not at all. */

import { isAbsolute, relative, resolve } from 'node:path';
import { copyAtRest, copyChain } from '../store/backup.js';
import { LmdbStore } from '../store/lmdb.js';
import { NewFolder } from '../store/new-folder.js';
import { ExitError } from './exit.js';
import { fillFolder } from './fill-folder.js';
import { colour, say } from './text.js';
import { verifyCopy } from './verify.js';

const MIB = 1_048_576;

/** Copies the data folder, also beside a running validator. */
export async function runBackup(folder: string, data: string): Promise<void> {
  if (!NewFolder.isFree(folder)) {
    throw new ExitError(`there is something in ${folder} already: name a new folder for this backup`);
  }
  const within = relative(data, folder);
  if (!within.startsWith('..') && !isAbsolute(within)) {
    throw new ExitError(`${folder} lies in the data folder, and would be lost with it: name a folder elsewhere`);
  }
  await copy(data, folder, copyChain);
  say(`  To go back to it: hourcoin restore ${folder} --data NEW`);
}

/** Makes a data folder of a backup. */
export async function runRestore(backup: string, data: string): Promise<void> {
  if (resolve(backup) === resolve(data))
    throw new ExitError('a backup is not restored into itself: choose another --data');
  await copy(backup, data, copyAtRest);
  say(`  To start it: hourcoin validator --data ${data}`);
}

async function copy(from: string, to: string, make: typeof copyChain): Promise<void> {
  const { blocks, tip } = await fillFolder(to, async (place, progress) => {
    await make(from, place, (done, of) => progress.show('MiB', done / MIB, of / MIB));
    // One of an older format is brought to this version's.
    await LmdbStore.open(place, say).close();
    return verifyCopy(place, from, progress);
  });
  say(colour('green', `✓ ${from} is copied to ${to}, and the copy is sound`));
  say(`  Blocks:       ${blocks}`);
  if (tip !== undefined) say(`  Newest block: ${tip.toString('hex')}`);
}
