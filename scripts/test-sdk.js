// npm run test:sdk: generates, builds and runs a miner in every language of test/sdk against a real validator.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildIfStale } from './build.js';

const HELP = `npm run test:sdk [-- LANGUAGE...]

Generates the client of each language from proto/, builds it, and has it mine, be rejected and be refused on a validator of its own.
What it downloads and builds goes into test/sdk/LANGUAGE/build and gen, again only when a source or a pinned version has changed.
A language whose toolchain is not installed is skipped; with SDK_REQUIRE=all that is a failure.
`;

const root = fileURLToPath(new URL('..', import.meta.url));
const sdk = join(root, 'test/sdk');
const vectors = join(root, 'test/vectors');

/** How long preparing and running a client may take, milliseconds. */
const PREPARE_MS = 20 * 60_000;
const RUN_MS = 60_000;

const running = new Set();
const data = mkdtempSync(join(tmpdir(), 'hourcoin-sdk-'));
process.on('exit', () => rmSync(data, { recursive: true, force: true }));
for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  process.once(signal, async () => {
    const ended = [...running].map((child) => {
      stop(child);
      return once(child, 'close');
    });
    await Promise.all(ended);
    process.exit(code);
  });
}

process.exit(await main(process.argv.slice(2)));

async function main(args) {
  const languages = readdirSync(sdk).filter((name) => existsSync(join(sdk, name, 'steps.json')));
  if (args.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const unknown = args.find((name) => !languages.includes(name));
  if (unknown !== undefined) {
    process.stderr.write(`error: there is no client in ${unknown}: choose among ${languages.join(', ')}\n`);
    return 2;
  }
  if ((await buildIfStale()) !== 0) return 1;
  const validator = start(process.execPath, [
    join(root, 'dist/src/cli/main.js'),
    ...['validator', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--data', join(data, 'chain')],
  ]);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    const address = await listening(validator);
    for (const language of args.length > 0 ? args : languages) {
      const outcome = await tryLanguage(language, address);
      counts[outcome]++;
    }
  } finally {
    stop(validator.child);
    await validator.ended;
  }
  const { passed, failed, skipped } = counts;
  const missing = process.env.SDK_REQUIRE === 'all' && skipped > 0;
  if (missing) process.stderr.write('error: SDK_REQUIRE=all, and a toolchain is not installed\n');
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed > 0 || missing ? 1 : 0;
}

/** Says how a language fares. */
async function tryLanguage(language, address) {
  const folder = join(sdk, language);
  const steps = JSON.parse(readFileSync(join(folder, 'steps.json'), 'utf8'));
  for (const [command, ...args] of steps.needs) {
    const { code } = await done(start(command, args, folder), RUN_MS);
    if (code === 0) continue;
    process.stdout.write(`– ${language}: skipped, ${command} is not installed\n`);
    return 'skipped';
  }
  try {
    await prepare(language, folder, steps);
    const minerId = `sdk-${language}`;
    const [command, ...args] = steps.run;
    const { code, stdout, stderr } = await done(start(command, [...args, address, minerId, vectors], folder), RUN_MS);
    if (code !== 0) throw new Error(`it ended with ${code}:\n${stdout}${stderr}`);
    await check(stdout, minerId, address);
    process.stdout.write(`✓ ${language}\n${stdout.replace(/^(?=.)/gm, '    ')}`);
    return 'passed';
  } catch (error) {
    process.stdout.write(`✗ ${language}: ${error.message.trimEnd()}\n`);
    return 'failed';
  }
}

/** Generates and builds, unless all that it is made of is as it was the last time. */
async function prepare(language, folder, { prepare, pins }) {
  const build = join(folder, 'build');
  const stamp = join(build, '.prepared');
  const made = fingerprint([...pins, 'steps.json'].map((name) => join(folder, name)));
  if (existsSync(stamp) && existsSync(join(folder, 'gen')) && readFileSync(stamp, 'utf8') === made) return;
  mkdirSync(build, { recursive: true });
  rmSync(stamp, { force: true });
  const begun = Date.now();
  process.stderr.write(`  ${language}: generating and building...\n`);
  for (const [command, ...args] of prepare) {
    const { code, stdout, stderr } = await done(start(command, args, folder), PREPARE_MS);
    if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code}:\n${tail(stdout + stderr)}`);
  }
  process.stderr.write(`  ${language}: ready after ${Math.round((Date.now() - begun) / 1_000)} s\n`);
  writeFileSync(stamp, made);
}

/** Holds what a client has printed against what it must print, and against what the validator says. */
async function check(stdout, minerId, address) {
  const count = (name, ...lists) => lists.reduce((sum, list) => sum + vectorsOf(name)[list].length, 0);
  const counts = [
    count('hashing', 'outputs', 'blocks'),
    count('tonce', 'tonces', 'pairs', 'first_valid', 'challenge'),
    count('difficulty', 'checks', 'format'),
  ];
  const expected = [
    RegExp(`^vectors: hashing ${counts[0]}, tonce ${counts[1]}, difficulty ${counts[2]}$`),
    /^round (\d+): block #(\d+), tonce \d+$/,
    /^accepted: block #(\d+) ([0-9a-f]{64}) nonce (\d+)$/,
    /^round (\d+): block #(\d+)$/,
    /^rejected: REJECTED_BLOCKCHAIN_VALIDATION MISMATCHED_INDEX: Blockchain validation failed: MismatchedIndex$/,
    /^fault: INVALID_ARGUMENT MALFORMED \(hourcoin\) miner_id: miner_id is missing$/,
  ];
  const lines = stdout.trimEnd().split('\n');
  const matches = expected.map((pattern, position) => {
    const match = pattern.exec(lines[position] ?? '');
    if (match === null) throw new Error(`line ${position + 1} should match ${pattern}:\n${stdout}`);
    return match;
  });
  if (lines.length > expected.length) throw new Error(`it printed more than it should:\n${stdout}`);
  const [, , [, index, hash, nonce], [, , next]] = matches;
  if (Number(next) !== Number(index) + 1) throw new Error(`the new round is not on its block:\n${stdout}`);
  if (BigInt(nonce) < 1n << 63n) throw new Error(`the nonce ${nonce} does not use all 64 bits`);
  await checkChain(address, minerId, { index: Number(index), hash, nonce: BigInt(nonce) });
}

/** The block must be on the chain, as the client has printed it. */
async function checkChain(address, minerId, { index, hash, nonce }) {
  const { connectToGrpc } = await import('../dist/src/client/connect.js');
  const client = connectToGrpc(`grpc://${address}`);
  try {
    const found = await client.getBlock({ hash: Buffer.from(hash, 'hex') });
    const { index: at, nonce: stored } = found.block;
    if (found.minerId !== minerId || at !== index || stored !== nonce)
      throw new Error(`the chain has block #${at} of ${found.minerId} with nonce ${stored} under that hash`);
  } finally {
    client.close();
  }
}

function vectorsOf(name) {
  return JSON.parse(readFileSync(join(vectors, `${name}.json`), 'utf8'));
}

/** A hash of files' contents, of all schemas, and of what generates from them. */
function fingerprint(files) {
  const proto = join(root, 'proto');
  const schemas = readdirSync(proto, { recursive: true }).filter((name) => name.endsWith('.proto'));
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const hash = createHash('sha256').update(devDependencies['@bufbuild/buf']);
  for (const file of [...files, ...schemas.sort().map((name) => join(proto, name))]) {
    hash.update(`${file}\n`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function start(command, args, cwd = root) {
  // A group of its own, so that what it starts ends with it.
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.add(child);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  const ended = new Promise((resolve) => {
    child.once('error', ({ message }) => resolve({ code: message }));
    child.once('close', (code, signal) => resolve({ code: code ?? signal }));
  }).then(({ code }) => {
    running.delete(child);
    return { code, ...output };
  });
  return { child, ended, output };
}

/** Waits for a program to end, but not for ever. */
async function done({ child, ended }, limit) {
  const timer = setTimeout(() => stop(child), limit);
  return ended.finally(() => clearTimeout(timer));
}

function stop(child) {
  try {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}

/** Where the validator listens on gRPC. */
function listening({ child, ended, output }) {
  return new Promise((resolve, reject) => {
    const look = () => {
      const match = /^gRPC listening on (\S+)$/m.exec(output.stdout);
      if (match !== null) resolve(match[1]);
    };
    child.stdout.on('data', look);
    ended.then(({ code }) => reject(new Error(`the validator ended with ${code}:\n${output.stderr}`)));
  });
}

function tail(text) {
  return text.split('\n').slice(-40).join('\n');
}
