/** `hourcoin verify`: checks a data folder, also beside a running validator. */

import { LmdbStore } from '../store/lmdb.js';
import { type Verification, verify } from '../validator/verify.js';
import { ExitError } from './exit.js';
import { Progress } from './progress.js';
import { colour, harmless, say } from './text.js';

export async function runVerify(folder: string): Promise<void> {
  const store = LmdbStore.openReadOnly(folder);
  try {
    if (store.stored === undefined) throw new ExitError(`there is no chain in ${folder}`);
    const { blocks, outputs, unspent, problems } = verified(store);
    if (problems.length > 0) {
      for (const problem of problems) say(colour('red', `✗ ${harmless(problem)}`));
      throw new ExitError(`the chain in ${folder} is not sound: ${blocks} blocks are`);
    }
    say(colour('green', `✓ The chain in ${folder} is sound`));
    say(`  Blocks replayed: ${blocks}`);
    say(`  Outputs: ${outputs}, of which ${unspent} are unspent`);
  } finally {
    await store.close();
  }
}

/** Shows how far it is. Nothing listens for Ctrl-C meanwhile: the system ends the program at once, which only reads. */
function verified(store: LmdbStore): Verification {
  const progress = new Progress();
  try {
    return verify(store, (what, done, of) => progress.show(what, done, of));
  } finally {
    progress.clear();
  }
}
