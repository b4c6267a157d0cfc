/** Mining: the nonce search on one core, beside the deployed miner's loop rebuilt over node's OpenSSL. */

import { blockBytes, NO_HASH, nonceOffset, sha256 } from '../../src/engine/bytes.js';
import { DEFAULT_DIFFICULTY, meetsDifficulty } from '../../src/engine/difficulty.js';
import { nonceSearch } from '../../src/miner/nonce-search.js';
import { type BlockTemplate, coinbase, findNonce } from '../../src/miner/search.js';
import { median } from './measure.js';
import type { Benchmark, Row } from './row.js';

/** Met by one hash in 2^64: never, while this runs. */
const HARD = 1n << 64n;

/** Blocks at the default difficulty. */
const BLOCKS = 1_000;

function template(timestamp: bigint): BlockTemplate {
  return {
    index: 1,
    timestamp,
    prevBlockHash: sha256(Buffer.from('tip')),
    transactions: [coinbase('alice', timestamp)],
  };
}

/** Nonces a CPU-second of something that tries some. */
function rate(seconds: number, tryNonces: (from: bigint) => number): number {
  const before = process.cpuUsage();
  const late = performance.now() + seconds * 1_000;
  let tried = 0;
  while (performance.now() < late) tried += tryNonces(BigInt(tried));
  const { user, system } = process.cpuUsage(before);
  return (1e6 * tried) / (user + system);
}

/** As the deployed miner has it: the bytes of the block are made anew for each nonce, and hashed by OpenSSL. */
function deployedLoop(block: BlockTemplate): (from: bigint) => number {
  return (from) => {
    for (let i = 0n; i < 1_000n; i++) {
      const hash = sha256(blockBytes({ ...block, nonce: from + i, hash: NO_HASH }));
      if (meetsDifficulty(hash, HARD)) throw new Error('a nonce was found, against all odds');
    }
    return 1_000;
  };
}

/** The nonce patched in place, hashed by OpenSSL. */
function patchedLoop(block: BlockTemplate): (from: bigint) => number {
  const bytes = blockBytes({ ...block, nonce: 0n, hash: NO_HASH });
  const at = nonceOffset(block);
  return (from) => {
    for (let i = 0n; i < 1_000n; i++) {
      bytes.writeBigUInt64LE(from + i, at);
      if (meetsDifficulty(sha256(bytes), HARD)) throw new Error('a nonce was found, against all odds');
    }
    return 1_000;
  };
}

export const mining: Benchmark = {
  name: 'mining',
  async *rows({ seconds, rounds }): AsyncGenerator<Row, void> {
    const block = template(1_762_800_000_000n);
    const search = nonceSearch(blockBytes({ ...block, nonce: 0n, hash: NO_HASH }), nonceOffset(block), HARD);
    const searchLoop = (from: bigint): number => {
      if (search.find(from, search.batch) !== undefined) throw new Error('a nonce was found, against all odds');
      return search.batch;
    };
    const loops = { ours: searchLoop, deployed: deployedLoop(block), patched: patchedLoop(block) };
    const rates: Record<string, number[]> = { ours: [], deployed: [], patched: [] };
    for (let i = 0; i < rounds; i++) {
      for (const [name, loop] of Object.entries(loops)) rates[name]?.push(rate(seconds, loop));
    }
    const [ours = 0, deployed = 0, patched = 0] = Object.values(rates).map(median);
    yield {
      work: 'nonce search, one core',
      figure: ours / 1e6,
      unit: 'M nonces a CPU-second',
      beside: "the deployed miner's loop over OpenSSL",
      floor: deployed / 1e6,
      ratio: ours / deployed,
      goal: 'at least 5x',
      met: ours >= 5 * deployed,
      more: { 'nonce patched in place, OpenSSL': patched / 1e6 },
    };
    const times: number[] = [];
    for (let i = 0; i < BLOCKS; i++) {
      const begun = performance.now();
      await findNonce(template(1_762_800_000_000n + BigInt(i)), DEFAULT_DIFFICULTY);
      times.push(performance.now() - begun);
    }
    const sorted = times.sort((a, b) => a - b);
    const middle = median(sorted);
    const target = 5;
    yield {
      work: 'a block at the default difficulty',
      figure: middle,
      unit: 'ms',
      beside: 'the goal',
      floor: target,
      ratio: middle / target,
      goal: 'in less than 5 ms',
      met: (sorted[Math.floor(0.99 * BLOCKS)] as number) < target,
      more: { p99: sorted[Math.floor(0.99 * BLOCKS)] as number },
    };
  },
};
