/** Damaged data: every page of a small store is flipped in turn, a few bytes of it. What is then told is right, or nothing is told at all. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { outputId, sha256 } from '../../src/engine/bytes.js';
import { LmdbStore } from '../../src/store/lmdb.js';
import { key, after as keyAfter } from '../../src/store/records.js';
import { output } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { expectRefusal, run } from '../support/ended.js';
import { temporaryFolder } from '../support/programs.js';
import { type Choose, seeded } from '../support/seeded.js';
import { copyOf, type GrowingChain, HOUR, madeFolder, present, tamper } from '../support/stores.js';
import type { Tried } from './damaged.js';
import { type Asked, NOTHING, type Told, tellAll } from './told.js';

const PAGE_BYTES = 4_096;

/** LMDB's own two pages, and what of them is used: everything depends on it. */
const META_PAGES = 2;
const META_BYTES = 168;

/** How often each page is damaged, and in how many bytes. */
const TIMES = 8;
const META_TIMES = 60;
const BYTES = 2;

/** What is not said within this time will not be said, milliseconds: damage can lead round in a circle. */
const PATIENCE_MS = 10_000;

describe('Damaged data', () => {
  const atEnd = cleanup();
  let sound: { path: string; remove: () => void };
  let asked: Asked;
  let right: Told;
  let data: Buffer;

  before(async () => {
    asked = { addresses: [], minerIds: [], outputIds: [], blockHashes: [] };
    sound = await madeFolder((chain) => grow(chain, asked));
    const store = LmdbStore.openReadOnly(sound.path);
    right = tellAll(store, asked);
    await store.close();
    data = readFileSync(join(sound.path, 'data.mdb'));
    expect(Object.values(right)).not.to.include.members([null, NOTHING]);
  });
  after(() => sound.remove());

  function newReader(): Reader {
    const room = temporaryFolder();
    const reader = new Reader(room.path, asked);
    atEnd(async () => {
      await reader.end();
      room.remove();
    });
    return reader;
  }

  /** What is told, and neither right nor an error. */
  function wrongOf(told: Told): string[] {
    return Object.keys(right).filter((name) => ![right[name], null].includes(told[name] ?? null));
  }

  it('Every page in turn: an error, a refused start, a process that ends, or all is right; what is only hidden, `verify` finds', () =>
    seeded(async (choose) => {
      const reader = newReader();
      const seen = { refused: 0, died: 0, errors: 0, hidden: 0, right: 0 };
      for (const flips of damages(data.length / PAGE_BYTES, choose)) {
        const what = JSON.stringify(flips);
        const tried = await reader.try(damaged(data, flips));
        if (tried === undefined) seen.died++;
        else if ('refused' in tried) {
          expect(tried.refused, what).to.match(/is damaged|cannot use the data folder/);
          seen.refused++;
        } else {
          const wrong = wrongOf(tried.told);
          // A page may hide records, and look as if it had never held them: then nothing is told of them, and nothing else.
          expect(wrong.filter((name) => tried.told[name] !== NOTHING).join(), what).to.equal('');
          if (wrong.length > 0) expect(tried.problems, what).to.be.greaterThan(0);
          if (wrong.length > 0) seen.hidden++;
          else if (Object.values(tried.told).includes(null)) seen.errors++;
          else seen.right++;
        }
      }
      // Of some hundred damages.
      expect(seen.errors, JSON.stringify(seen)).to.be.greaterThan(20);
      expect(seen.refused, JSON.stringify(seen)).to.be.greaterThan(20);
      expect(seen.hidden, JSON.stringify(seen)).to.be.lessThan(5);
    })).timeout(60_000);

  it('A damaged key hides neither its record nor those beside it, in any table: what is told is right, or an error', async () => {
    const reader = newReader();
    let errors = 0;
    // Its table; far ahead of the others; and behind them.
    const ways = [
      [0, 0x20],
      [1, 0x80],
      [3, 0x01],
    ] as const;
    for (const [at, recordKey] of (await keysOf(sound.path)).entries()) {
      const table = recordKey.toString('latin1', 0, 1);
      // Lockouts are looked for by their end, where any of them may lead astray; of the others one way in turn.
      for (const [byte, by] of table === 'L' ? ways : ways.slice(at % ways.length, (at % ways.length) + 1)) {
        const what = `byte ${byte} of ${table}:${recordKey.toString('hex', 1)}`;
        const flips = places(data, recordKey).map((place) => [place + byte, by] as const);
        const tried = present(await reader.try(damaged(data, flips)));
        if ('refused' in tried) errors++;
        else {
          const wrong = wrongOf(tried.told);
          expect(wrong.join(), what).to.equal('');
          if (Object.values(tried.told).includes(null)) errors++;
          else expect(tried.problems, what).to.be.greaterThan(0);
        }
      }
    }
    expect(errors).to.be.greaterThan(100);
  }).timeout(120_000);

  it('Where damage makes LMDB end the process, `verify` says so, and what can still be done', async () => {
    const copy = copyOf(sound.path);
    const file = join(copy.path, 'data.mdb');
    let ended = 0;
    for (let page = META_PAGES; ended === 0 && page < data.length / PAGE_BYTES; page++) {
      const bytes = Buffer.from(data);
      bytes.fill(0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      writeFileSync(file, bytes);
      const { code, stdout, stderr } = await run(['verify', '--data', copy.path]);
      expect(code, `page ${page}`).to.be.oneOf([0, 1]);
      if (!stderr.includes('LMDB ends over it')) continue;
      ended++;
      expect(stdout).to.equal('');
      expect(stderr.trimEnd().split('\n').at(-1)).to.match(
        /^error: the data in .* is so damaged that LMDB ends over it \(.*\): restore a backup; hourcoin export may still save blocks from it$/,
      );
    }
    expect(ended).to.equal(1);
    copy.remove();
  }).timeout(60_000);

  it('A record whose key was damaged is noticed where it is missed: nothing is taken for absent that is there', async () => {
    const copy = copyOf(sound.path);
    const id = Buffer.from(present(asked.outputIds[5]), 'hex');
    const bytes = Buffer.from(data);
    // Every copy of the record: LMDB leaves old pages lying about.
    for (const at of places(data, key('O', id))) bytes.writeUInt8(bytes.readUInt8(at + 20) ^ 1, at + 20);
    writeFileSync(join(copy.path, 'data.mdb'), bytes);
    const store = LmdbStore.open(copy.path);
    expect(() => store.lookup(id)).to.throw(/^record O:[0-9a-f]{64} is damaged$/);
    await store.close();
    const { code } = await run(['verify', '--data', copy.path]);
    expect(code).to.equal(1);
    copy.remove();
  });

  for (const [what, table] of [
    ['lockout', 'L'],
    ['attempt', 'T'],
  ] as const) {
    it(`A hidden ${what} is missed when the validator starts: nobody gets a second try by it`, async () => {
      const copy = copyOf(sound.path);
      await tamper(copy.path, (database) => {
        const [hidden] = database.getKeys({ start: key(table), end: keyAfter(key(table)), limit: 1 });
        database.removeSync(present(hidden));
      });
      const started = await run(['validator', '127.0.0.1:0', '--grpc', 'off', '--data', copy.path]);
      expectRefusal(
        started,
        1,
        /the data in .* is damaged \(there are \d+ (lockouts|attempts of round \d+), not \d+\)/,
      );
      expect((await run(['verify', '--data', copy.path])).code).to.equal(1);
      copy.remove();
    });
  }
});

/** Blocks of many miners, with outputs that are spent, lockouts and attempts in force, and keys: some forty pages. */
async function grow(chain: GrowingChain, { addresses, minerIds, outputIds, blockHashes }: Asked): Promise<void> {
  for (let n = 0; n < 60; n++) {
    const name = `miner ${n}`;
    const [oldest] = n > 3 && n % 2 === 0 ? chain.chain.outputs.unspent() : [];
    const spending = oldest && { inputs: [oldest], outputs: [output(`payee ${n % 7}`, 0.7, chain.now + HOUR / 2n)] };
    const { block } = chain.extend(name, spending ? [spending] : []);
    addresses.push(name);
    minerIds.push(name);
    blockHashes.push(block.hash.toString('hex'));
    for (const { outputs } of block.transactions)
      outputIds.push(...outputs.map((one) => outputId(one).toString('hex')));
    if (n % 8 === 7) await chain.commit();
  }
  for (let n = 0; n < 7; n++) addresses.push(`payee ${n}`);
  for (let n = 0; n < 20; n++) chain.fail(`loser ${n}`);
  await chain.commit();
  for (const name of ['alice', 'bob']) {
    await chain.store.putKey({ hash: sha256(Buffer.from(name)), minerId: name, madeAt: 5n });
  }
}

/** A byte of a data file, and what it is flipped by. */
type Flip = readonly [at: number, by: number];

function* damages(pages: number, choose: Choose): Generator<readonly Flip[]> {
  for (let page = 0; page < pages; page++) {
    const isMeta = page < META_PAGES;
    for (let times = 0; times < (isMeta ? META_TIMES : TIMES); times++) {
      yield Array.from(
        { length: BYTES },
        () => [page * PAGE_BYTES + choose(isMeta ? META_BYTES : PAGE_BYTES), 1 + choose(255)] as const,
      );
    }
  }
}

function damaged(data: Buffer, flips: readonly Flip[]): Buffer {
  const bytes = Buffer.from(data);
  for (const [at, by] of flips) bytes.writeUInt8(bytes.readUInt8(at) ^ by, at);
  return bytes;
}

/** Every key of more than a letter. */
async function keysOf(folder: string): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  await tamper(folder, (database) => {
    keys.push(...[...database.getKeys()].map((recordKey) => Buffer.from(recordKey)).filter(({ length }) => length > 3));
  });
  return keys;
}

/** Where some bytes stand in others. */
function places(bytes: Buffer, part: Buffer): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(part); at >= 0; at = bytes.indexOf(part, at + 1)) found.push(at);
  return found;
}

/** Tries data files in a process of its own: in another one where that has died. */
class Reader {
  private child: { process: ChildProcess; lines: AsyncIterator<string> } | undefined;

  constructor(
    private readonly room: string,
    private readonly asked: Asked,
  ) {}

  /** What came of a data file; undefined where the process has died of it. */
  async try(data: Buffer): Promise<Tried | undefined> {
    this.child ??= this.start();
    const { process, lines } = this.child;
    process.stdin?.write(`${data.toString('base64')}\n`);
    const impatient = setTimeout(() => process.kill('SIGKILL'), PATIENCE_MS);
    const { value, done } = await lines.next();
    clearTimeout(impatient);
    if (done !== true) return JSON.parse(value) as Tried;
    this.child = undefined;
    // By a signal, or as a C library whose SIGABRT did not end it: an error that nobody has thought of would have another exit code.
    if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
    expect(process.signalCode ?? process.exitCode).to.be.oneOf([
      127,
      'SIGSEGV',
      'SIGBUS',
      'SIGABRT',
      'SIGFPE',
      'SIGILL',
      'SIGKILL',
    ]);
    return undefined;
  }

  async end(): Promise<void> {
    if (this.child === undefined) return;
    const { process } = this.child;
    process.stdin?.end();
    if (process.exitCode === null) await once(process, 'exit');
  }

  private start(): { process: ChildProcess; lines: AsyncIterator<string> } {
    const program = fileURLToPath(new URL('./damaged.js', import.meta.url));
    const child = spawn(process.execPath, [program, this.room, JSON.stringify(this.asked)], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child.stdin.on('error', () => {});
    return { process: child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  }
}
