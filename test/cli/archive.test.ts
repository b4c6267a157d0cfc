/** `hourcoin export` and `hourcoin import`: the chain as a file, out of one data folder and into another. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { tryLock } from 'fs-native-extensions';
import { key, u32 } from '../../src/store/records.js';
import { ArchiveReader, ArchiveWriter } from '../../src/wire/archive.js';
import { EASY, output, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc } from '../support/clients.js';
import { type Ended, ended, expectRefusal, run } from '../support/ended.js';
import { end, hourcoin, MAIN, start, startValidator, temporaryFolder } from '../support/programs.js';
import { seeded } from '../support/seeded.js';
import { HOUR, madeFolder, present, tamper } from '../support/stores.js';
import { until } from '../support/wait.js';

const BLOCKS = 30;

describe('Export and import', () => {
  const later = cleanup();
  let room: string;
  /** A chain whose blocks spend, some in rounds that have ended by themselves. */
  let chain: { path: string; remove: () => void };
  /** All of it, exported. */
  let file: string;

  before(async () => {
    chain = await madeFolder((chain) => {
      for (let i = 0; i < BLOCKS; i++) {
        if (i % 7 === 3) chain.pass(3n * HOUR + 5n);
        const spent = i % 3 === 2 ? chain.chain.outputs.unspent().slice(0, 1) : [];
        const spending = { inputs: spent, outputs: [output('dave', 0.7, chain.now + 200_000n)] };
        chain.extend(`miner ${i}`, spent.length > 0 ? [spending] : []);
      }
    });
    file = join(chain.path, 'exported');
    expect((await run(['export', file, '--data', chain.path])).code).to.equal(0);
  });
  after(() => chain.remove());

  beforeEach(() => {
    const folder = temporaryFolder();
    later(folder.remove);
    room = folder.path;
  });

  const at = (name: string): string => join(room, name);

  async function good(program: Promise<Ended>): Promise<Ended> {
    const ending = await program;
    expect(ending.code, ending.stderr).to.equal(0);
    return ending;
  }

  /** Runs it in a shell, which leads files and programs into each other. */
  const shell = (command: string): Promise<Ended> =>
    ended(start('sh', ['-c', command.replaceAll('hourcoin ', `'${process.execPath}' '${MAIN}' `)], { cwd: room }));

  it('export, import, export: the same bytes; and the imported chain is sound', async () => {
    const { stdout, stderr } = await good(run(['import', file, '--data', at('new')]));
    expect(stdout).to.match(/^✓ The chain of .* is in .*new: every block was judged by the rules\n {2}Blocks: {7}30\n/);
    expect(stderr).to.equal('');
    await good(run(['export', at('again'), '--data', at('new')]));
    expect(readFileSync(at('again'))).to.deep.equal(readFileSync(file));
    const { stdout: verified } = await good(run(['verify', '--data', at('new')]));
    expect(verified).to.equal((await run(['verify', '--data', chain.path])).stdout.replace(chain.path, at('new')));
    expect(readdirSync(at('new')).sort())
      .to.include('data.mdb')
      .and.not.include('.hourcoin-unfinished');
    expect((statSync(at('new/data.mdb')).mode & 0o777).toString(8)).to.equal('600');
  });

  it('a validator starts on an imported chain, serves it, and goes on with it', async () => {
    const short = await madeFolder((chain) => void chain.extend('alice'));
    later(short.remove);
    await good(run(['export', at('chain'), '--data', short.path]));
    await good(run(['import', at('chain'), '--data', at('new')]));
    const validator = await startValidator(at('new'));
    later(() => end(validator, 'SIGKILL'));
    const client = overGrpc(validator);
    later(() => client.close());
    expect((await client.getBlock({ index: 0 })).minerId).to.equal('alice');
    await client.submitBlock('bob', winning(await client.getRoundInfo('bob'), 'bob'));
    expect((await client.getBlockchainInfo()).blockCount).to.equal(2n);
    expect(await end(validator)).to.equal(0);
    await good(run(['verify', '--data', at('new')]));
  });

  it('through stdout and stdin', async () => {
    const { stdout, stderr } = await good(
      shell(`hourcoin export - --data '${chain.path}' | hourcoin import - --data new`),
    );
    expect(stdout).to.contain('✓ The chain of stdin is in new');
    expect(stderr).to.equal(`Blocks #0 to #29 of ${chain.path} are written.\n`);
    await good(shell(`hourcoin export - --data new > again`));
    expect(readFileSync(at('again'))).to.deep.equal(readFileSync(file));
  });

  it('beside a validator that takes blocks', async () => {
    const validator = await startValidator(at('data'), [String(EASY), '--log-level', 'warn']);
    later(() => end(validator, 'SIGKILL'));
    const client = overGrpc(validator);
    later(() => client.close());
    for (let i = 0; i < 4; i++) {
      const minerId = `miner ${i}`;
      await client.submitBlock(minerId, winning(await client.getRoundInfo(minerId), minerId));
      await good(run(['export', at(`chain ${i}`), '--data', at('data')]));
      const { stdout } = await good(run(['import', at(`chain ${i}`), '--data', at(`new ${i}`)]));
      expect(stdout).to.contain(`Blocks:       ${i + 1}\n`);
    }
    expect(await end(validator)).to.equal(0);
    expect(validator.stderr()).to.equal('');
  }).timeout(60_000);

  it('a chain without blocks, of any parameters', async () => {
    const validator = await startValidator(at('data'), ['123456', '--timescale', 'utc', '--clock-speed', '20']);
    expect(await end(validator)).to.equal(0);
    const { stderr } = await good(run(['export', at('chain'), '--data', at('data')]));
    expect(stderr).to.contain('No blocks of');
    await good(run(['import', at('chain'), '--data', at('new')]));
    const again = await startValidator(at('new'), ['123456', '--timescale', 'utc', '--clock-speed', '20']);
    expect(await end(again)).to.equal(0);
  });

  it('some of the blocks: for other programs, or to be imported where they begin with the first', async () => {
    await good(run(['export', at('first'), '--to', '9', '--data', chain.path]));
    await good(run(['export', at('last'), '--from', '10', '--data', chain.path]));
    expect((await good(run(['import', at('first'), '--data', at('new')]))).stdout).to.contain('Blocks:       10\n');
    await good(run(['export', at('again'), '--data', at('new')]));
    expect(readFileSync(at('again'))).to.deep.equal(readFileSync(at('first')));
    const why = 'it begins with block #10, and only a chain from block #0 on can be imported';
    expectRefusal(await run(['import', at('last'), '--data', at('other')]), 1, why);
    expect(existsSync(at('other'))).to.equal(false);
  });

  it('blocks that the chain does not have are refused, and nothing is written', async () => {
    const to = (...args: string[]) => run(['export', at('chain'), ...args, '--data', chain.path]);
    expectRefusal(await to('--to', '30'), 1, 'has blocks #0 to #29, no #30');
    expectRefusal(await to('--from', '30'), 1, 'has blocks #0 to #29, no #30');
    expectRefusal(await to('--from', '5', '--to', '4'), 2, '--from 5 is beyond --to 4');
    expectRefusal(await run(['export', at('chain'), '--data', at('nowhere')]), 1, 'there is no chain in');
    expect(readdirSync(room)).to.deep.equal([]);
  });

  it('nothing that is there is written over', async () => {
    writeFileSync(at('chain'), 'mine');
    expectRefusal(await run(['export', at('chain'), '--data', chain.path]), 1, 'there is something at');
    expect(readFileSync(at('chain'), 'utf8')).to.equal('mine');
    expectRefusal(await run(['import', file, '--data', chain.path]), 1, 'there is a chain in');
    expectRefusal(await run(['export', at('no/chain'), '--data', chain.path]), 1, 'cannot be written: ENOENT');
    expectRefusal(await run(['import', at('nothing'), '--data', at('new')]), 1, 'is not imported: ENOENT');
    expect(readdirSync(room)).to.deep.equal(['chain']);
  });

  it('a file that was cut or changed is not imported, it says where, and nothing is made', () =>
    seeded(async (choose) => {
      const whole = readFileSync(file);
      const damaged = Array.from({ length: 12 }, (_, i) => {
        if (i % 3 === 0) return whole.subarray(0, choose(whole.length));
        const changed = Buffer.from(whole);
        const place = choose(whole.length);
        changed.writeUInt8(changed.readUInt8(place) ^ (1 << choose(8)), place);
        return changed;
      });
      for (const [i, bytes] of damaged.entries()) {
        writeFileSync(at('chain'), bytes);
        const ending = await run(['import', at('chain'), '--data', at('new')]);
        expectRefusal(ending, 1, /chain is not imported: (block #\d+, byte \d+: |it is |its header is )/);
        expect(readdirSync(room), String(i)).to.deep.equal(['chain']);
      }
    })).timeout(60_000);

  it('a file of a chain that breaks the rules is not imported, whoever sealed it, and it says which block', async () => {
    const other = await madeFolder((chain) => {
      for (const name of ['alice', 'bob', 'carol']) chain.extend(name);
    });
    later(other.remove);
    await good(run(['export', at('sound'), '--data', other.path]));
    // Everything holds, but that alice is in lockout.
    const reader = new ArchiveReader();
    reader.push(readFileSync(at('sound')));
    const blocks = [reader.next(), reader.next(), reader.next()].map(present);
    const writer = new ArchiveWriter(present(reader.contents));
    const forged = [writer.header(), ...blocks.map((one) => writer.block({ ...one, minerId: 'alice' }))];
    writeFileSync(at('forged'), Buffer.concat(forged));
    const why = /forged is not imported: block #1: it is not accepted: Miner in lockout/;
    expectRefusal(await run(['import', at('forged'), '--data', at('new')]), 1, why);
    expect(existsSync(at('new'))).to.equal(false);
  });

  it('the repair: verify says what is sound before the first bad block, and that is exported and imported', async () => {
    const data = at('data');
    await good(run(['import', file, '--data', data]));
    await tamper(data, (database) => database.putSync(key('B', u32(20)), Buffer.alloc(90)));
    const { code, stdout, stderr } = await run(['verify', '--data', data]);
    expect(code).to.equal(1);
    expect(stderr).to.equal(`error: the chain in ${data} is not sound: 20 of 30 blocks are, block #20 is not\n`);
    expect(stdout).to.match(
      /^✗ block #20: record B:00000014 is damaged\n {2}Hash: {5}[0-9a-f]{64}\n {2}Record: {3}B:00000014 \(a block\)\n\nBlocks #0 to #19 are sound\./,
    );
    expectRefusal(await run(['export', at('all'), '--data', data]), 1, 'the blocks before it can be had with --to 19');
    const [exporting, importing] = [...stdout.matchAll(/^ {2}hourcoin ((?:ex|im)port .*)$/gm)].map(([, args]) =>
      present(args),
    );
    for (const args of [exporting, importing]) {
      const said = await ended(hourcoin(present(args).split(' '), { cwd: room }));
      expect(said.code, said.stderr).to.equal(0);
    }
    expect((await good(run(['verify', '--data', at('NEW')]))).stdout).to.contain('Blocks replayed: 20\n');
    expect(readdirSync(room).sort()).to.deep.equal(['NEW', 'chain.hourcoin', 'data']);
  });

  it('what is amiss beside sound blocks is made anew by export and import of all of them', async () => {
    const data = at('data');
    await good(run(['import', file, '--data', data]));
    await tamper(data, (database) => {
      for (const table of ['A', 'H'] as const) {
        for (const record of [...database.getKeys({ start: key(table), limit: 1 })]) {
          database.removeSync(Buffer.from(record));
        }
      }
    });
    expect((await run(['verify', '--data', data])).code).to.equal(1);
    await good(run(['export', at('chain'), '--data', data]));
    await good(run(['import', at('chain'), '--data', at('new')]));
    await good(run(['verify', '--data', at('new')]));
  });

  it('stopped or killed in the middle nothing is left that looks like a chain, and the next takes its place', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      const program = hourcoin(['import', at('pipe'), '--data', at('new')]);
      later(() => end(program, 'SIGKILL'));
      const pipe = await open(at('pipe'), 'w');
      await pipe.write(readFileSync(file).subarray(0, 4_000));
      await until(() => existsSync(at('new/.hourcoin-unfinished/data.mdb')), 'it has begun');
      expect(await end(program, signal)).to.equal(signal);
      await pipe.close();
      expect(existsSync(at('new/data.mdb'))).to.equal(false);
      expect(existsSync(at('new'))).to.equal(signal === 'SIGKILL');
    }
    await good(run(['import', file, '--data', at('new')]));
    expect(readdirSync(at('new'))).to.not.include('.hourcoin-unfinished');
  });

  it('two exports to one name: the second is refused while the first writes; what a killed one has left is written over, and no link followed', async () => {
    const beside = at('chain.hourcoin-unfinished');
    writeFileSync(beside, 'left over '.repeat(10_000));
    const other = await open(beside, 'r+');
    expect(tryLock(other.fd)).to.equal(true);
    const refused = await run(['export', at('chain'), '--data', chain.path]);
    expectRefusal(refused, 1, `another export is writing ${at('chain')}`);
    expect(readdirSync(room)).to.deep.equal(['chain.hourcoin-unfinished']);
    await other.close();
    await good(run(['export', at('chain'), '--data', chain.path]));
    expect(readFileSync(at('chain')).equals(readFileSync(file))).to.equal(true);
    expect(readdirSync(room)).to.deep.equal(['chain']);

    writeFileSync(at('mine'), 'mine');
    symlinkSync(at('mine'), at('new.hourcoin-unfinished'));
    expectRefusal(await run(['export', at('new'), '--data', chain.path]), 1, 'cannot be written: ELOOP');
    expect(readFileSync(at('mine'), 'utf8')).to.equal('mine');
  });

  it('where stdout is full it fails', async () => {
    const { code, stderr } = await shell(`hourcoin export - --data '${chain.path}' > /dev/full`);
    expect(stderr).to.match(/^error: stdout cannot be written: .*ENOSPC.*\n$/);
    expect(code).to.equal(1);
  });

  it('where the disk is full nothing is left, and it says why', async () => {
    const long = await madeFolder((chain) => {
      for (let i = 0; i < 300; i++) chain.extend(`miner ${i}`);
    });
    later(long.remove);
    const exported = join(long.path, 'exported');
    await good(run(['export', exported, '--data', long.path]));
    // A limit of the length of files, in units of 512 bytes, stands in for a full disk.
    const within = (most: number, ...args: string[]): Promise<Ended> =>
      ended(start('sh', ['-c', `ulimit -f ${most}; exec "$@"`, 'sh', process.execPath, MAIN, ...args]));
    expectRefusal(await within(8, 'export', at('chain'), '--data', long.path), 1, 'chain cannot be written: EFBIG');
    // At the beginning, and in the middle, where LMDB has a word of its own.
    for (const most of [8, 140]) {
      const { code, stdout, stderr } = await within(most, 'import', exported, '--data', at('new'));
      expect(stderr).to.match(/^error: cannot use the data folder .*new\/\.hourcoin-unfinished: .*$/m);
      expect([code, stdout]).to.deep.equal([1, '']);
    }
    expect(readdirSync(room)).to.deep.equal([]);
  });
});
