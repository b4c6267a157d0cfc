/** Finding a block's nonce: on the caller's thread, and on several. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { blockBytes, MAX_U32, MAX_U64, NO_HASH } from '../../src/engine/bytes.js';
import { DEFAULT_DIFFICULTY, meetsDifficulty } from '../../src/engine/difficulty.js';
import { type BlockTemplate, coinbase, findNonce, type Progress } from '../../src/miner/search.js';
import { searchInThreads, share, type Task } from '../../src/miner/threads.js';
import { output, sealed } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { ended } from '../support/ended.js';
import { winners } from '../support/nonces.js';
import { end, type Program, start, temporaryFolder } from '../support/programs.js';
import { turn } from '../support/wait.js';

const TIMESTAMP = 1_762_800_000_000n;

/** A difficulty that no hash meets but by a miracle. */
const HOPELESS = 1n;

function template(parts: Partial<BlockTemplate> = {}): BlockTemplate {
  const transactions = [coinbase('alice', TIMESTAMP)];
  return { index: 7, timestamp: TIMESTAMP, prevBlockHash: Buffer.alloc(32, 3), transactions, ...parts };
}

/** The bytes of a block without its nonce, and where that stands. */
function bytesOf(block: BlockTemplate): [Buffer, number] {
  return [blockBytes({ ...block, hash: NO_HASH, nonce: 0n }), 20 + block.prevBlockHash.length];
}

describe('findNonce', () => {
  const atEnd = cleanup();

  it('finds the lowest nonce, as a plain loop does, and seals the block', async () => {
    for (const toAddr of ['alice', 'b', 'c'.repeat(256)]) {
      const block = template({ transactions: [coinbase(toAddr, TIMESTAMP)] });
      const [nonce] = winners(...bytesOf(block), DEFAULT_DIFFICULTY, 0n, 5_000);
      const found = await findNonce(block, DEFAULT_DIFFICULTY);
      expect(found).to.deep.equal(sealed({ ...block, nonce: nonce ?? -1n, hash: NO_HASH }));
    }
  });

  it('begins where it is told', async () => {
    const from = 0xffff_ffffn - 100n;
    const [nonce] = winners(...bytesOf(template()), 1n << 118n, from, 10_000);
    expect(nonce, 'the test goes over a high word').to.satisfy((nonce: bigint) => nonce > MAX_U32);
    expect((await findNonce(template(), 1n << 118n, { from }))?.nonce).to.equal(nonce);
  });

  it('finds the lowest one in a later batch, too', async () => {
    const block = template({ index: 6 });
    const [nonce = 0n] = winners(...bytesOf(block), 1n << 113n, 0n, 60_000);
    expect(nonce, 'the test goes over several batches').to.satisfy((nonce: bigint) => nonce > 2n ** 15n);
    expect((await findNonce(block, 1n << 113n))?.nonce).to.equal(nonce);
  });

  it('takes previous hashes of other lengths, and blocks of 10,000 outputs', async () => {
    const outputs = Array.from({ length: 10_000 }, (_, i) => output(`address ${i}`, 1, TIMESTAMP));
    for (const block of [
      template({ prevBlockHash: Buffer.alloc(0) }),
      template({ prevBlockHash: Buffer.alloc(40, 1) }),
      template({ transactions: [{ inputs: [], outputs }] }),
      template({ transactions: [] }),
    ]) {
      const [nonce] = winners(...bytesOf(block), 1n << 124n, 0n, 200);
      expect((await findNonce(block, 1n << 124n))?.nonce).to.equal(nonce);
    }
  });

  for (const threads of [1, 3]) {
    const search = `with ${threads} thread${threads === 1 ? '' : 's'}`;

    it(`${search}: says so where no nonce up to 2^64 - 1 will do, and does not begin again at 0`, async () => {
      const from = MAX_U64 - 20_000n;
      expect((await findNonce(template(), 1n << 128n, { threads, from: MAX_U64 }))?.nonce).to.equal(MAX_U64);
      const error = await findNonce(template(), HOPELESS, { threads, from }).catch((error) => error);
      expect(error).to.be.an.instanceOf(Error).with.property('message', 'no nonce up to 2^64 - 1 meets the difficulty');
    });

    it(`${search}: tries nothing where it is stopped before`, async () => {
      const signal = AbortSignal.abort();
      expect(await findNonce(template(), 1n << 128n, { threads, signal })).to.equal(undefined);
    });

    it(`${search}: ends when the signal aborts`, async () => {
      const stop = new AbortController();
      const search = findNonce(template(), HOPELESS, { threads, signal: stop.signal });
      for (let turns = 0; turns < 50; turns++) await turn();
      stop.abort();
      expect(await search).to.equal(undefined);
    });

    it(`${search}: tells after a second how many nonces were tried, and how many of them a second`, async () => {
      const stop = new AbortController();
      atEnd(() => stop.abort());
      const { tried, perSecond } = await new Promise<Progress>((onProgress) => {
        void findNonce(template(), HOPELESS, { threads, signal: stop.signal, onProgress });
      });
      expect(Number(tried)).to.be.above(10_000);
      expect(perSecond, 'a second at least has passed').to.be.within(1, Number(tried) * 1.1);
    });
  }

  it('tries one batch more at most once the signal has aborted', async () => {
    for (let before = 0; before < 5; before++) {
      const stop = new AbortController();
      let isOver = false;
      const search = findNonce(template(), HOPELESS, { signal: stop.signal }).finally(() => {
        isOver = true;
      });
      for (let turns = 0; turns < before; turns++) await turn();
      stop.abort();
      // A batch has a turn of the event loop.
      let batches = 0;
      for (; !isOver; batches++) await turn();
      expect(batches).to.be.at.most(2);
      expect(await search).to.equal(undefined);
    }
  });

  it('with several threads, finds one that meets the difficulty, and seals the block', async () => {
    const difficulty = 1n << 106n;
    const block = await findNonce(template(), difficulty, { threads: 2 });
    if (block === undefined) expect.fail();
    expect(block.nonce > 2n ** 14n, 'the first thousands are tried by the caller').to.equal(true);
    expect(block).to.deep.equal(sealed({ ...template(), nonce: block.nonce, hash: NO_HASH }));
    expect(meetsDifficulty(block.hash, difficulty)).to.equal(true);
  });
});

describe('The threads of a search', () => {
  it('share the nonces: each is in one share, and none is left out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 256 }), fc.bigInt({ min: 1n, max: 1n << 41n }), (threads, left) => {
        const from = MAX_U64 - left + 1n;
        const ranges = Array.from({ length: threads }, (_, number) => [...share({ from, threads }, number)]).flat();
        ranges.sort(([one], [other]) => (one < other ? -1 : 1));
        let next = from;
        for (const [first, last] of ranges) {
          expect(first).to.equal(next);
          expect(last >> 32n, 'a range has one high word').to.equal(first >> 32n);
          next = last + 1n;
        }
        expect(next).to.equal(MAX_U64 + 1n);
      }),
    );
  });

  const task: Task = {
    bytes: bytesOf(template())[0],
    at: 52,
    difficulty: HOPELESS,
    from: 0n,
    threads: 3,
    tried: new BigUint64Array(new SharedArrayBuffer(8)),
  };

  /** A thread that does something else. */
  const program = (code: string): URL =>
    new URL(
      `data:text/javascript,${encodeURIComponent(`import { parentPort, workerData } from 'node:worker_threads'; ${code}`)}`,
    );

  /** How a search ends whose threads do something else. */
  const outcome = (code: string, signal?: AbortSignal): Promise<unknown> =>
    searchInThreads(task, signal, program(code)).catch((error: Error) => error.message);

  it('are ended by the first that finds a nonce, even where another would never end', async () => {
    expect(await outcome('if (workerData.number === 1) parentPort.postMessage(42n); else for (;;);')).to.equal(42n);
  });

  it('are ended by the signal, even where none of them would ever end', async () => {
    const stop = new AbortController();
    const search = outcome('for (;;);', stop.signal);
    for (let turns = 0; turns < 10; turns++) await turn();
    stop.abort();
    expect(await search).to.equal(undefined);
    expect(await outcome('for (;;);', stop.signal)).to.equal(undefined);
  });

  it('have found none when the last has tried its share', async () => {
    expect(await outcome('parentPort.postMessage(null)')).to.equal(undefined);
    // The others have long ended by themselves.
    const last = 'setTimeout(() => parentPort.postMessage(7n), 100)';
    expect(await outcome(`if (workerData.number > 0) parentPort.postMessage(null); else ${last};`)).to.equal(7n);
  });

  it('that die end the search with what they died of', async () => {
    const dies = 'if (workerData.number === 2) throw new Error("out of luck"); for (;;);';
    expect(await outcome(dies)).to.equal('a mining thread has died: out of luck');
    const leaves = 'if (workerData.number === 2) process.exit(3); for (;;);';
    expect(await outcome(leaves)).to.equal('a mining thread has ended by itself, with 3');
  });

  describe('in a program of its own', () => {
    const atEnd = cleanup();

    /** A program that has findNonce and a block. */
    function begun(code: string, ...options: string[]): Program {
      const { path, remove } = temporaryFolder();
      atEnd(remove);
      const search = JSON.stringify(new URL('../../src/miner/search.js', import.meta.url));
      const head = `import { findNonce } from ${search};
        const block = { index: 7, timestamp: ${TIMESTAMP}n, prevBlockHash: Buffer.alloc(32, 3), transactions: [] };`;
      writeFileSync(join(path, 'program.mjs'), `${head}\n${code}`);
      const program = start(process.execPath, [...options, join(path, 'program.mjs')]);
      atEnd(() => end(program, 'SIGKILL'));
      return program;
    }

    it('do not keep it alive: it ends by itself after a search that found, and one that was stopped', async () => {
      const { code, stdout, stderr } = await ended(
        begun(`
          console.log(typeof (await findNonce(block, 1n << 108n, { threads: 3 })).nonce);
          const stop = new AbortController();
          setTimeout(() => stop.abort(), 100);
          console.log(await findNonce(block, 1n, { threads: 3, signal: stop.signal }));`),
      );
      expect(stderr).to.equal('');
      expect(stdout).to.equal('bigint\nundefined\n');
      expect(code).to.equal(0);
    });

    it('without WebAssembly, finds the same', async () => {
      const search = 'console.log(typeof WebAssembly, String((await findNonce(block, 1n << 115n)).nonce));';
      const [jitless, usual] = await Promise.all([ended(begun(search, '--jitless')), ended(begun(search))]);
      const [nonce] = winners(...bytesOf(template({ transactions: [] })), 1n << 115n, 0n, 100_000);
      expect(jitless.stdout).to.equal(`undefined ${nonce}\n`);
      expect(usual.stdout).to.equal(`object ${nonce}\n`);
    });
  });
});
