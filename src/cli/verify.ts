/** `hourcoin verify`: checks a data folder, also beside a running validator. */

import { setImmediate as turn } from 'node:timers/promises';
import { LmdbStore } from '../store/lmdb.js';
import { tableOf } from '../store/records.js';
import { type Problem, type Verification, verify, verifySteps } from '../validator/verify.js';
import { ExitError } from './exit.js';
import { plainJson } from './json.js';
import { Progress } from './progress.js';
import { colour, harmless, quoted, say } from './text.js';

export async function runVerify(folder: string, json: boolean): Promise<void> {
  const store = LmdbStore.openReadOnly(folder);
  try {
    if (store.stored === undefined) throw new ExitError(`there is no chain in ${folder}`);
    const found = atOnce(store);
    const isSound = found.problems.length === 0;
    if (json) say(JSON.stringify(plainJson({ isSound, ...found }), null, 2));
    else if (isSound) tellSound(found, folder);
    else tellProblems(found, folder);
    if (!isSound) throw new ExitError(unsound(folder, found));
  } finally {
    await store.close();
  }
}

/** Verifies a copy that was just made: nobody writes to it, so that Ctrl-C can be heard meanwhile. Throws an ExitError where it is not sound. */
export async function verifyCopy(copy: string, of: string, progress: Progress): Promise<Verification> {
  const store = LmdbStore.openReadOnly(copy);
  try {
    const steps = verifySteps(store);
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        const found = step.value;
        if (found.problems.length > 0) throw new ExitError(`${unsound(of, found)} (hourcoin verify says more)`);
        return found;
      }
      progress.show(...step.value);
      await turn();
    }
  } finally {
    progress.clear();
    await store.close();
  }
}

/** Shows how far it is. Nothing listens for Ctrl-C meanwhile: the system ends the program at once, which only reads. */
function atOnce(store: LmdbStore): Verification {
  const progress = new Progress();
  try {
    return verify(store, (what, done, of) => progress.show(what, done, of));
  } finally {
    progress.clear();
  }
}

function unsound(folder: string, { blocks, height, problems }: Verification): string {
  const bad = problems[0]?.block;
  const where = bad === undefined ? 'what is kept beside them is not' : `block #${bad} is not`;
  return `the chain in ${folder} is not sound: ${blocks} of ${height} blocks are, ${where}`;
}

function tellSound({ blocks, tip, outputs, unspent }: Verification, folder: string): void {
  say(colour('green', `✓ The chain in ${folder} is sound`));
  say(`  Blocks replayed: ${blocks}`);
  if (tip !== undefined) say(`  Newest block:    ${tip.toString('hex')}`);
  say(`  Outputs: ${outputs}, of which ${unspent} are unspent`);
}

/** Everything that is wrong, what is sound before it, and what can be done. */
function tellProblems({ blocks, height, problems }: Verification, folder: string): void {
  for (const { block, hash, record, what, expected, found } of problems) {
    say(colour('red', `✗ ${block === undefined ? '' : `block #${block}: `}${harmless(what)}`));
    if (hash !== undefined) say(`  Hash:     ${hash.toString('hex')}`);
    if (record !== undefined) say(`  Record:   ${record} (${tableOf(record)})`);
    if (expected !== undefined) say(`  Expected: ${harmless(expected)}`);
    if (found !== undefined) say(`  Found:    ${harmless(found)}`);
  }
  say();
  for (const line of remedy(problems[0]?.block, blocks, height, harmless(quoted(folder)))) say(line);
}

function remedy(bad: Problem['block'], blocks: number, height: number, folder: string): string[] {
  const restore = '  hourcoin restore BACKUP --data NEW';
  if (bad === 0) return ['There is no sound block before it that could be saved. If there is a backup:', restore];
  let sound = blocks === 1 ? 'Block #0 is sound' : `Blocks #0 to #${blocks - 1} are sound`;
  if (bad === undefined) sound = `All ${height} blocks are sound`;
  return [
    `${sound}. If there is no backup, what is sound can be saved into a new folder, without keys:`,
    `  hourcoin export chain.hourcoin${bad === undefined ? '' : ` --to ${blocks - 1}`} --data ${folder}`,
    '  hourcoin import chain.hourcoin --data NEW',
    'If there is one:',
    restore,
  ];
}
