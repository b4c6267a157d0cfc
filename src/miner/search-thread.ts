/** A thread of a search, which threads.ts begins: tries its share of the nonces until one meets the difficulty, and tells it. */

import { parentPort, workerData } from 'node:worker_threads';
import { batches, nonceSearch } from './nonce-search.js';
import { type Found, share, type Task } from './threads.js';

const task = workerData as Task & { readonly number: number };

function find({ bytes, at, difficulty, tried }: Task): Found {
  const search = nonceSearch(Buffer.from(bytes), at, difficulty);
  for (const [first, last] of share(task, task.number)) {
    for (const [from, count] of batches(search, first, last)) {
      const nonce = search.find(from, count);
      if (nonce !== undefined) return nonce;
      Atomics.add(tried, 0, BigInt(count));
    }
  }
  return null;
}

parentPort?.postMessage(find(task));
