/** Tells watchers that something has changed. They then ask for what is newest: nothing queues up for a slow one. */

import { cancelled } from '../engine/fault.js';

export class Feed {
  private version = 0;
  private closed = false;
  private readonly waiting = new Set<() => void>();

  /** How many changes there were. Taken before reading the newest, it makes `changed` miss none. */
  get seen(): number {
    return this.version;
  }

  /** Wakes every watcher. */
  publish(): void {
    this.version++;
    this.wake();
  }

  /** Ends every watch. */
  close(): void {
    this.closed = true;
    this.wake();
  }

  /** Waits until there was a change after `seen`. False where the feed is closed; throws CANCELLED when the signal aborts. */
  async changed(seen: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (signal?.aborted) throw cancelled();
    if (this.closed) return false;
    if (this.version !== seen) return true;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.waiting.add(done);
      signal?.addEventListener('abort', done);
    });
    if (signal?.aborted) throw cancelled();
    return !this.closed;
  }

  private wake(): void {
    for (const done of [...this.waiting]) done();
  }
}
