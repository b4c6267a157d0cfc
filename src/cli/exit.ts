/** How the programs end. */

/** Ends the program with a line on stderr. */
export class ExitError extends Error {
  override readonly name = 'ExitError';

  /** `code`: 2 for wrong arguments, 1 for anything else. */
  constructor(
    message: string,
    readonly code: 1 | 2 = 1,
  ) {
    super(message);
  }
}

/** What asks a program to stop. */
export const STOPPING = ['SIGINT', 'SIGTERM'] as const;

/** One Ctrl-C comes twice where npm stands between: from the terminal, and handed on. Until then it is one, milliseconds. */
const TWICE_MS = 500;

/** Aborts at the first Ctrl-C or SIGTERM; a later one ends the process at once, as if it had not been listened for. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const first = (): void => {
    if (stop.signal.aborted) return;
    stop.abort();
    // The system's own way of ending it: process.exit waits for LMDB's thread, which may wait for this one to write a commit.
    setTimeout(() => {
      for (const signal of STOPPING) process.off(signal, first);
    }, TWICE_MS).unref();
  };
  for (const signal of STOPPING) process.on(signal, first);
  return stop.signal;
}

/** Waits for a signal to abort. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * Does something that is to be whole or not at all: `undo`, which must not wait for anything, is called where it fails, and on Ctrl-C or
 * SIGTERM, which then ends the program as if it had not been listened for. What still runs, such as LMDB's copying, cannot keep it.
 */
export async function undoable<T>(work: () => Promise<T>, undo: () => void): Promise<T> {
  const stopped = (signal: NodeJS.Signals): void => {
    undo();
    for (const one of STOPPING) process.off(one, stopped);
    process.kill(process.pid, signal);
  };
  for (const signal of STOPPING) process.on(signal, stopped);
  try {
    return await work();
  } catch (error) {
    undo();
    throw error;
  } finally {
    for (const signal of STOPPING) process.off(signal, stopped);
  }
}
