/** A long chain: how soon a validator answers on it, what that takes of memory, and how fast all of it is verified. */

import { statfsSync } from 'node:fs';
import { type RoundInfo, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import { roundInfo } from '../../src/engine/answers.js';
import { MAX_U128 } from '../../src/engine/bytes.js';
import type { Change } from '../../src/engine/state.js';
import { stepAndApply } from '../../src/engine/step.js';
import { LmdbStore } from '../../src/store/lmdb.js';
import { parseAddress } from '../../src/wire/address.js';
import { winning } from '../support/blocks.js';
import { end, MAIN, start, startValidator, temporaryFolder } from '../support/programs.js';
import { median, resident, script } from './measure.js';
import type { Benchmark, Effort, Row } from './row.js';

/** As many miners, each with an address, so that nobody is locked out when its turn comes again. */
const MINERS = 10_000;

/** Between two blocks: an hour has 9,000 of them. */
const PACE_MS = 400n;

/** Blocks that are committed together. */
const BATCH = 4_000;

/** What a block takes on the disk, and more. */
const BLOCK_BYTES = 1_000;

export const chain: Benchmark = {
  name: 'chain',
  async *rows(effort): AsyncGenerator<Row, void> {
    const folder = temporaryFolder();
    try {
      const { bavail, bsize } = statfsSync(folder.path);
      if (bavail * bsize < effort.blocks * BLOCK_BYTES) {
        throw new Error(`${folder.path} has no room for a chain of ${effort.blocks} blocks: set TMPDIR, or --blocks`);
      }
      await make(`${folder.path}/long`, effort.blocks);
      yield await starting(folder.path, effort);
      yield await verifying(`${folder.path}/long`, effort);
    } finally {
      folder.remove();
    }
  },
};

/** Makes a chain by the engine's own rules, each block with a coinbase that nobody spends. */
async function make(folder: string, blocks: number): Promise<void> {
  const firstRoundStart = BigInt(Date.now()) - BigInt(blocks + 1) * PACE_MS;
  const store = LmdbStore.open(folder);
  // Every hash but one meets it.
  await store.begin({ difficulty: MAX_U128, timescale: Timescale.TAI, firstRoundStart }, 1);
  const state = store.loadState();
  let changes: Change[] = [];
  let now = firstRoundStart;
  for (let i = 0; i < blocks; i++) {
    const due = firstRoundStart + BigInt(i) * PACE_MS;
    const round: RoundInfo = roundInfo(state, due > now ? due : now, 1);
    const block = winning(round, `address-${i % MINERS}`);
    now = block.timestamp;
    const submission = { minerId: `miner-${i % MINERS}`, block };
    const judged = stepAndApply(state, submission, now, (id) => store.lookup(id));
    if (state.height !== i + 1) throw new Error(judged.verdict.message);
    changes.push(...judged.changes);
    if ((i + 1) % BATCH > 0 && i + 1 < blocks) continue;
    await store.commit(changes, now);
    changes = [];
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K  a chain is made: ${i + 1} of ${blocks} blocks`);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
  await store.close();
}

/** From the start of the program to its first answer, on the long chain and on one without blocks. */
async function starting(folder: string, { rounds, blocks }: Effort): Promise<Row> {
  const long: Started[] = [];
  const empty: Started[] = [];
  for (let i = 0; i < rounds; i++) {
    long.push(await firstAnswer(`${folder}/long`));
    empty.push(await firstAnswer(`${folder}/empty`));
  }
  const ms = median(long.map(({ ms }) => ms));
  const bare = median(empty.map(({ ms }) => ms));
  return {
    work: `from the start to the first answer, on ${blocks} blocks and as many unspent outputs`,
    figure: ms,
    unit: 'ms',
    beside: 'on a chain without blocks',
    floor: bare,
    ratio: ms / bare,
    goal: 'less than a second, memory as without blocks',
    met: ms < 1_000,
    more: { 'MiB resident': median(long.map(({ mib }) => mib)), 'without blocks': median(empty.map(({ mib }) => mib)) },
  };
}

interface Started {
  readonly ms: number;
  readonly mib: number;
}

async function firstAnswer(folder: string): Promise<Started> {
  const begun = performance.now();
  const validator = await startValidator(folder, ['--log-level', 'warn']);
  const address = parseAddress(validator.jsonTcp);
  if (address === undefined) throw new Error(`${validator.jsonTcp} is not an address`);
  const client = new JsonTcpClient(address);
  await client.getRoundInfo('');
  const ms = performance.now() - begun;
  const mib = resident(validator) / 1_048_576;
  client.close();
  await end(validator);
  return { ms, mib };
}

/** All of the chain, by the program, beside a loop that only reads every block and hashes it twice. */
async function verifying(folder: string, { blocks }: Effort): Promise<Row> {
  const begun = performance.now();
  const program = start('/usr/bin/env', [
    'bash',
    '-c',
    'TIMEFORMAT="%U %S"; time "$@" > /dev/null',
    'verify',
    process.execPath,
    MAIN,
    'verify',
    '--data',
    folder,
  ]);
  if ((await program.ended) !== 0) throw new Error(`the chain is not sound: ${program.stderr()}`);
  const wall = (performance.now() - begun) / 1_000;
  const [, user, system] = /([\d.]+) ([\d.]+)\s*$/.exec(program.stderr()) ?? [];
  const rate = blocks / (Number(user) + Number(system));
  const reader = start(process.execPath, [script('floor'), 'chain', folder]);
  const [, floorRate] = await reader.printed(/^blocks a CPU-second: (\S+)$/m);
  await reader.ended;
  const floor = Number(floorRate);
  return {
    work: `\`hourcoin verify\`, ${blocks} blocks`,
    figure: rate,
    unit: 'blocks a CPU-second',
    beside: 'reading and hashing them twice',
    floor,
    ratio: rate / floor,
    goal: 'at least 50,000 a second on a core',
    met: rate >= 50_000,
    more: { 'a second': blocks / wall, seconds: wall },
  };
}
