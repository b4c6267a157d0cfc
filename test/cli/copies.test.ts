/** `hourcoin backup` and `hourcoin restore`: verified copies of a data folder, there whole or not at all. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { encodeBalance, key, textKey, u32 } from '../../src/store/records.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc } from '../support/clients.js';
import { type Ended, ended, expectRefusal, run } from '../support/ended.js';
import {
  end,
  hourcoin,
  MAIN,
  type RunningValidator,
  start,
  startValidator,
  temporaryFolder,
} from '../support/programs.js';
import { seeded } from '../support/seeded.js';
import { changeSealed, madeFolder, putSealed, tamper } from '../support/stores.js';
import { until } from '../support/wait.js';

/** Under load the chain's clock runs fast: the tonce would drive its timestamps out of a real clock's window. */
const FAST = ['--clock-speed', '20', '--log-level', 'warn'];

describe('Backup and restore', () => {
  const later = cleanup();
  let room: string;

  beforeEach(() => {
    const folder = temporaryFolder();
    later(folder.remove);
    room = folder.path;
  });

  const at = (name: string): string => join(room, name);

  /** A folder with a chain of some blocks. */
  async function chainOf(blocks: number): Promise<string> {
    const { path, remove } = await madeFolder((chain) => {
      for (let i = 0; i < blocks; i++) chain.extend(`miner ${i}`);
    });
    later(remove);
    return path;
  }

  async function started(data: string, ...args: string[]): Promise<RunningValidator> {
    const validator = await startValidator(data, args);
    later(() => end(validator, 'SIGKILL'));
    return validator;
  }

  async function good(program: Promise<Ended>): Promise<string> {
    const { code, stdout, stderr } = await program;
    expect([code, stderr]).to.deep.equal([0, '']);
    return stdout;
  }

  /** The newest block's hash, and how many there are, as the program says. */
  const told = (stdout: string): string[] =>
    [/Blocks: +(\d+)/, /Newest block: +([0-9a-f]{64})/].map((line) => line.exec(stdout)?.[1] ?? '');

  /** Keeps a validator busy until the test ends: each submitter in ever new names. */
  function load(validator: RunningValidator): { blocks: () => number; tips: Set<string> } {
    let blocks = 0;
    let stopped = false;
    const tips = new Set<string>();
    later(() => {
      stopped = true;
    });
    const submit = async (number: number): Promise<void> => {
      const client = overGrpc(validator);
      later(() => client.close());
      for (let i = 0; !stopped; i++) {
        const minerId = `${number}/${i}`;
        const block = winning(await client.getRoundInfo(minerId), minerId);
        const judged = i % 4 > 0 ? { ...block, hash: Buffer.alloc(32) } : block;
        const { result } = await client.submitBlock(minerId, judged);
        if (result === SubmitResult.ACCEPTED) {
          blocks++;
          tips.add(block.hash.toString('hex'));
        }
      }
    };
    for (let number = 0; number < 8; number++) submit(number).catch(() => {});
    return { blocks: () => blocks, tips };
  }

  it('backup of a stopped validator, restore, start: the same chain is served, and the same keys hold', async () => {
    const data = await chainOf(5);
    const { stdout: token } = await run(['key', 'add', 'alice', '--data', data]);
    expect(token).to.match(/^hck_/);
    const backedUp = await good(run(['backup', at('backup'), '--data', data]));
    expect(backedUp).to.match(/^✓ .* is copied to .*backup, and the copy is sound\n {2}Blocks: {7}5\n/);
    expect(backedUp).to.contain(`hourcoin restore ${at('backup')} --data NEW`);
    const restored = await good(run(['restore', at('backup'), '--data', at('new')]));
    expect(told(restored)).to.deep.equal(told(backedUp));

    const validator = await started(at('new'));
    const client = overGrpc(validator);
    later(() => client.close());
    const { blockCount, tipHash } = await client.getBlockchainInfo();
    expect([String(blockCount), tipHash?.toString('hex')]).to.deep.equal(told(backedUp));
    const listed = async (folder: string): Promise<string> => (await run(['key', 'list', '--data', folder])).stdout;
    expect(await listed(at('new')))
      .to.equal(await listed(data))
      .and.contain('alice');
  });

  it("a backup is a data folder, its owner's only, and holds nothing but the chain and a lock", async () => {
    await good(run(['backup', at('one/two/backup'), '--data', await chainOf(1)]));
    const folder = at('one/two/backup');
    expect(readdirSync(folder).sort()).to.deep.equal(['data.mdb', 'validator.lock']);
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    expect([mode(folder), mode(join(folder, 'data.mdb'))]).to.deep.equal(['700', '600']);
    expect((await run(['verify', '--data', folder])).code).to.equal(0);
  });

  it('of a validator under load: every backup is sound, and ends with a block that was accepted', async () => {
    const validator = await started(at('data'), String(EASY), ...FAST);
    const { blocks, tips } = load(validator);
    await until(() => blocks() > 0, 'a block is accepted');
    for (let i = 0; i < 5; i++) {
      const [count, tip] = told(await good(run(['backup', at(`backup ${i}`), '--data', at('data')])));
      // A block is on the disk a moment before its miner hears of it.
      await until(() => tips.has(String(tip)), `block #${Number(count) - 1} is acknowledged`);
    }
    expect(await end(validator)).to.equal(0);
    expect(validator.stderr()).to.equal('');
  }).timeout(60_000);

  it('killed or stopped at any moment leaves nothing that looks like a backup, and the validator goes on', () =>
    seeded(async (choose) => {
      const validator = await started(at('data'), String(EASY), ...FAST);
      const { blocks } = load(validator);
      let cut = 0;
      for (let i = 0; i < 12; i++) {
        const backup = at(`backup ${i}`);
        const program = hourcoin(['backup', backup, '--data', at('data')]);
        const signal = (['SIGKILL', 'SIGINT', 'SIGTERM'] as const)[i % 3];
        await sleep(choose(500));
        program.process.kill(signal);
        const how = await program.ended;
        if (existsSync(join(backup, 'data.mdb'))) {
          // It was whole already.
          await good(run(['restore', backup, '--data', at(`restored ${i}`)]));
          continue;
        }
        cut++;
        expect(how).to.equal(signal);
        if (signal !== 'SIGKILL') expect(existsSync(backup)).to.equal(false);
        const before = blocks();
        await until(() => blocks() > before, 'the validator accepts blocks');
      }
      expect(cut).to.be.above(0);
      expect(await end(validator)).to.equal(0);
    })).timeout(120_000);

  it('what a killed one has left is cleared away by the next to the same folder', async () => {
    mkdirSync(at('backup/.hourcoin-unfinished'), { recursive: true });
    writeFileSync(at('backup/.hourcoin-unfinished/data.mdb'), 'half of it');
    await good(run(['backup', at('backup'), '--data', await chainOf(1)]));
    expect(readdirSync(at('backup')).sort()).to.deep.equal(['data.mdb', 'validator.lock']);
  });

  it('what somebody else has there under that name is left alone', async () => {
    const data = await chainOf(1);
    const backup = at('sound');
    await good(run(['backup', backup, '--data', data]));
    mkdirSync(at('mine/.hourcoin-unfinished'), { recursive: true });
    writeFileSync(at('mine/.hourcoin-unfinished/notes'), 'precious');
    expectRefusal(
      await run(['restore', backup, '--data', at('mine')]),
      1,
      'is not what hourcoin would have left there',
    );
    expect(readFileSync(at('mine/.hourcoin-unfinished/notes'), 'utf8')).to.equal('precious');
  });

  it('backup: into an empty folder; not into one with something in it, nor over a backup', async () => {
    const data = await chainOf(1);
    mkdirSync(at('empty'));
    await good(run(['backup', at('empty'), '--data', data]));
    mkdirSync(at('full'));
    writeFileSync(at('full/notes'), '');
    for (const folder of [at('full'), at('empty'), data]) {
      const before = readdirSync(folder);
      expectRefusal(await run(['backup', folder, '--data', data]), 1, `there is something in ${folder} already`);
      expect(readdirSync(folder)).to.deep.equal(before);
    }
    symlinkSync(data, at('link'));
    const before = readdirSync(data);
    for (const folder of [join(data, 'backup'), join(data, '..backup'), join(data, 'a/b'), at('link/backup')]) {
      expectRefusal(await run(['backup', folder, '--data', data]), 1, 'lies in the data folder');
    }
    expect(readdirSync(data)).to.deep.equal(before);
    writeFileSync(at('file'), '');
    expectRefusal(await run(['backup', at('file'), '--data', data]), 1, 'cannot use the data folder');
    expectRefusal(await run(['backup', at('file/backup'), '--data', data]), 1, 'cannot use the data folder');
  });

  it('backup and restore: of nothing, nothing is made', async () => {
    mkdirSync(at('empty'));
    for (const data of [at('nowhere'), at('empty')]) {
      expectRefusal(await run(['backup', at('a/b'), '--data', data]), 1, `there is no chain in ${data}`);
      expectRefusal(await run(['restore', data, '--data', at('a/b')]), 1, `there is no chain in ${data}`);
    }
    expect(readdirSync(room)).to.deep.equal(['empty']);
  });

  it('restore: not over a chain, not into a folder in use, not of one in use, not into itself', async () => {
    const data = await chainOf(2);
    await good(run(['backup', at('backup'), '--data', data]));
    expectRefusal(
      await run(['restore', at('backup'), '--data', data]),
      1,
      /there is a chain in .* already, .* move .* away/,
    );
    const validator = await started(data);
    expectRefusal(await run(['restore', at('backup'), '--data', data]), 1, 'is in use by another validator');
    expectRefusal(await run(['restore', data, '--data', at('new')]), 1, 'hourcoin backup makes a copy beside it');
    expectRefusal(await run(['restore', at('backup'), '--data', at('backup')]), 1, 'not restored into itself');
    expect(await end(validator)).to.equal(0);
    expect(await good(run(['verify', '--data', data]))).to.contain('Blocks replayed: 2\n');
    expect(readdirSync(room)).to.deep.equal(['backup']);
  });

  it('restore: into a folder with other files in it, which stay', async () => {
    await good(run(['backup', at('backup'), '--data', await chainOf(2)]));
    mkdirSync(at('data'));
    writeFileSync(at('data/hourcoin.yaml'), '');
    await good(run(['restore', at('backup'), '--data', at('data')]));
    expect(readdirSync(at('data')).sort()).to.deep.equal(['data.mdb', 'hourcoin.yaml', 'validator.lock']);
  });

  it("restore: a backup of an older format is brought to this version's, and stays as it is", async () => {
    await good(run(['backup', at('backup'), '--data', await chainOf(2)]));
    await tamper(at('backup'), (database) => {
      putSealed(database, key('F'), u32(1));
      changeSealed(database, key('S'), (progress) => progress.subarray(0, 36));
    });
    const before = readFileSync(at('backup/data.mdb'));
    expect(await good(run(['restore', at('backup'), '--data', at('new')]))).to.contain('it becomes format 2');
    expect(await good(run(['verify', '--data', at('new')]))).to.contain('Blocks replayed: 2\n');
    expect(readFileSync(at('backup/data.mdb')).equals(before)).to.equal(true);
  });

  it('a chain that is not sound is neither backed up nor restored: it says where, and nothing is made', async () => {
    const data = await chainOf(3);
    await tamper(data, (database) => database.removeSync(key('B', u32(1))));
    for (const args of [
      ['backup', at('new'), '--data', data],
      ['restore', data, '--data', at('new')],
    ]) {
      expectRefusal(await run(args), 1, 'is not sound: 1 of 3 blocks are, block #1 is not (hourcoin verify says more)');
    }
    const other = await chainOf(1);
    await tamper(other, (database) =>
      putSealed(database, key('A', textKey('mallory')), encodeBalance({ units: 1n, count: 1n })),
    );
    expectRefusal(await run(['backup', at('new'), '--data', other]), 1, 'what is kept beside them is not');
    expect(readdirSync(room)).to.deep.equal([]);
  });

  it('a backup that was cut short is not restored', async () => {
    await good(run(['backup', at('backup'), '--data', await chainOf(3)]));
    truncateSync(at('backup/data.mdb'), statSync(at('backup/data.mdb')).size - 4096 * 3);
    expectRefusal(await run(['restore', at('backup'), '--data', at('new')]), 1, /the data in .* is damaged \(.*\)/);
    expect(existsSync(at('new'))).to.equal(false);
  });

  it('where the disk is full nothing is left, and it says why', async () => {
    const data = await chainOf(40);
    // A limit of the length of files stands in for a full disk.
    const args = ['backup', at('a/backup'), '--data', data];
    const program = start('sh', ['-c', 'ulimit -f 64; exec "$@"', 'sh', process.execPath, MAIN, ...args]);
    expectRefusal(await ended(program), 1, /could not be copied to .*: File too large/);
    expect(readdirSync(room)).to.deep.equal([]);
  });
});
