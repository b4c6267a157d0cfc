/** How much memory the program uses, and how V8 is made to look for what it no longer needs. */

import { getHeapStatistics } from 'node:v8';

/** How often the memory is looked at, milliseconds. */
const LOOK_EVERY_MS = 500;

/** How often V8 is asked to collect, milliseconds: it takes some ten. */
const ASK_EVERY_MS = 5_000;

/** Memory that nobody touches costs none; V8 begins to collect when so much more of it is held outside its heap. */
const PRESSURE_BYTES = 128 * 1_048_576;

/** How much of V8's own limit may be used: at that the process would end. */
const OF_HEAP = 0.75;

/** Watches whether the program uses more memory than it may. The chain's pages, which the system lends, do not count. */
export class MemoryWatch {
  private readonly most: number;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private askedAt = Number.NEGATIVE_INFINITY;
  private exceeded = false;

  /** `most`: how much it may use, bytes. */
  constructor(most: number) {
    this.most = Math.min(most, OF_HEAP * getHeapStatistics().heap_size_limit);
  }

  /** Whether it uses too much. */
  isExceeded(now: number): boolean {
    if (now - this.lookedAt < LOOK_EVERY_MS) return this.exceeded;
    this.lookedAt = now;
    const { heapUsed, external } = process.memoryUsage();
    this.exceeded = heapUsed + external > this.most;
    // Of a quiet program V8 collects nothing, and what a crowd has left behind would keep the door shut for ever.
    if (this.exceeded && now - this.askedAt >= ASK_EVERY_MS) {
      this.askedAt = now;
      askToCollect();
    }
    return this.exceeded;
  }
}

/** Lets V8 collect garbage, little by little. */
function askToCollect(): void {
  try {
    new ArrayBuffer(PRESSURE_BYTES);
  } catch {
    // The system has none to lend.
  }
}

/**
 * Collects all garbage and lets V8's heap shrink, in some ten milliseconds. By itself V8 looks through what has grown old only once about as
 * much again has grown old, and reads alone let nothing grow old. Never rejects: a Node without an inspector keeps its memory.
 */
export async function giveMemoryBack(): Promise<void> {
  try {
    const { Session } = await import('node:inspector');
    const session = new Session();
    session.connect();
    // Later: V8 answers within a lock that the end of a session takes too.
    session.post('HeapProfiler.collectGarbage', () => setImmediate(() => session.disconnect()));
  } catch {
    // Whoever comes next uses it again.
  }
}
