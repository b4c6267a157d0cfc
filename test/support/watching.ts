/** Reading streams as they come. */

import { until } from './wait.js';

/** Reads a stream to its end. */
export function watching<T>(stream: AsyncIterable<T>) {
  const messages: T[] = [];
  let over: { error: unknown } | undefined;
  const read = async (): Promise<void> => {
    for await (const message of stream) messages.push(message);
  };
  const ended = read().then(
    () => {
      over = { error: undefined };
    },
    (error: unknown) => {
      over = { error };
    },
  );
  return {
    messages,
    /** Waits for a number of messages; throws where the stream ends before. */
    async count(count: number): Promise<void> {
      await until(() => messages.length >= count || over !== undefined, `${count} messages come`);
      if (messages.length >= count) return;
      throw new Error(`the stream has ended after ${messages.length} messages`, { cause: over?.error });
    },
    /** What the stream has thrown; undefined where it has just ended. */
    async error(): Promise<unknown> {
      await ended;
      return over?.error;
    },
  };
}

/** Chance always gives the same: the shortest waits where it is 0. Returns what ends that. */
export function fixedChance(chance: number): () => void {
  const { random } = Math;
  Math.random = () => chance;
  return () => {
    Math.random = random;
  };
}
