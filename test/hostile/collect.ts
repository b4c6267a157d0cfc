/**
 * Loaded before the validator's program: SIGUSR2 collects its garbage, and tells what it holds on to, as `holds 31.2 MiB (1)`, the first time.
 * What the system says of its memory does not tell: V8 collects when it likes, and malloc keeps what was freed.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

let times = 0;
process.on('SIGUSR2', () => {
  // Buffers that one collection has found dead are given back when the next begins.
  for (let i = 0; i < 3; i++) collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  process.stdout.write(`holds ${((heapUsed + external) / 1_048_576).toFixed(1)} MiB (${++times})\n`);
});
