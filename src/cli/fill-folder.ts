/** Commands that make a data folder: it is there whole, or not at all, however they end. */

import { NewFolder } from '../store/new-folder.js';
import { undoable } from './exit.js';
import { Progress } from './progress.js';

/** Makes a data folder: `fill` puts what belongs there into an empty place. Throws a StoreError that says what to do, or what `fill` throws. */
export async function fillFolder<T>(to: string, fill: (place: string, progress: Progress) => Promise<T>): Promise<T> {
  const progress = new Progress();
  let folder: NewFolder | undefined;
  return undoable(
    async () => {
      folder = NewFolder.begin(to);
      const filled = await fill(folder.place, progress);
      folder.keep();
      return filled;
    },
    () => {
      progress.clear();
      folder?.undo();
    },
  );
}
