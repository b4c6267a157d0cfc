/** Several threads that search a nonce: each has high words of the nonce of its own, and the first that finds one ends them all. */

import { Worker } from 'node:worker_threads';
import { MAX_U32 } from '../engine/bytes.js';

/** What the threads search. */
export interface Task {
  /** The block, and where its nonce stands. */
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly difficulty: bigint;
  /** The first nonce. */
  readonly from: bigint;
  /** How many threads share the nonces. */
  readonly threads: number;
  /** Shared: where they count the nonces that were tried. */
  readonly tried: BigUint64Array;
}

/**
 * The nonces of one thread, the first and the last of each range: every high word whose number, counted from that of the first nonce, is the
 * thread's, or the thread's and a multiple of the number of threads.
 */
export function* share(
  { from, threads }: Pick<Task, 'from' | 'threads'>,
  number: number,
): Generator<[bigint, bigint], void> {
  const begun = from >> 32n;
  for (let high = begun + BigInt(number); high <= MAX_U32; high += BigInt(threads)) {
    yield [high === begun ? from : high << 32n, (high << 32n) | BigInt(MAX_U32)];
  }
}

/** What a thread tells, once: the nonce; null where none of its nonces meets the difficulty. */
export type Found = bigint | null;

/** A thread's program: this file runs as dist/src/miner/threads.js. */
const THREAD = new URL('./search-thread.js', import.meta.url);

/**
 * Any nonce that meets the difficulty; undefined where none does, or the signal aborts first. Throws where a thread dies. When it settles all threads
 * are told to end; until then they do not keep the process alive.
 */
export async function searchInThreads(
  task: Task,
  signal: AbortSignal | undefined,
  program = THREAD,
): Promise<bigint | undefined> {
  if (signal?.aborted) return undefined;
  const workers: Worker[] = [];
  let stop = (): void => {};
  try {
    return await new Promise((resolve, reject) => {
      stop = () => resolve(undefined);
      signal?.addEventListener('abort', stop);
      let searching = task.threads;
      for (let number = 0; number < task.threads; number++) {
        // Without this program's own options for node: with --input-type, for one, a thread cannot begin.
        const worker = new Worker(program, { workerData: { ...task, number }, execArgv: [] });
        workers.push(worker);
        worker.unref();
        const lost = (code: number): void => reject(new Error(`a mining thread has ended by itself, with ${code}`));
        worker.on('exit', lost);
        worker.on('error', (error) =>
          reject(new Error(`a mining thread has died: ${error.message}`, { cause: error })),
        );
        worker.on('message', (found: Found) => {
          worker.off('exit', lost);
          if (found !== null) resolve(found);
          else if (--searching === 0) resolve(undefined);
        });
      }
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    // This interrupts them wherever they are. Nobody waits for it: an end takes each a few milliseconds.
    for (const worker of workers) void worker.terminate();
  }
}
