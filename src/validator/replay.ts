/** Judges a block of a chain again: at the time at which it was accepted, on the chain before it. */

import type { OutputLookup } from '../engine/rules.js';
import type { Change, State, StoredBlock } from '../engine/state.js';
import { stepAndApply } from '../engine/step.js';

/** What is wrong. */
export interface Flaw {
  /** In a few words. */
  readonly what: string;
  readonly expected?: string;
  readonly found?: string;
}

/** What a block's replay came to. */
export interface Replayed {
  /** All that the block changes. */
  readonly changes: readonly Change[];
  /** The change that adds it to the chain; undefined where the rules do not accept it. */
  readonly change: Extract<Change, { type: 'block' }> | undefined;
  /** Empty where the block is accepted, and as it was. */
  readonly flaws: readonly Flaw[];
}

/** Replays a block, and carries its changes out. */
export function replay(state: State, accepted: StoredBlock, lookup: OutputLookup): Replayed {
  const { block, minerId, acceptedAt } = accepted;
  const flaws: Flaw[] = [];
  const { start } = state.round;
  if (acceptedAt < start) {
    const what = 'it was accepted before the block before it';
    flaws.push({ what, expected: `accepted at ${start} or later`, found: `${acceptedAt}` });
  }
  const { verdict, changes } = stepAndApply(state, { minerId, block }, acceptedAt, lookup);
  const change = changes.find((one): one is Extract<Change, { type: 'block' }> => one.type === 'block');
  if (change === undefined) flaws.push({ what: `it is not accepted: ${verdict.message}` });
  else flaws.push(...differences(accepted, change.accepted));
  return { changes, change, flaws };
}

/** What the validator knew of the block, beside what the rules say. */
function differences(found: StoredBlock, expected: StoredBlock): Flaw[] {
  const flaws: Flaw[] = [];
  const compare = (name: string, has: bigint | number | string, due: bigint | number | string): void => {
    if (has !== due) flaws.push({ what: `it has ${name} ${has}, not ${due}`, expected: `${due}`, found: `${has}` });
  };
  compare('round', found.round, expected.round);
  compare('tonce', found.tonce, expected.tonce);
  compare('difficulty', found.difficulty, expected.difficulty);
  if (!found.contentHash.equals(expected.contentHash)) {
    const [due, has] = [expected, found].map(({ contentHash }) => contentHash.toString('hex')) as [string, string];
    flaws.push({ what: 'it has another content hash', expected: due, found: has });
  }
  return flaws;
}
