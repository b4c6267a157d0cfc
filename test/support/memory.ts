/** What objects keep in memory. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** How many bytes of buffers are kept, and no longer once they are let go, by what `make` returns. */
export function bufferBytesKept(make: () => unknown): number {
  const kept: unknown[] = [];
  const before = bufferBytes();
  kept.push(make());
  const after = bufferBytes();
  kept.length = 0;
  return after - before;
}

function bufferBytes(): number {
  // Buffers that one collection has found dead are given back when the next begins.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}
