/**
 * The streams of a validator. What is new is made once for all who wait for it; who comes later, or reads slowly, asks for what is newest then:
 * nothing queues up for anyone.
 */

import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import type { RoundInfo } from '../../gen/hourcoin/v1/validator_service.js';
import { cancelled, Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import { checkIndex } from './reads.js';
import type { CallOptions } from './validator.js';

/** How many who wait are told in one turn of the event loop: there may be ten thousand, and others have requests. */
const TOLD_A_TURN = 100;

/** What streams ask of their validator. */
export interface Source {
  /** Whether it stops: streams end then. */
  isStopping(): boolean;
  /** The number of durable blocks. */
  height(): number;
  /** Throws a Fault where it takes nothing any more. */
  admit(): void;
  /** The round in force, stamped and durable as every answer. */
  round(options: CallOptions | undefined): Promise<RoundInfo>;
  /** A durable block. */
  block(index: number): AcceptedBlock;
}

/** Waits until there is something new. False where the streams end; throws CANCELLED when the watcher gives up. */
type Changed = () => Promise<boolean>;

export class Streams {
  private open = 0;
  private closed = false;
  /** What was told last to those who waited. */
  private round: RoundInfo | undefined;
  private block: AcceptedBlock | undefined;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly source: Source) {}

  /** How many watch. */
  get count(): number {
    return this.open;
  }

  /** Tells those who wait of a new round, and of the block that began it, where one did. Both are durable. */
  tell(round: RoundInfo, block: AcceptedBlock | undefined): void {
    this.round = round;
    this.block = block;
    this.wake();
  }

  /** Ends every stream. */
  close(): void {
    this.closed = true;
    this.wake();
  }

  /** The round in force, then every new one. */
  rounds(options?: CallOptions): AsyncGenerator<RoundInfo, void> {
    return this.watch(options, async function* (this: Streams, changed: Changed) {
      let told = 0n;
      let round = await this.source.round(options);
      for (;;) {
        if (round.round > told) {
          told = round.round;
          yield round;
        }
        // What all are told is for those who wait for it: to a slow reader its time would be wrong.
        if (this.round !== undefined && this.round.round > told) round = await this.source.round(options);
        else if (await changed()) round = this.round ?? round;
        else return;
      }
    });
  }

  /** The blocks from an index on, then every new one. */
  blocks(fromIndex: number, options?: CallOptions): AsyncGenerator<AcceptedBlock, void> {
    return this.watch(options, async function* (this: Streams, changed: Changed) {
      checkIndex(fromIndex, 'from_index');
      let next = fromIndex;
      do {
        while (next < this.source.height()) {
          yield this.block?.block?.index === next ? this.block : this.source.block(next);
          next++;
          // A reader of a long history gives way to others after every block.
          if (next < this.source.height()) await new Promise(setImmediate);
          if (options?.signal?.aborted) throw cancelled();
          if (this.source.isStopping()) return;
        }
      } while (await changed());
    });
  }

  private async *watch<T>(
    options: CallOptions | undefined,
    stream: (this: this, changed: Changed) => AsyncGenerator<T, void>,
  ): AsyncGenerator<T, void> {
    const { signal } = options ?? {};
    this.source.admit();
    if (this.open >= LIMITS.watchers) throw new Fault('OVERLOADED', 'too many streams are open');
    let wake = (): void => {};
    const abort = (): void => wake();
    const changed = async (): Promise<boolean> => {
      if (signal?.aborted) throw cancelled();
      if (this.closed) return false;
      await new Promise<void>((resolve) => {
        wake = resolve;
        this.waiting.add(resolve);
      });
      this.waiting.delete(wake);
      if (signal?.aborted) throw cancelled();
      return !this.closed;
    };
    signal?.addEventListener('abort', abort);
    this.open++;
    try {
      yield* stream.call(this, changed);
    } catch (error) {
      // The validator stops while a watcher asks it: that ends the stream as any stop does.
      if (!(this.source.isStopping() && error instanceof Fault && error.reason === 'UNAVAILABLE') || signal?.aborted)
        throw error;
    } finally {
      this.open--;
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Wakes those who wait, some each turn of the event loop. */
  private wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    const wake = (): void => {
      for (const wake of waiting.splice(0, TOLD_A_TURN)) wake();
      if (waiting.length > 0) setImmediate(wake);
    };
    setImmediate(wake);
  }
}
