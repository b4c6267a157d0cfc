/**
 * The mining loop (spec, sections 7 and 8): wait for the lockout, take the round, make a block, submit it; go on whatever falls over. Index,
 * previous hash, difficulty, time and pace are the validator's.
 */

import type { Block } from '../../gen/hourcoin/v1/block.js';
import {
  ChainCode,
  type RoundInfo,
  type SubmitBlockResponse,
  SubmitResult,
} from '../../gen/hourcoin/v1/validator_service.js';
import { Backoff } from '../client/backoff.js';
import { ConnectionError } from '../client/errors.js';
import { NO_HASH } from '../engine/bytes.js';
import { parseDifficulty } from '../engine/difficulty.js';
import { Fault } from '../engine/fault.js';
import { WINDOW_FUTURE_MS, WINDOW_PAST_MS } from '../engine/step.js';
import { systemTimer, type Timer } from '../time/timer.js';
import type { ChainValidator, Validator } from '../validator/validator.js';
import { DEFAULT_MAX_ATTEMPTS } from './effort.js';
import type { MinerObserver } from './events.js';
import { linked } from './linked.js';
import { isOther, PolledRounds, type Rounds, type ToldRound, WatchedRounds } from './rounds.js';
import { coinbase, findNonce, findTimestamp, type Progress } from './search.js';
import { challengeNow, hostDiffers, surelyPassed, validatorTime } from './validator-time.js';

/** How a miner mines. */
export interface MiningOptions {
  /** Who is paid; the miner's id unless it is given. */
  readonly rewardAddress?: string | undefined;
  /** Stop after this many accepted blocks; never unless it is given. */
  readonly blocks?: number | undefined;
  /** How many timestamps are tried for one that meets the tonce: 100,000 unless it is given. */
  readonly maxAttempts?: number | undefined;
  /** For a validator that does not tell its tip: the index of the block to make, 0 unless it is given. */
  readonly index?: number | undefined;
  /** For such a validator: the tip's hash, 32 bytes; zeros unless it is given. */
  readonly prevHash?: Buffer | undefined;
  /** How many threads search a nonce that takes long, 1 to 256: 1, the caller's own, unless it is given. */
  readonly threads?: number | undefined;
  /** Stops the miner. */
  readonly signal?: AbortSignal | undefined;
  /** Hears what happens. */
  readonly onEvent?: MinerObserver | undefined;
}

/** What a deployed miner waits after a rejection, milliseconds (spec, section 7). */
const REJECTED_MS = 5_000n;

/** However long a validator asks for, a miner comes again by then, milliseconds: nothing that it counts takes longer. */
const LONGEST_REFUSAL_MS = 3_600_000;

/** Longer ago, what a validator told of its time is asked for again: its clock may have been slewed, or stand still. Milliseconds. */
const FRESH_MS = Number(WINDOW_FUTURE_MS / 2n);

/** A block that is not on the tip used nothing up: the miner goes on at once on the new one. */
const OFF_TIP: readonly ChainCode[] = [
  ChainCode.MISMATCHED_INDEX,
  ChainCode.MISMATCHED_PREVIOUS_HASH,
  ChainCode.ACHRONOLOGICAL_TIMESTAMP,
  ChainCode.INVALID_GENESIS_BLOCK_FORMAT,
];

/** A block's place in the chain, as the validator tells it or, where it does not, as the miner was told. */
interface Place {
  readonly index: number;
  readonly prevBlockHash: Buffer;
}

export class Miner {
  private readonly signal: AbortSignal;
  private readonly stopped = new AbortController();
  private readonly observe: MinerObserver;
  /** The validator, where it has streams and shows its chain. */
  private readonly chain: ChainValidator | undefined;
  private readonly rounds: Rounds;
  private readonly backoff = new Backoff();
  private readonly refusals = new Backoff();
  private connected = false;
  private connectedBefore = false;
  /** The last round that was asked for since the validator could be reached. */
  private told: ToldRound | undefined;
  private accepted = 0;
  /** Where the next block goes, on a validator that does not tell. */
  private ownPlace: Place;
  private saidDeployed = false;
  private saidClock = false;

  constructor(
    private readonly validator: Validator | ChainValidator,
    private readonly minerId: string,
    private readonly options: MiningOptions = {},
    private readonly timer: Timer = systemTimer,
  ) {
    this.signal = linked(this.stopped, options.signal);
    this.observe = options.onEvent ?? (() => {});
    this.ownPlace = { index: options.index ?? 0, prevBlockHash: options.prevHash ?? NO_HASH };
    this.chain = 'watchRounds' in validator ? validator : undefined;
    this.rounds =
      this.chain === undefined
        ? new PolledRounds(validator, minerId, timer)
        : new WatchedRounds(this.chain, minerId, timer, this.signal);
  }

  /** Mines until it is stopped or has made its blocks. Resolves to the number of blocks that were accepted. */
  async run(): Promise<number> {
    try {
      let round = await this.untilAnswered(() => this.firstRound());
      while (!this.isDone()) {
        if (await this.waitForLockout(round)) round = await this.untilAnswered(() => this.latest());
        round = await this.mine(round);
      }
    } catch (error) {
      if (!this.signal.aborted) throw error;
    } finally {
      this.stopped.abort();
    }
    return this.accepted;
  }

  /** Makes one block for a round and no more; undefined where no timestamp meets the tonce or a new round comes first. */
  async makeOne(round: ToldRound): Promise<Block | undefined> {
    try {
      const block = await this.makeBlock(round);
      const other = block && (await this.untilTimely(block, round));
      return other === undefined ? block : undefined;
    } finally {
      this.stopped.abort();
    }
  }

  private async makeBlock(round: ToldRound): Promise<Block | undefined> {
    const { info } = round;
    const { index, prevBlockHash } = this.placeOf(info);
    const { tonce, secondsRemaining } = challengeNow(round, this.timer.now());
    this.observe({ type: 'mining', index, tonce, secondsRemaining });

    const now = surelyPassed(round, this.timer.now());
    const afterTip = (info.tipTimestamp ?? -1n) + 1n;
    const { maxAttempts = DEFAULT_MAX_ATTEMPTS } = this.options;
    const timestamp = findTimestamp(now > afterTip ? now : afterTip, tonce, maxAttempts);
    if (timestamp === undefined) {
      this.observe({ type: 'no-timestamp', tried: maxAttempts });
      await this.pause(REJECTED_MS, info);
      return undefined;
    }
    this.observe({ type: 'timestamp', timestamp });

    const transactions = [coinbase(this.options.rewardAddress ?? this.minerId, timestamp)];
    const template = { index, timestamp, prevBlockHash, transactions };
    const block = await this.search(round, template);
    if (block === undefined) return undefined;
    this.observe({ type: 'mined', block });
    return block;
  }

  /**
   * Keeps a block until the validator's clock is near its timestamp. Returns the round to go on with where the block is of no use any more: a new round
   * has come, or the clock has left it behind.
   */
  private async untilTimely({ timestamp }: Block, made: ToldRound): Promise<ToldRound | undefined> {
    for (let round = made; ; ) {
      round = await this.fresh(round);
      if (isOther(round.info, made.info)) {
        this.observe({ type: 'overtaken' });
        return round;
      }
      const now = validatorTime(round, this.timer.now());
      if (timestamp < now - WINDOW_PAST_MS) return round;
      const ahead = timestamp - WINDOW_FUTURE_MS / 2n - now;
      if (ahead <= 0n) return undefined;
      await this.pause(ahead, round.info);
    }
  }

  /** A round with the validator's time as it was told just now. Nobody corrects the clock of a trial, and a deployed validator tells none. */
  private async fresh(round: ToldRound): Promise<ToldRound> {
    const { info, at } = round;
    const isFresh = this.timer.now() - at <= FRESH_MS;
    return isFresh || info.round === 0n || info.clockSpeed !== 1 ? round : this.rounds.again(round, this.signal);
  }

  /** Searches the nonce until it is found, a new round has come or the timestamp grows too old for the window. */
  private async search(round: ToldRound, template: Omit<Block, 'hash' | 'nonce'>): Promise<Block | undefined> {
    const difficulty = parseDifficulty(round.info.difficulty);
    if (difficulty === undefined)
      throw new ConnectionError('BAD_ANSWER', `the validator's difficulty cannot be read: ${round.info.difficulty}`);
    const over = new AbortController();
    const signal = linked(over, this.signal);
    let overtaken = false;
    const newRound = this.rounds.after(round, signal).then(() => {
      overtaken = true;
    });
    const freshMs = WINDOW_PAST_MS / 2n - (validatorTime(round, this.timer.now()) - template.timestamp);
    const tooOld = this.pause(freshMs, round.info, signal);
    const ends = [newRound, tooOld].map((end) =>
      end.then(
        () => over.abort(),
        // The validator cannot be reached, which shows when the block is submitted; or the search is over.
        () => {},
      ),
    );
    let block: Block | undefined;
    try {
      const onProgress = (progress: Progress): void => this.observe({ type: 'searching', ...progress });
      block = await findNonce(template, difficulty, { threads: this.options.threads, signal, onProgress });
    } finally {
      over.abort();
      await Promise.all(ends);
    }
    this.signal.throwIfAborted();
    if (overtaken) this.observe({ type: 'overtaken' });
    return overtaken ? undefined : block;
  }

  private async latest(): Promise<ToldRound> {
    this.told = await this.rounds.latest(this.signal);
    return this.told;
  }

  private async firstRound(): Promise<ToldRound> {
    const asked = this.timer.now();
    const round = await this.latest();
    this.compareClocks(round, BigInt(Math.ceil(round.at - asked)));
    return round;
  }

  /** Waits while the miner is in lockout. Returns whether it was. */
  private async waitForLockout({ info }: ToldRound): Promise<boolean> {
    for (let waited = false; ; waited = true) {
      const { isLocked, secondsRemaining } = await this.untilAnswered(() =>
        this.validator.checkLockout(this.minerId, { signal: this.signal }),
      );
      if (!isLocked) return waited;
      // The seconds are rounded down.
      const waitMs = (Number(secondsRemaining) + 1) * (1_000 / info.clockSpeed);
      this.observe({ type: 'lockout', seconds: secondsRemaining, waitMs });
      await this.timer.sleep(waitMs, this.signal);
    }
  }

  /** Makes a block for a round and submits it. Returns the round to go on with. */
  private async mine(told: ToldRound): Promise<ToldRound> {
    const round = await this.untilAnswered(() => this.fresh(told));
    const block = await this.makeBlock(round);
    if (block === undefined) return this.untilAnswered(() => this.latest());
    const other = await this.untilAnswered(() => this.untilTimely(block, round));
    if (other !== undefined) return other;
    this.observe({ type: 'submitting' });
    let verdict: SubmitBlockResponse;
    try {
      verdict = await this.validator.submitBlock(this.minerId, block, { signal: this.signal });
    } catch (error) {
      const refused = error instanceof Fault && error.reason !== 'CANCELLED';
      return refused ? this.afterRefusal(error) : this.afterLostAnswer(block, error);
    }
    this.refusals.reset();
    if (verdict.result === SubmitResult.ACCEPTED) {
      this.accept(block, verdict);
      return round;
    }
    this.observe({ type: 'rejected', block, verdict });
    return this.afterRejection(round, verdict);
  }

  private async afterRejection(round: ToldRound, { result, code }: SubmitBlockResponse): Promise<ToldRound> {
    // The loop looks at the lockout before it goes on.
    if (result === SubmitResult.REJECTED_MINER_IN_LOCKOUT) return round;
    if (OFF_TIP.includes(code) && round.info.round > 0n) {
      const next = await this.untilAnswered(() => this.newerThan(round));
      if (next !== undefined) return next;
    }
    if (round.info.round === 0n) {
      await this.pause(REJECTED_MS, round.info);
      return this.untilAnswered(() => this.latest());
    }
    this.observe({ type: 'next-round' });
    return this.untilAnswered(async () => {
      // A round may be long in coming: that the validator is there again is said before.
      await this.sayConnected();
      return this.rounds.after(round, this.signal);
    });
  }

  /** The tip has moved: the new round, at once where it can be asked for, else as soon as it is told. */
  private async newerThan(round: ToldRound): Promise<ToldRound | undefined> {
    if (this.chain !== undefined) return this.rounds.after(round, this.signal);
    const now = await this.latest();
    return now.info.nextIndex === round.info.nextIndex ? undefined : now;
  }

  /** The block may have been accepted: the chain, or a lockout that was not there before, shows it. */
  private async afterLostAnswer(block: Block, error: unknown): Promise<ToldRound> {
    await this.retryLater(error);
    const round = await this.untilAnswered(() => this.latest());
    if (await this.untilAnswered(() => this.isOnChain(block, round))) this.accept(block, undefined);
    else if (this.chain === undefined && round.info.nextIndex > block.index) this.observe({ type: 'unknown', block });
    return round;
  }

  /** Whether a block is on the chain, as far as the wire tells: without a look at the chain, the tip and the lockout do. */
  private async isOnChain(block: Block, { info }: ToldRound): Promise<boolean> {
    const options = { signal: this.signal };
    if (block.hash.equals(info.prevBlockHash)) return true;
    if (this.chain === undefined) return (await this.validator.checkLockout(this.minerId, options)).isLocked;
    try {
      await this.chain.getBlock({ hash: block.hash }, options);
      return true;
    } catch (error) {
      if (error instanceof Fault && error.reason === 'NOT_FOUND') return false;
      throw error;
    }
  }

  /** The validator did not judge the block, and nothing was used up: it is asked again, ever more seldom, and not before it says. */
  private async afterRefusal(fault: Fault): Promise<ToldRound> {
    const retryMs = Math.max(this.refusals.next(), Math.min(fault.retryMs ?? 0, LONGEST_REFUSAL_MS));
    this.observe({ type: 'not-taken', fault, retryMs });
    await this.timer.sleep(retryMs, this.signal);
    return this.untilAnswered(() => this.latest());
  }

  private accept(block: Block, verdict: SubmitBlockResponse | undefined): void {
    this.accepted++;
    this.ownPlace = { index: block.index + 1, prevBlockHash: block.hash };
    this.observe({ type: 'accepted', block, verdict });
  }

  private isDone(): boolean {
    return this.accepted >= (this.options.blocks ?? Number.POSITIVE_INFINITY);
  }

  private placeOf({ round, nextIndex, prevBlockHash }: RoundInfo): Place {
    if (round > 0n) return { index: nextIndex, prevBlockHash };
    if (!this.saidDeployed) {
      this.saidDeployed = true;
      this.observe({ type: 'deployed-validator', ...this.ownPlace });
    }
    return this.ownPlace;
  }

  /** Warns where a block made by the host's clock would be refused. */
  private compareClocks({ info }: ToldRound, doubt: bigint): void {
    const aheadMs = this.saidClock ? undefined : hostDiffers(info, doubt);
    if (aheadMs === undefined) return;
    this.saidClock = true;
    this.observe({ type: 'clock-differs', aheadMs });
  }

  /** Waits some milliseconds of the validator's clock. */
  private pause(ms: bigint, { clockSpeed }: RoundInfo, signal = this.signal): Promise<void> {
    return this.timer.sleep(Number(ms) / clockSpeed, signal);
  }

  /** Asks until there is an answer, with growing waits between. */
  private async untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await ask();
        this.backoff.reset();
        await this.sayConnected();
        return answer;
      } catch (error) {
        await this.retryLater(error);
      }
    }
  }

  private async sayConnected(): Promise<void> {
    if (this.connected) return;
    this.connected = this.connectedBefore = true;
    const { info } = this.told ?? (await this.latest());
    this.observe({ type: 'connected', round: info });
  }

  private async retryLater(error: unknown): Promise<void> {
    this.signal.throwIfAborted();
    // Certificates that were right will be right again, once somebody has renewed them; those that never were will not.
    if (!this.connectedBefore && error instanceof ConnectionError && error.reason === 'UNTRUSTED') throw error;
    this.connected = false;
    this.told = undefined;
    const retryMs = this.backoff.next();
    this.observe({ type: 'disconnected', error: error instanceof Error ? error : new Error(String(error)), retryMs });
    await this.timer.sleep(retryMs, this.signal);
  }
}
