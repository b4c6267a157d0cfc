/** Streams that go on by themselves: over a lost connection, a validator that stops or restarts, and faults that pass. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../engine/fault.js';
import type { WatchOptions } from '../validator/validator.js';
import { Backoff } from './backoff.js';
import { type ClientError, ConnectionError } from './errors.js';

/** What is watched, message by message: read it with `for await`. Leaving the loop ends it. */
export interface Watch<T> extends AsyncIterableIterator<T> {
  /** Ends the watch at once, also while a message is waited for: whoever waits is told that there are no more. Leaving `for await` calls it. */
  return(): Promise<IteratorResult<T>>;
}

/** A stream that can be opened again. */
export interface Source<Message, T> {
  /** Who is watched. */
  readonly name: string;
  /** Opens it where the messages that were taken have left it. */
  open(signal: AbortSignal): AsyncIterable<Message>;
  /** What a message brings; undefined where that was told already. Throws where it cannot follow what was told. */
  take(message: Message): T | undefined;
  /** What an error is to the caller, by what has ended the watch where something has. */
  problem(error: unknown): Error;
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal;
}

/** Whether the same call may be answered later. */
function passes(error: Error): error is ClientError {
  if (error instanceof ConnectionError) return error.reason === 'UNREACHABLE' || error.reason === 'TIMED_OUT';
  return error instanceof Fault && (error.reason === 'UNAVAILABLE' || error.reason === 'OVERLOADED');
}

/** Watches a source. Nothing is opened before the first message is asked for. */
export function watch<Message, T>(source: Source<Message, T>, options: WatchOptions<ClientError> = {}): Watch<T> {
  const left = new AbortController();
  const told = tell(source, options, left.signal);
  return {
    next: () => told.next(),
    return() {
      // By itself, a generator that waits for a message would only end after that.
      left.abort();
      return told.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* tell<Message, T>(
  { name, open, take, problem, closing }: Source<Message, T>,
  { signal, onInterrupted }: WatchOptions<ClientError>,
  left: AbortSignal,
): AsyncGenerator<T, void> {
  // Linked by hand: AbortSignal.any forgets sources that nobody else holds (Node 20).
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  const ends = signal === undefined ? [left, closing] : [left, closing, signal];
  for (const end of ends) {
    if (end.aborted) abort();
    end.addEventListener('abort', abort);
  }
  const backoff = new Backoff();
  try {
    for (;;) {
      try {
        stop.signal.throwIfAborted();
        for await (const message of open(stop.signal)) {
          stop.signal.throwIfAborted();
          backoff.reset();
          const news = take(message);
          if (news !== undefined) yield news;
        }
        throw new ConnectionError('UNREACHABLE', `${name} has ended the stream`);
      } catch (thrown) {
        if (left.aborted) return;
        const error = problem(thrown);
        if (!passes(error)) throw error;
        const retryMs = backoff.next();
        onInterrupted?.(error, retryMs);
        // Where that was not to be waited for, it is said above why.
        await sleep(retryMs, undefined, { signal: stop.signal }).catch(() => {});
      }
    }
  } finally {
    for (const end of ends) end.removeEventListener('abort', abort);
  }
}
