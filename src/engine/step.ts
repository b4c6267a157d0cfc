/**
 * Judging (spec, sections 6 and 8): `step` takes a state, an input and a time, and says what to answer and what changes. It changes
 * nothing itself, and knows no clock, store or socket: the same inputs at the same times give the same state everywhere.
 */

import type { Block } from '../../gen/hourcoin/v1/block.js';
import type { ChainCode } from '../../gen/hourcoin/v1/validator_service.js';
import { blockHash } from './bytes.js';
import { contentHash, encodeContent } from './content.js';
import { formatDifficulty } from './difficulty.js';
import { checkBlock, type OutputLookup, offTip } from './rules.js';
import { apply, type Change, LOCKOUT_MS, lockoutRemaining, previousTimestamp, ROUND_MS, type State } from './state.js';
import { challengeAt, meetsTonce } from './tonce.js';
import * as say from './verdict.js';

/** How far a block's timestamp may lie behind the validator's clock, milliseconds (spec, section 3). */
export const WINDOW_PAST_MS = 300_000n;

/** How far a block's timestamp may lie ahead of the validator's clock, milliseconds (spec, section 3). */
export const WINDOW_FUTURE_MS = 500n;

/** A miner's block, decoded and within the stateless limits. */
export interface Submission {
  readonly minerId: string;
  readonly block: Block;
}

/** What a judged submission is answered, and what it changes, in order. */
export interface Judgement {
  readonly verdict: say.Verdict;
  readonly changes: readonly Change[];
}

/**
 * The rounds that are over at a time without an accepted block (spec, section 8, "Rounds"): before any input is judged or read,
 * k = floor((now − round_start) / 3 600 000) rounds end. Returns the change, or undefined where none has ended.
 */
export function passRounds(state: State, now: bigint): Change | undefined {
  const { number, start } = state.round;
  const ended = (now - start) / ROUND_MS;
  return ended > 0n ? { type: 'round', number: number + ended, start: start + ended * ROUND_MS } : undefined;
}

/**
 * Judges a submission at a time on the validator's clock, milliseconds. `state` must have been brought to that time by
 * `passRounds`. Never throws, whatever the block holds.
 */
export function step(state: State, { minerId, block }: Submission, now: bigint, lookup: OutputLookup): Judgement {
  // Step 1: "The miner's lockout is not over: RejectedMinerInLockout."
  const remaining = lockoutRemaining(state, minerId, now);
  if (remaining > 0n) return unchanged(say.inLockout(remaining));

  // Step 2: "The miner has already attempted in this round: RejectedMinerAlreadyAttempted."
  const roundRemaining = state.round.start + ROUND_MS - now;
  if (state.round.attempts.has(minerId)) return unchanged(say.alreadyAttempted(roundRemaining));

  // Section 8: "a block that is not on the current tip is answered and uses nothing up."
  const offTipCode = offTip(state, block);
  if (offTipCode !== undefined) return unchanged(say.chainRuleBroken(offTipCode, 0n));

  // Step 3: "The attempt is recorded: a later failure uses the miner's one attempt up."
  const changes: Change[] = [{ type: 'attempt', minerId }];
  const rejected = (verdict: say.Verdict): Judgement => ({ verdict, changes });

  // Step 4: "Timestamp outside the window of section 3: RejectedInvalidTimestamp."
  const { timestamp } = block;
  if (timestamp < now - WINDOW_PAST_MS || timestamp > now + WINDOW_FUTURE_MS) {
    return rejected(say.invalidTimestamp(roundRemaining));
  }

  // Step 5: "Tonce not met: RejectedTonceChallenge."
  const { tonce } = challengeAt(previousTimestamp(state), now);
  if (!meetsTonce(timestamp, tonce)) return rejected(say.tonceNotMet(roundRemaining));

  // Section 8: "a claimed hash, of whatever length, that is not the block's hash → RejectedInvalidHash."
  const hash = blockHash(block);
  if (!hash.equals(block.hash)) return rejected(say.hashNotTheBlocks(roundRemaining));

  // Step 6: "Chain rules, RejectedBlockchainValidation with the first code that applies."
  const { difficulty } = state.parameters;
  const outputs = checkBlock(state, block, hash, difficulty, lookup);
  if (isCode(outputs)) return rejected(say.chainRuleBroken(outputs, roundRemaining));

  // Step 7: "Accepted."
  const accepted = {
    block,
    minerId,
    acceptedAt: now,
    round: state.round.number,
    tonce,
    difficulty: formatDifficulty(difficulty),
    contentHash: contentHash(encodeContent(block)),
  };
  return { verdict: say.accepted(LOCKOUT_MS), changes: [...changes, { type: 'block', accepted, outputs }] };
}

/** Brings a state to a time, judges a submission there and carries the changes out: what a replay does for every block. */
export function stepAndApply(state: State, submission: Submission, now: bigint, lookup: OutputLookup): Judgement {
  const passed = passRounds(state, now);
  if (passed !== undefined) apply(state, passed);
  const { verdict, changes } = step(state, submission, now, lookup);
  for (const change of changes) apply(state, change);
  return { verdict, changes: passed === undefined ? changes : [passed, ...changes] };
}

function unchanged(verdict: say.Verdict): Judgement {
  return { verdict, changes: [] };
}

function isCode(outcome: ReturnType<typeof checkBlock>): outcome is ChainCode {
  return typeof outcome === 'number';
}
