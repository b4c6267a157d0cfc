/** The package as others get it: packed, installed into an empty project, and used from there. */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { MinerClient } from '../../src/miner-client.js';
import { formatAddress } from '../../src/wire/address.js';
import { cleanup } from '../support/cleanup.js';
import { grpcAddress, jsonTcpAddress } from '../support/clients.js';
import { type Ended, ended } from '../support/ended.js';
import { examplesOf } from '../support/examples.js';
import { end, start, startValidator, temporaryFolder } from '../support/programs.js';
import { unusedAddress } from '../support/sockets.js';
import { ntpServer } from '../support/time-servers.js';
import { frontOf, H2, makeCertificates } from '../support/tls.js';

/** The repository: this file runs as dist/test/cli/package.test.js, and what is packed is dist/ as it is. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const PROGRAM = `
import { MinerClient, ValidatorServer } from 'hourcoin';

const server = new ValidatorServer({ address: '127.0.0.1:0', grpc: '127.0.0.1:0', data: './data' });
const { jsonTcp, grpc } = await server.start();
const addresses = { alice: '127.0.0.1:' + jsonTcp.port, bob: 'grpc://127.0.0.1:' + grpc.port };
for (const [minerId, validator] of Object.entries(addresses)) {
  const miner = new MinerClient({ minerId, validator });
  const { block, message } = await miner.mineAndSubmit();
  console.log(block.index, message);
  miner.close();
}
await server.stop();
`;

const TYPED = `
import { type Block, MinerClient, type RoundInfo, SubmitResult, ValidatorServer } from 'hourcoin';

export async function use(): Promise<bigint> {
  const server = new ValidatorServer({ difficulty: 1n, timescale: 'tai', onEvent: (event) => console.log(event.type) });
  const { jsonTcp } = await server.start();
  const miner = new MinerClient({ minerId: 'alice', validator: jsonTcp.host + ':' + jsonTcp.port });
  const { block, result }: { block: Block; result: SubmitResult } = await miner.mineAndSubmit();
  const round: RoundInfo = await miner.getRoundInfo();
  // @ts-expect-error: a nonce has 64 bits.
  const nonce: number = block.nonce;
  // @ts-expect-error: there is no such timescale.
  new ValidatorServer({ timescale: 'gps' });
  return result === SubmitResult.ACCEPTED ? round.serverTime : BigInt(nonce);
}
`;

describe('The package', () => {
  const folder = temporaryFolder();
  const project = join(folder.path, 'project');

  before(async () => {
    const packed = await npm(ROOT, 'pack', '--ignore-scripts', '--pack-destination', folder.path);
    expect(packed.code, packed.stderr).to.equal(0);
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }));
    const tarball = join(folder.path, packed.stdout.trim().split('\n').at(-1) ?? '');
    const installed = await npm(project, 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball);
    expect(installed.code, installed.stderr).to.equal(0);
  }).timeout(120_000);
  after(() => folder.remove());

  function npm(cwd: string, ...args: string[]): Promise<Ended> {
    return ended(start('npm', args, { cwd }));
  }

  it('A program that imports it starts a validator, mines over both protocols, stops, and ends by itself', async () => {
    writeFileSync(join(project, 'program.js'), PROGRAM);
    const { code, stdout, stderr } = await ended(start(process.execPath, ['program.js'], { cwd: project }));
    const accepted = 'Block accepted! You are now in 1-hour lockout.';
    expect(stderr).to.equal('');
    expect(stdout).to.equal(`0 ${accepted}\n1 ${accepted}\n`);
    expect(code).to.equal(0);
  });

  /** Checks files of the project with the compiler. */
  async function expectTyped(...files: readonly string[]): Promise<void> {
    const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node'];
    const types = ['--typeRoots', join(ROOT, 'node_modules/@types')];
    const compiler = join(ROOT, 'node_modules/typescript-native/bin/tsc');
    const checked = start(process.execPath, [compiler, ...options, ...types, ...files], { cwd: project });
    const { code, stdout } = await ended(checked);
    expect(stdout).to.equal('');
    expect(code).to.equal(0);
  }

  it('A program in TypeScript is checked against its types', async () => {
    writeFileSync(join(project, 'typed.ts'), TYPED);
    await expectTyped('typed.ts');
  });

  describe('The examples of its documentation', () => {
    const atEnd = cleanup();
    const examples = examplesOf(ROOT);

    it('are there for what a user begins with', () => {
      const code = examples.map(({ code }) => code).join('');
      for (const name of [
        'new ValidatorServer(',
        'new MinerClient(',
        'connectTo(',
        'connectToGrpc(',
        'new TimeSync(',
      ]) {
        expect(code).to.include(name);
      }
      for (const call of ['mineAndSubmit', 'startMining', 'submitBlock', 'watchBlocks', 'watchRounds', 'listBlocks']) {
        expect(code).to.include(`.${call}(`);
      }
    });

    it('are right: the compiler takes them, and that of the README', async () => {
      const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
      const snippets = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code], at) => ({
        name: `readme-${at + 1}`,
        code: String(code),
      }));
      expect(snippets).to.not.deep.equal([]);
      const all = [...examples, ...snippets];
      for (const { name, code } of all) writeFileSync(join(project, `${name}.ts`), code);
      await expectTyped(...all.map(({ name }) => `${name}.ts`));
    });

    it('run, and end by themselves', async () => {
      const validator = await startValidator(join(folder.path, 'validator'));
      atEnd(() => end(validator));
      const first = new MinerClient({ minerId: 'first', validator: validator.jsonTcp });
      await first.mineAndSubmit();
      first.close();
      // What `hourcoin tls init tls --client alice` makes, in the project itself; and the validator over TLS, which wants no certificate of all.
      const certificates = await makeCertificates(['--client', 'alice']);
      atEnd(certificates.remove);
      cpSync(certificates.folder, join(project, 'tls'), { recursive: true });
      const overTls = await Promise.all([
        frontOf(jsonTcpAddress(validator), certificates.server()),
        frontOf(grpcAddress(validator), { ...certificates.server(), ...H2 }),
      ]);
      for (const front of overTls) atEnd(front.close);
      const ntp = await ntpServer(atEnd);
      for (const { name, code } of examples) {
        // Whoever starts a validator listens where nobody does; the others ask the one that runs.
        const own = code.includes('new ValidatorServer(');
        const jsonTcp = own ? formatAddress(await unusedAddress()) : validator.jsonTcp;
        const grpc = own ? formatAddress(await unusedAddress()) : validator.grpc.replace('grpc://', '');
        const placed = code
          .replaceAll('127.0.0.1:8080', jsonTcp)
          .replaceAll('127.0.0.1:50051', grpc)
          .replaceAll('127.0.0.1:8443', formatAddress(overTls[0].address))
          .replaceAll('127.0.0.1:50443', formatAddress(overTls[1].address))
          .replaceAll('ntp:pool.ntp.org', ntp.source);
        writeFileSync(join(project, `${name}.js`), placed);
      }
      const runs = examples.map(({ name }) => `await import('./${name}.js');\nconsole.log('✓ ${name}');\n`);
      writeFileSync(join(project, 'examples.js'), runs.join(''));
      const { code, stdout, stderr } = await ended(start(process.execPath, ['examples.js'], { cwd: project }));
      expect(stderr).to.equal('');
      expect(code, stdout).to.equal(0);
      const done = [...stdout.matchAll(/^✓ (src-\S+)$/gm)].map(([, name]) => name);
      expect(done).to.deep.equal(examples.map(({ name }) => name));
    }).timeout(60_000);
  });

  it('`hourcoin` is its program', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const { code, stdout } = await ended(start(join(project, 'node_modules/.bin/hourcoin'), ['--version']));
    expect([code, stdout]).to.deep.equal([0, `${version}\n`]);
  });
});
