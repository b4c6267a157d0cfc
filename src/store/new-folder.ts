/**
 * A data folder that is filled whole or not at all: its data file is made in a folder within it, and moved into its place once it is complete and
 * on the disk. Whatever ends the process before that, the folder holds no data.
 */

import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DATA_FILE, hasData, LOCK_FILE, lockFolder, madeFolders, READERS_FILE, ROOM_FILE, unusable } from './folder.js';
import { StoreError } from './store.js';

const PLACE = '.hourcoin-unfinished';

/** All that there may be in it. Where there is more, it is somebody else's. */
const IN_PLACE = [DATA_FILE, READERS_FILE, LOCK_FILE, ROOM_FILE];

export class NewFolder {
  /** Where the data file is to be made: an empty folder. */
  readonly place: string;
  private over = false;

  private constructor(
    private readonly folder: string,
    /** The folders that there were none of before, the innermost first: this one, and those that it lies in. */
    private readonly made: readonly string[],
    private readonly unlock: () => void,
  ) {
    this.place = join(folder, PLACE);
  }

  /** Takes a folder that has no data, and makes it where there is none. Throws a StoreError that says what to do. */
  static begin(folder: string): NewFolder {
    const made = madeFolders(folder);
    const unlock = lockFolder(folder);
    const begun = new NewFolder(folder, made, unlock);
    try {
      if (hasData(folder)) {
        throw new StoreError(
          `there is a chain in ${folder} already, which is not written over: choose another folder, or move ${join(folder, DATA_FILE)} away first`,
        );
      }
      clear(begun.place);
      mkdirSync(begun.place, { mode: 0o700 });
      return begun;
    } catch (error) {
      unlock();
      throw error instanceof StoreError ? error : unusable(folder, error);
    }
  }

  /** Whether a folder is one to begin with: there is none, or it holds nothing but what one that was ended in the middle has left. */
  static isFree(folder: string): boolean {
    if (!existsSync(folder)) return true;
    try {
      return readdirSync(folder).every((name) => name === PLACE || name === LOCK_FILE);
    } catch (error) {
      throw unusable(folder, error);
    }
  }

  /** Makes the data file that was made the folder's: from now on it has data, also after a power cut. */
  keep(): void {
    const file = join(this.place, DATA_FILE);
    try {
      chmodSync(file, 0o600);
      sync(file);
      renameSync(file, join(this.folder, DATA_FILE));
      sync(this.folder);
      for (const folder of this.made) sync(dirname(folder));
      rmSync(this.place, { recursive: true, force: true });
    } catch (error) {
      throw unusable(this.folder, error);
    }
    this.over = true;
    this.unlock();
  }

  /** Leaves everything as it was, unless it was kept. */
  undo(): void {
    if (this.over) return;
    this.over = true;
    rmSync(this.place, { recursive: true, force: true });
    if (this.made.length > 0) rmSync(join(this.folder, LOCK_FILE), { force: true });
    for (const folder of this.made) {
      // Somebody may have put something there.
      if (readdirSync(folder).length === 0) rmdirSync(folder);
    }
    this.unlock();
  }
}

/** Removes what one that was ended in the middle has left. Throws a StoreError where it is something else. */
function clear(place: string): void {
  const found = lstatSync(place, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory() || !readdirSync(place).every((name) => IN_PLACE.includes(name))) {
    throw new StoreError(`${place} is not what hourcoin would have left there: move it away first`);
  }
  rmSync(place, { recursive: true });
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
