/** What objects keep in memory. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** Collects all garbage, at once. */
export const collectGarbage = runInNewContext('gc') as () => void;

/** How many bytes of buffers are kept, and no longer once they are let go, by what `make` returns. */
export function bufferBytesKept(make: () => unknown): number {
  const kept: unknown[] = [];
  const before = bufferBytes();
  kept.push(make());
  const after = bufferBytes();
  kept.length = 0;
  return after - before;
}

/** How many bytes of V8's heap are kept by what `make` returns, and by what it leaves behind. */
export function heapBytesKept(make: () => unknown): number {
  const before = heapBytes();
  const kept = make();
  const after = heapBytes();
  return kept === undefined ? 0 : after - before;
}

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

function bufferBytes(): number {
  // Buffers that one collection has found dead are given back when the next begins.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}
