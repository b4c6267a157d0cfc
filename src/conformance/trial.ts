/**
 * A trial: a running validator is held against the rules by a block that it accepts and many that it must not. It is asked as any miner would
 * ask it, on either wire, under miner ids that nobody else has. Other miners may go on meanwhile.
 */

import { randomBytes } from 'node:crypto';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import { type RoundInfo, type SubmitBlockResponse, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../client/errors.js';
import { HASH_BYTES, MAX_U32 } from '../engine/bytes.js';
import { contentHash, encodeContent } from '../engine/content.js';
import { formatDifficulty, parseDifficulty } from '../engine/difficulty.js';
import { Fault } from '../engine/fault.js';
import { LOCKOUT_MS, ROUND_MS } from '../engine/state.js';
import { WINDOW_FUTURE_MS, WINDOW_PAST_MS } from '../engine/step.js';
import { challengeAt } from '../engine/tonce.js';
import { CHAIN_CODE_NAMES, RESULT_NAMES } from '../engine/verdict.js';
import type { ChainValidator, Validator } from '../validator/validator.js';
import { Difference, mustBeMessage, short } from './compare.js';
import { CannotTry, makeBlock, type Rule } from './rules.js';

/** What came of one check. `detail`: what differs, or why it was skipped. */
export interface Finding {
  readonly name: string;
  readonly outcome: 'conforms' | 'differs' | 'skipped';
  readonly detail?: string;
}

/** The check that all others build on. */
export const GOOD_BLOCK = 'A good block is accepted';

/** How often a check is made again where another miner was faster. */
const TRIES = 5;

/** What a validator's clock can show, milliseconds, and how fast it can run, with a large margin. */
const MAX_TIME_MS = 1n << 60n;
const MAX_CLOCK_SPEED = 1_000_000;

/** Beyond that a window of 500 ms has passed before an answer arrives. */
const FASTEST_CLOCK = 5_000;

const ACCEPTED = 'Block accepted! You are now in 1-hour lockout.';
const ATTEMPTED = { result: 'RejectedMinerAlreadyAttempted', message: 'Already attempted this round' };

/** Another miner's block came between. */
class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

/** A broken block is on the chain. */
class WrongfullyAccepted extends Difference {}

/** The block that the trial's miner was accepted with. */
interface Won {
  readonly minerId: string;
  readonly block: Block;
  readonly round: RoundInfo;
}

/** Makes every check, and tells each as it is made. Throws where the validator cannot be reached. */
export async function* tryRules(
  validator: Validator | ChainValidator,
  rules: readonly Rule[],
): AsyncGenerator<Finding, void> {
  const trial = new Trial(validator);
  const first = await validator.getRoundInfo('conformance');
  if (first.round === 0n) {
    yield { name: 'Rules', outcome: 'skipped', detail: 'it tells no tip to make a block on (spec, section 8)' };
    return;
  }
  // What only an empty chain can show is no line of one that has blocks.
  for (const rule of rules.filter(({ on }) => on !== undefined && first.nextIndex === 0)) {
    yield await trial.check(rule.name, () => trial.rule(rule));
  }
  const won = await trial.check(GOOD_BLOCK, () => trial.win());
  yield won;
  // Without a block nothing else can be tried either.
  if (won.outcome === 'skipped') return;
  yield* trial.afterwards();
  for (const rule of rules.filter(({ on }) => on === undefined)) {
    yield await trial.check(rule.name, () => trial.rule(rule));
  }
}

class Trial {
  private readonly name = `conformance-${randomBytes(6).toString('hex')}`;
  private miners = 0;
  private won: Won | undefined;
  /** A broken block was accepted: what it has spent, no other rule can be tried with. */
  private spoiled = false;

  constructor(private readonly validator: Validator | ChainValidator) {}

  /** Makes a check, again where another miner came between. */
  async check(name: string, made: () => Promise<void>): Promise<Finding> {
    for (let left = TRIES; ; left--) {
      try {
        await made();
        return { name, outcome: 'conforms' };
      } catch (error) {
        if (error instanceof Overtaken && left > 1) continue;
        if (error instanceof Overtaken) return { name, outcome: 'skipped', detail: 'other miners were always faster' };
        if (error instanceof CannotTry) return { name, outcome: 'skipped', detail: error.message };
        if (!isAnswer(error)) throw error;
        return { name, outcome: 'differs', detail: error.message };
      }
    }
  }

  /** A block that must be accepted. */
  async win(): Promise<void> {
    const round = await this.round();
    const minerId = this.newMiner();
    const block = await makeBlock(round, this.name);
    await this.undisturbed(round, block, async () => {
      const answer = await this.validator.submitBlock(minerId, block);
      mustBe(answer, { result: 'Accepted', message: ACCEPTED });
      this.won = { minerId, block, round };
      this.spoiled = false;
    });
  }

  /** What must hold once a block was accepted. */
  async *afterwards(): AsyncGenerator<Finding, void> {
    yield await this.check('Its miner is in lockout for an hour', async () => {
      const { minerId, round } = this.winner();
      const { isLocked, secondsRemaining: left } = await this.validator.checkLockout(minerId);
      const passed = (await this.round()).serverTime - round.serverTime;
      if (!isLocked || left > LOCKOUT_MS / 1_000n || left < (LOCKOUT_MS - passed) / 1_000n)
        throw new Difference(`expected a lockout of an hour, received ${isLocked ? `${left} seconds` : 'none'}`);
    });
    yield await this.check('A miner in lockout is told for how long', async () => {
      const { minerId, block } = this.winner();
      const { result, message } = await this.validator.submitBlock(minerId, block);
      if (
        result !== SubmitResult.REJECTED_MINER_IN_LOCKOUT ||
        !/^Miner in lockout\. \d+ seconds remaining\.$/.test(message)
      )
        throw new Difference(`expected RejectedMinerInLockout, received ${named(result)}: ${message}`);
    });
    yield await this.check('A new round has begun on the block', async () => {
      const { block, round } = this.winner();
      const now = await this.round();
      if (now.nextIndex > block.index + 1) throw new CannotTry('another miner has made a block since');
      mustBeMessage(
        {
          round: round.round + 1n,
          nextIndex: block.index + 1,
          prevBlockHash: block.hash,
          tipTimestamp: block.timestamp,
        },
        now,
      );
    });
    yield await this.check('The chain has grown by the block', async () => {
      const { block } = this.winner();
      const { blockCount, tipHash } = await this.validator.getBlockchainInfo();
      if (blockCount > block.index + 1) throw new CannotTry('another miner has made a block since');
      mustBeMessage({ blockCount: BigInt(block.index + 1), tipHash: block.hash }, { blockCount, tipHash });
    });
    const { validator } = this;
    if ('watchBlocks' in validator) yield* this.onTheChain(validator);
  }

  /** A broken block of a new miner, twice: its answer, and whether that has cost the attempt. */
  async rule({ block: recipe, result, message, uses_attempt }: Rule): Promise<void> {
    if (this.spoiled) await this.win();
    const round = await this.round();
    const [unspent] = this.won?.block.transactions[0]?.outputs ?? [];
    const block = await makeBlock(round, this.name, recipe, unspent);
    const minerId = this.newMiner();
    await this.undisturbed(round, block, async () => {
      const expected = { result, message };
      mustBe(await this.validator.submitBlock(minerId, block), expected);
      const again = await this.validator.submitBlock(minerId, block);
      mustBe(again, uses_attempt ? ATTEMPTED : expected, 'submitted once more: ');
    });
  }

  /** What only gRPC tells. */
  private async *onTheChain(validator: ChainValidator): AsyncGenerator<Finding, void> {
    const whole = (block: Block) => ({ block, contentHash: contentHash(encodeContent(block)) });
    yield await this.check('GetBlock gives the block whole, by its hash and by its index', async () => {
      const { minerId, block } = this.winner();
      for (const name of [{ hash: block.hash }, { index: block.index }]) {
        mustBeMessage({ ...whole(block), minerId }, await validator.getBlock(name));
      }
    });
    yield await this.check('WatchBlocks gives the block first when it is asked from its index on', async () => {
      const { block } = this.winner();
      mustBeMessage(whole(block), await firstOf((signal) => validator.watchBlocks(block.index, { signal })));
    });
    yield await this.check('WatchRounds gives the round in force at once', async () => {
      const told = await firstOf((signal) => validator.watchRounds('conformance', { signal }));
      const now = await this.round();
      if (now.round < told.round || now.nextIndex < told.nextIndex || told.round <= this.winner().round.round)
        throw new Difference(`expected round ${now.round}, received ${told.round}`);
    });
    yield await this.check('GetMiner knows of the block and of the lockout', async () => {
      const { minerId, block } = this.winner();
      const expected = { minerId, isLocked: true, hasAttempted: false, blockCount: 1n, lastBlockIndex: block.index };
      mustBeMessage(expected, await validator.getMiner(minerId));
    });
  }

  private winner(): Won {
    if (this.won === undefined) throw new CannotTry('no block was accepted');
    return this.won;
  }

  private newMiner(): string {
    return `${this.name}-${++this.miners}`;
  }

  private async round(): Promise<RoundInfo> {
    const round = await this.validator.getRoundInfo('conformance');
    mustMakeSense(round);
    return round;
  }

  /** Submits a block as it is right for a round: what differs because another block has ended the round says nothing. */
  private async undisturbed(round: RoundInfo, block: Block, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (error instanceof WrongfullyAccepted) this.spoiled = true;
      if (!(error instanceof Difference) || error instanceof WrongfullyAccepted) throw error;
      const now = await this.round();
      throw now.nextIndex === round.nextIndex || now.prevBlockHash.equals(block.hash) ? error : new Overtaken();
    }
  }
}

/** Whether an error is what the validator has said, or has kept us waiting for: it can be asked on. */
function isAnswer(error: unknown): error is Error {
  if (error instanceof ConnectionError) return error.reason === 'BAD_ANSWER' || error.reason === 'TIMED_OUT';
  return error instanceof Difference || error instanceof Fault;
}

/** What a round tells must follow from the tip and the clock that it tells (spec, sections 3, 5 and 8). */
function mustMakeSense(round: RoundInfo): void {
  const { serverTime, tipTimestamp, roundStart, clockSpeed, nextIndex, prevBlockHash, difficulty } = round;
  const inFirstRound = tipTimestamp === undefined && round.round === 1n;
  // Without a tip, and an hour after the first round began, the challenge is long over.
  const challenge = challengeAt(tipTimestamp ?? (inFirstRound ? roundStart : 0n), serverTime);
  const wrong = [
    (round.tonce !== challenge.tonce || round.challengeSecondsRemaining !== challenge.secondsRemaining) &&
      `tonce ${round.tonce} for ${round.challengeSecondsRemaining} s, not ${challenge.tonce} for ${challenge.secondsRemaining} s`,
    round.lockoutMs !== LOCKOUT_MS && `lockout_ms ${round.lockoutMs}`,
    round.windowPastMs !== WINDOW_PAST_MS && `window_past_ms ${round.windowPastMs}`,
    round.windowFutureMs !== WINDOW_FUTURE_MS && `window_future_ms ${round.windowFutureMs}`,
    (roundStart > serverTime || serverTime - roundStart >= ROUND_MS) && `round_start ${roundStart} at ${serverTime}`,
    (tipTimestamp ?? 0n) > serverTime + WINDOW_FUTURE_MS && `tip_timestamp ${tipTimestamp} at ${serverTime}`,
    (parseDifficulty(difficulty) === undefined || difficulty !== formatDifficulty(BigInt(difficulty))) &&
      `difficulty ${short(difficulty)}`,
    !(clockSpeed > 0 && clockSpeed <= MAX_CLOCK_SPEED) && `clock_speed ${clockSpeed}`,
    nextIndex === MAX_U32 && `next_index ${nextIndex}`,
    prevBlockHash.length !== HASH_BYTES && `prev_block_hash of ${prevBlockHash.length} bytes`,
    serverTime > MAX_TIME_MS && `server_time ${serverTime}`,
  ].filter((part) => part !== false);
  if (wrong.length > 0) throw new Difference(`its RoundInfo has ${wrong.join(', ')}`);
  if (clockSpeed > FASTEST_CLOCK) throw new CannotTry(`its clock runs ${clockSpeed} times as fast as real time`);
}

function mustBe(
  { result, message, code }: SubmitBlockResponse,
  expected: { readonly result: string; readonly message: string },
  when = '',
): void {
  const broken = expected.message.slice(expected.message.lastIndexOf(' ') + 1);
  const rightCode =
    (CHAIN_CODE_NAMES[code] ?? '') === (result === SubmitResult.REJECTED_BLOCKCHAIN_VALIDATION ? broken : '');
  if (named(result) === expected.result && message === expected.message && rightCode) return;
  if (result === SubmitResult.ACCEPTED)
    throw new WrongfullyAccepted(`${when}expected ${expected.result}: ${expected.message}; it was accepted`);
  const said = `${named(result)} ${CHAIN_CODE_NAMES[code] ?? ''}`.trim();
  throw new Difference(`${when}expected ${expected.result}: ${expected.message}; received ${said}: ${message}`);
}

function named(result: SubmitResult): string {
  return RESULT_NAMES[result] ?? `result ${result}`;
}

/** The first that a stream gives; the stream is then left. */
async function firstOf<T>(watch: (signal: AbortSignal) => AsyncIterable<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), 10_000);
  try {
    for await (const first of watch(late.signal)) return first;
    throw new Difference('expected a message of the stream, and it ended');
  } catch (error) {
    throw late.signal.aborted ? new Difference('expected a message of the stream, and none came for 10 s') : error;
  } finally {
    clearTimeout(timer);
  }
}
