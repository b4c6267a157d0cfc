/** Upgrades: a folder that an older version has written is brought to this version's format, whole or not at all. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { LmdbStore } from '../../src/store/lmdb.js';
import { key, u32, unseal } from '../../src/store/records.js';
import { FORMAT } from '../../src/store/upgrade.js';
import { addressPage } from '../../src/validator/reads.js';
import { verify } from '../../src/validator/verify.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc } from '../support/clients.js';
import { ended, expectRefusal, run } from '../support/ended.js';
import {
  end,
  hourcoin,
  MAIN,
  start,
  startValidator,
  temporaryFolder,
  validatorArguments,
} from '../support/programs.js';
import { type Choose, seeded } from '../support/seeded.js';
import { changeSealed, madeFolder, present, putSealed, type RawDatabase, tamper } from '../support/stores.js';

/** test/fixtures: what hourcoin 0.1.0 has written, and what it told of it before it was killed. Beside dist. */
const FIXTURE = new URL('../../../test/fixtures/format-1.', import.meta.url);

interface Fixture {
  readonly blocks: { readonly hash: string; readonly contentHash: string; readonly minerId: string }[];
  readonly addresses: Readonly<Record<string, { readonly balance: number; readonly unspent: string[] }>>;
  readonly attempted: string[];
  readonly lockedOut: string[];
  readonly round: number;
}

const fixture = JSON.parse(readFileSync(`${FIXTURE.pathname}json`, 'utf8')) as Fixture;

/** How often the upgrade is killed. */
const KILLS = 10;

const BROUGHT_UP = /has format 1: its attempts and lockouts are counted, and it becomes format 2/;

describe('An upgrade of a data folder', () => {
  const later = cleanup();

  /** A folder as hourcoin 0.1.0 has left it. */
  function released(): string {
    const folder = temporaryFolder();
    later(folder.remove);
    writeFileSync(join(folder.path, 'data.mdb'), gunzipSync(readFileSync(`${FIXTURE.pathname}mdb.gz`)));
    return folder.path;
  }

  /** A folder of format 1 whose upgrade takes a while: with many attempts. */
  async function large(): Promise<string> {
    const folder = await madeFolder((chain) => {
      chain.extend('alice');
      for (let n = 0; n < 30_000; n++) chain.chain.state.round.attempts.add(`${n}`);
    });
    later(folder.remove);
    await tamper(folder.path, (database) => {
      for (let n = 0; n < 30_000; n++) {
        putSealed(
          database,
          Buffer.concat([key('T'), Buffer.from([0, 0, 0, 0, 0, 0, 0, 2]), u32(n)]),
          Buffer.from(`${n}`),
        );
      }
      toFormat1(database);
    });
    return folder.path;
  }

  /** The format that a folder has, and how many attempts it counts. */
  async function found(folder: string): Promise<{ format: number; attempts: number | undefined }> {
    let format = 0;
    let attempts: number | undefined;
    await tamper(folder, (database) => {
      format = payload(database, key('F')).readUInt32BE(0);
      const progress = payload(database, key('S'));
      attempts = progress.length > 36 ? progress.readUInt32BE(36) : undefined;
    });
    return { format, attempts };
  }

  it('What 0.1.0 has told is there: blocks, outputs, attempts, lockouts and round; it is done once, and said', async () => {
    const folder = released();
    const said: string[] = [];
    const store = LmdbStore.open(folder, (text) => said.push(text));
    expect(said.map((text) => text.replace(folder, 'DIR'))).to.deep.equal([
      'The data in DIR has format 1: its attempts and lockouts are counted, and it becomes format 2',
      'The data in DIR has format 2 now: older versions of hourcoin cannot use it any more',
    ]);
    for (const [index, block] of fixture.blocks.entries()) {
      const accepted = present(store.block(index));
      expect(accepted.block.hash.toString('hex')).to.equal(block.hash);
      expect(accepted.contentHash.toString('hex')).to.equal(block.contentHash);
      expect(accepted.minerId).to.equal(block.minerId);
    }
    for (const [address, { balance, unspent }] of Object.entries(fixture.addresses)) {
      const page = addressPage(store, address, {});
      expect(page.balance).to.equal(balance);
      expect(page.unspentOutputs.map(({ outputId }) => outputId.toString('hex'))).to.deep.equal(unspent);
    }
    const { height, round, lockouts } = store.loadState();
    expect(height).to.equal(fixture.blocks.length);
    expect(Number(round.number)).to.equal(fixture.round);
    expect([...round.attempts].sort()).to.deep.equal(fixture.attempted);
    expect([...lockouts.keys()]).to.deep.equal(fixture.lockedOut);
    expect(verify(store).problems).to.deep.equal([]);
    await store.close();
    await LmdbStore.open(folder, (text) => said.push(text)).close();
    expect(said.length).to.equal(2);
  });

  it('`hourcoin validator` does it when it starts, logs it, and serves on', async () => {
    const folder = released();
    const validator = await startValidator(folder);
    later(() => end(validator, 'SIGKILL'));
    expect(validator.stderr()).to.match(BROUGHT_UP);
    const client = overGrpc(validator);
    later(() => client.close());
    const { blocks } = await client.listBlocks(0, { pageSize: 0, pageToken: '' });
    expect(blocks.map(({ block }) => present(block).hash.toString('hex'))).to.deep.equal(
      fixture.blocks.map(({ hash }) => hash),
    );
    expect(await end(validator)).to.equal(0);
    expect((await run(['verify', '--data', folder])).code).to.equal(0);
  });

  it('Whoever only reads says what to do, and changes nothing', async () => {
    const folder = released();
    const bytes = readFileSync(join(folder, 'data.mdb'));
    expectRefusal(
      await run(['verify', '--data', folder]),
      1,
      `the data in ${folder} has format 1, this version reads format ${FORMAT}: start this version's validator on it once, which brings it up, or use the version that wrote it`,
    );
    expect(readFileSync(join(folder, 'data.mdb')).equals(bytes)).to.equal(true);
  });

  it('`hourcoin key` on a stopped validator does it too, and says so beside what it prints', async () => {
    const { code, stdout, stderr } = await run(['key', 'list', '--json', '--data', released()]);
    expect(stderr).to.match(BROUGHT_UP);
    expect(stdout).to.equal('[]\n');
    expect(code).to.equal(0);
  });

  it('A record that is damaged stops it, and the folder stays as it is', async () => {
    const folder = released();
    await tamper(folder, (database) => {
      const [attempt] = database.getKeys({ start: key('T'), limit: 1 });
      database.putSync(present(attempt), Buffer.from('garbage'));
    });
    for (let times = 0; times < 2; times++) {
      const ending = await run(['validator', '127.0.0.1:0', '--grpc', 'off', '--data', folder]);
      expect(ending.stderr).to.match(/error: the data in .* is damaged \(record T:[0-9a-f]+ is damaged\)/);
      expect(ending.code).to.equal(1);
      expect((await found(folder)).format).to.equal(1);
    }
  });

  it(`Killed ${KILLS} times in the middle of it, the folder is as it was or brought up whole`, () =>
    seeded(async (choose: Choose) => {
      const folder = await large();
      const before = readFileSync(join(folder, 'data.mdb'));
      for (let kills = 0; kills < KILLS; kills++) {
        writeFileSync(join(folder, 'data.mdb'), before);
        const program = hourcoin(validatorArguments(folder));
        const said = new Promise<void>((resolve) => program.process.stderr?.once('data', () => resolve()));
        await Promise.race([said, program.ended]);
        await sleep(choose(120));
        await end(program, 'SIGKILL');
        const { format, attempts } = await found(folder);
        expect(attempts, `format ${format}`).to.equal(format === 1 ? undefined : 30_000);
      }
      const validator = await startValidator(folder, ['--log-level', 'warn']);
      later(() => end(validator, 'SIGKILL'));
      const client = overGrpc(validator);
      later(() => client.close());
      expect((await client.getMiner('alice')).blockCount).to.equal(1n);
      expect(await end(validator)).to.equal(0);
      const { code, stderr } = await run(['verify', '--data', folder]);
      expect(stderr).to.equal('');
      expect(code).to.equal(0);
    })).timeout(60_000);

  for (const [what, kib] of [
    ['no room at all', 16],
    ['room that ends in the middle', 68],
  ] as const) {
    it(`With ${what} it says so and stays as it is; with room again it is done`, async () => {
      const folder = await large();
      // The system lets no file be written beyond that.
      const limited = `trap '' XFSZ; ulimit -f ${kib * 2}; exec "$0" "$@"`;
      const ending = await ended(
        start('sh', ['-c', limited, process.execPath, MAIN, ...validatorArguments(folder), '--log-level', 'warn']),
      );
      // LMDB has a word of its own before ours.
      expect(ending.stderr).to.match(/error: cannot use the data folder .*(EFBIG|File too large).*\n$/);
      expect(ending.code).to.equal(1);
      expect(await found(folder)).to.deep.equal({ format: 1, attempts: undefined });
      const store = LmdbStore.open(folder);
      expect(store.loadState().round.attempts.size).to.equal(30_000);
      await store.close();
      expect(await found(folder)).to.deep.equal({ format: 2, attempts: 30_000 });
    });
  }
});

/** Takes from a folder what format 2 has more. */
function toFormat1(database: RawDatabase): void {
  changeSealed(database, key('S'), (progress) => progress.subarray(0, 36));
  putSealed(database, key('F'), u32(1));
}

function payload(database: RawDatabase, recordKey: Buffer): Buffer {
  return Buffer.from(unseal(recordKey, present(database.get(recordKey))));
}
