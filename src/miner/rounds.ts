/** Where a miner learns of rounds: from a stream where there is one, else by asking now and then. */

import type { RoundInfo } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../client/errors.js';
import type { Timer } from '../time/timer.js';
import type { ChainValidator, Validator } from '../validator/validator.js';
import { linked } from './linked.js';

/** A round, and when it was told, on the miner's timer. */
export interface ToldRound {
  readonly info: RoundInfo;
  readonly at: number;
}

/** Tells rounds. Calls throw what the validator's do; the caller asks again. */
export interface Rounds {
  /** The newest round that is known. */
  latest(signal: AbortSignal): Promise<ToldRound>;
  /** Waits for a round other than `seen`: another number, or another tip. */
  after(seen: ToldRound, signal: AbortSignal): Promise<ToldRound>;
  /** Asks for the validator's time: `seen` as it is told now, or the round that has come since. */
  again(seen: ToldRound, signal: AbortSignal): Promise<ToldRound>;
}

/** How often a validator is asked for a new round, milliseconds of its own clock: the pace of a deployed miner. */
const POLL_MS = 5_000;

/** Never more often than this, milliseconds of real time. */
const SHORTEST_POLL_MS = 20;

/** Asks, over a wire that has no streams. */
export class PolledRounds implements Rounds {
  constructor(
    private readonly validator: Validator,
    private readonly minerId: string,
    private readonly timer: Timer,
  ) {}

  async latest(signal: AbortSignal): Promise<ToldRound> {
    const info = await this.validator.getRoundInfo(this.minerId, { signal });
    return { info, at: this.timer.now() };
  }

  async after(seen: ToldRound, signal: AbortSignal): Promise<ToldRound> {
    for (;;) {
      await this.timer.sleep(Math.max(SHORTEST_POLL_MS, POLL_MS / seen.info.clockSpeed), signal);
      const now = await this.latest(signal);
      if (isOther(now.info, seen.info)) return now;
    }
  }

  again(_seen: ToldRound, signal: AbortSignal): Promise<ToldRound> {
    return this.latest(signal);
  }
}

/** Listens to WatchRounds, and asks for the time alone. */
export class WatchedRounds implements Rounds {
  private listening = false;
  private newest: ToldRound | undefined;
  private readonly waiting = new Set<{ resolve(round: ToldRound): void; reject(error: unknown): void }>();

  constructor(
    private readonly validator: ChainValidator,
    private readonly minerId: string,
    private readonly timer: Timer,
    /** Ends the stream. */
    private readonly signal: AbortSignal,
  ) {}

  async latest(signal: AbortSignal): Promise<ToldRound> {
    return this.newest ?? (await this.next(signal));
  }

  async after(seen: ToldRound, signal: AbortSignal): Promise<ToldRound> {
    let round = await this.latest(signal);
    while (!isOther(round.info, seen.info)) round = await this.next(signal);
    return round;
  }

  async again(seen: ToldRound, signal: AbortSignal): Promise<ToldRound> {
    const info = await this.validator.getRoundInfo(this.minerId, { signal });
    // Of a new round the stream is about to tell: it is not overtaken, or its news would look like one more.
    return isOther(info, seen.info) ? this.after(seen, signal) : { info, at: this.timer.now() };
  }

  /** The next round that the stream tells. */
  private next(signal: AbortSignal): Promise<ToldRound> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const leave = (): void => {
        this.waiting.delete(waiter);
        signal.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        leave();
        reject(signal.reason);
      };
      const waiter = {
        resolve: (round: ToldRound) => {
          leave();
          resolve(round);
        },
        reject: (error: unknown) => {
          leave();
          reject(error);
        },
      };
      this.waiting.add(waiter);
      signal.addEventListener('abort', abort);
      if (!this.listening) void this.listen();
    });
  }

  /**
   * Reads a stream until it ends, breaks or is interrupted; whoever waits hears of it, and the next one who asks begins another. A client would
   * go on by itself: but the miner has waits of its own, and must know that it does not know the round.
   */
  private async listen(): Promise<void> {
    this.listening = true;
    const leave = new AbortController();
    let lost = false;
    const lose = (error: unknown): void => {
      if (lost) return;
      lost = true;
      this.listening = false;
      this.newest = undefined;
      for (const { reject } of [...this.waiting]) reject(error);
      leave.abort();
    };
    try {
      const options = { signal: linked(leave, this.signal), onInterrupted: lose };
      for await (const info of this.validator.watchRounds(this.minerId, options)) {
        this.newest = { info, at: this.timer.now() };
        for (const { resolve } of [...this.waiting]) resolve(this.newest);
      }
      throw new ConnectionError('UNREACHABLE', 'the validator has ended the stream of rounds');
    } catch (error) {
      lose(error);
    }
  }
}

/** Whether it is another round. */
export function isOther(one: RoundInfo, other: RoundInfo): boolean {
  return one.round !== other.round || one.roundStart !== other.roundStart || one.nextIndex !== other.nextIndex;
}
