/** The package as others get it: packed, installed into an empty project, and used from there. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Ended, ended } from '../support/ended.js';
import { start, temporaryFolder } from '../support/programs.js';

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

  it('A program in TypeScript is checked against its types', async () => {
    writeFileSync(join(project, 'typed.ts'), TYPED);
    const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node'];
    const types = ['--typeRoots', join(ROOT, 'node_modules/@types')];
    const compiler = join(ROOT, 'node_modules/typescript-native/bin/tsc');
    const checked = start(process.execPath, [compiler, ...options, ...types, 'typed.ts'], { cwd: project });
    const { code, stdout } = await ended(checked);
    expect(stdout).to.equal('');
    expect(code).to.equal(0);
  });

  it('`hourcoin` is its program', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const { code, stdout } = await ended(start(join(project, 'node_modules/.bin/hourcoin'), ['--version']));
    expect([code, stdout]).to.deep.equal([0, `${version}\n`]);
  });
});
