/** Data folders and the programs that open them: one writer, and a clear word where a folder cannot be used. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { LmdbStore } from '../../src/store/lmdb.js';
import { key, u32 } from '../../src/store/records.js';
import { FORMAT } from '../../src/store/upgrade.js';
import { ended, expectRefusal, run } from '../support/ended.js';
import { end, hourcoin, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';
import { copyOf, madeFolder, putSealed, tamper } from '../support/stores.js';

/** Tries to run a validator in a folder. */
function tryValidator(data: string) {
  return run(['validator', '127.0.0.1:0', '--grpc', 'off', '--data', data]);
}

describe('A data folder has one writer', () => {
  const folder = temporaryFolder();
  let first: RunningValidator;

  before(async () => {
    first = await startValidator(folder.path);
  });
  after(async () => {
    await end(first, 'SIGKILL');
    folder.remove();
  });

  it('A second validator is refused while the first lives, and changes nothing', async () => {
    const bytes = readFileSync(join(folder.path, 'data.mdb'));
    expectRefusal(await tryValidator(folder.path), 1, `the data folder ${folder.path} is in use by another validator`);
    expect(readFileSync(join(folder.path, 'data.mdb')).equals(bytes)).to.equal(true);
  });

  it('A second store in the same process is refused too', async () => {
    const own = temporaryFolder();
    const store = LmdbStore.open(own.path);
    expect(() => LmdbStore.open(own.path)).to.throw('in use by another validator');
    await store.close();
    await LmdbStore.open(own.path).close();
    own.remove();
  });

  it('`verify` reads beside the running validator, as often as it likes', async () => {
    for (let times = 0; times < 2; times++) {
      const { code, stdout } = await run(['verify', '--data', folder.path]);
      expect(stdout).to.match(/^✓ The chain in .* is sound\n {2}Blocks replayed: 0\n {2}Outputs: 0/);
      expect(code).to.equal(0);
    }
    const miner = await ended(hourcoin(['miner', 'alice', first.jsonTcp, '--blocks', '1']));
    expect(miner.code).to.equal(0);
    expect((await run(['verify', '--data', folder.path])).stdout).to.include('Blocks replayed: 1');
  });

  it('A second validator is taken once the first was killed, and has its chain', async () => {
    await end(first, 'SIGKILL');
    first = await startValidator(folder.path);
    const { stdout } = await run(['status', first.jsonTcp]);
    expect(stdout).to.include('Height:     1 blocks');
  });
});

describe('A data folder that cannot be used is refused, and left as it is', () => {
  let sound: { path: string; remove: () => void };

  before(async () => {
    sound = await madeFolder((chain) => {
      for (let block = 0; block < 40; block++) chain.extend(`miner ${block}`);
    });
  });
  after(() => sound.remove());

  const data = (folder: string): string => join(folder, 'data.mdb');

  const damages: [string, (folder: string) => void | Promise<void>, RegExp][] = [
    [
      'one of a newer format',
      (folder) => tamper(folder, (database) => putSealed(database, key('F'), u32(FORMAT + 1))),
      /has format 3, this version reads format 2: use a newer version of hourcoin/,
    ],
    [
      'one of an older format',
      (folder) => tamper(folder, (database) => putSealed(database, key('F'), u32(0))),
      /has format 0, this version reads format 2: use an older version of hourcoin/,
    ],
    [
      'a file that is no database',
      (folder) => writeFileSync(data(folder), Buffer.alloc(100_000, 'garbage')),
      /damaged \(it does not begin as a database does\)/,
    ],
    ['a file that is empty', (folder) => writeFileSync(data(folder), ''), /damaged \(it does not begin/],
    [
      'a file of a few bytes',
      (folder) => truncateSync(data(folder), 100),
      /damaged \(it does not begin as a database does\)/,
    ],
    [
      'a file that is cut in half',
      (folder) => truncateSync(data(folder), Math.floor(readFileSync(data(folder)).length / 2)),
      /damaged \(it is cut short\)/,
    ],
    [
      'a file of which only the first page is left',
      (folder) => truncateSync(data(folder), 4_096),
      /damaged \(it does not begin as a database does\)/,
    ],
    [
      'a record that was changed',
      (folder) => tamper(folder, (database) => database.putSync(key('P'), Buffer.alloc(37))),
      /damaged \(record P: is damaged\)/,
    ],
  ];

  for (const [what, damage, why] of damages) {
    it(`${what}: one line that says what to do, exit code 1, and not a byte is changed`, async () => {
      const folder = copyOf(sound.path);
      await damage(folder.path);
      const bytes = readFileSync(data(folder.path));
      const endings = [tryValidator(folder.path), run(['verify', '--data', folder.path])];
      for (const ending of await Promise.all(endings)) {
        expectRefusal(ending, 1, why);
        expect(ending.stderr).to.include(folder.path);
      }
      expect(readFileSync(data(folder.path)).equals(bytes)).to.equal(true);
      folder.remove();
    });
  }

  it('a file where the folder should be', async () => {
    const folder = temporaryFolder();
    const file = join(folder.path, 'file');
    writeFileSync(file, 'mine');
    expectRefusal(await tryValidator(file), 1, `cannot use the data folder ${file}`);
    expect(readFileSync(file, 'utf8')).to.equal('mine');
    folder.remove();
  });

  for (const name of ['data.mdb', 'lock.mdb', 'validator.lock']) {
    it(`a folder where its file ${name} should be`, async () => {
      const folder = temporaryFolder();
      mkdirSync(join(folder.path, name));
      expectRefusal(await tryValidator(folder.path), 1, `cannot use the data folder ${folder.path}: EISDIR`);
      folder.remove();
    });
  }

  it('`verify` of a data file that is none', async () => {
    const folder = temporaryFolder();
    mkdirSync(data(folder.path));
    expectRefusal(
      await run(['verify', '--data', folder.path]),
      1,
      `the data in ${folder.path} is damaged (its data.mdb is no file)`,
    );
    folder.remove();
  });

  it('a pipe where its data file should be, which nobody writes to', async () => {
    const folder = temporaryFolder();
    execFileSync('mkfifo', [data(folder.path)]);
    expectRefusal(
      await tryValidator(folder.path),
      1,
      `the data in ${folder.path} is damaged (its data.mdb is no file)`,
    );
    folder.remove();
  });

  it('a folder that cannot be made', async () => {
    // Nobody can make a folder there, whoever runs the test. (Below /proc Node's own way to make several never ends.)
    expectRefusal(await tryValidator('/proc/hourcoin/data'), 1, 'cannot use the data folder /proc/hourcoin/data');
    expectRefusal(await tryValidator('/sys/hourcoin/data'), 1, 'cannot use the data folder /sys/hourcoin/data');
  });

  it('`verify` makes nothing where there is nothing', async () => {
    const folder = temporaryFolder();
    const missing = join(folder.path, 'missing');
    expectRefusal(await run(['verify', '--data', missing]), 1, `there is no chain in ${missing}`);
    expect(existsSync(missing)).to.equal(false);
    expectRefusal(await run(['verify', '--data', folder.path]), 1, `there is no chain in ${folder.path}`);
    folder.remove();
  });

  it('A last page that was never used may be missing, and is there once the store was closed', async () => {
    const folder = copyOf(sound.path);
    const bytes = readFileSync(data(folder.path));
    const pageSize = bytes.readUInt32LE(48);
    // Both meta pages count one page more (LMDB: mm_last_pg).
    for (const meta of [0, pageSize]) {
      bytes.writeBigUInt64LE(bytes.readBigUInt64LE(meta + 144) + 1n, meta + 144);
    }
    writeFileSync(data(folder.path), bytes);
    const store = LmdbStore.open(folder.path);
    expect(store.stored).not.to.equal(undefined);
    await store.close();
    expect(readFileSync(data(folder.path)).length).to.equal(bytes.length + pageSize);
    folder.remove();
  });

  it('A folder in which no chain has begun yet begins one', async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, 'deep', 'deeper');
    mkdirSync(path, { recursive: true });
    await LmdbStore.open(path).close();
    expectRefusal(await run(['verify', '--data', path]), 1, `there is no chain in ${path}`);
    await end(await startValidator(path));
    expect((await run(['verify', '--data', path])).code).to.equal(0);
    folder.remove();
  });
});
