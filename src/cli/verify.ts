/** `hourcoin verify`: checks a data folder, also beside a running validator. */

import { LmdbStore } from '../store/lmdb.js';
import { verify } from '../validator/verify.js';
import { ExitError } from './exit.js';
import { colour, harmless, say } from './text.js';

export async function runVerify(folder: string): Promise<void> {
  const store = LmdbStore.openReadOnly(folder);
  try {
    if (store.stored === undefined) throw new ExitError(`there is no chain in ${folder}`);
    const { blocks, outputs, unspent, problems } = verify(store, showProgress);
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

/** A bar on a terminal; nothing elsewhere. */
function showProgress(done: number, height: number): void {
  if (!process.stderr.isTTY || height < 1_000) return;
  const filled = Math.round((30 * done) / height);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(30 - filled)}`;
  process.stderr.write(`\r\x1b[2K${bar} ${done} of ${height} blocks${done === height ? '\n' : ''}`);
}
