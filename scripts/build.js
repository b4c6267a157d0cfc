// npm run build: compiles src, gen and test into dist. run.js, too, builds what is stale.

import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = `${root}node_modules/typescript-native/bin/tsc`;
const stamp = `${root}dist/.built`;

/** Compiles everything anew, once where several programs find it stale together. Returns the compiler's exit code. */
export async function buildIfStale() {
  return isStale() ? alone(() => (isStale() ? build() : 0)) : 0;
}

/** Runs a build while no other one runs. The lock is the system's: it goes with the process, however that ends. */
async function alone(run) {
  if (!existsSync(compiler)) {
    process.stderr.write('error: what Hourcoin is built with is not installed: run npm ci first\n');
    return 1;
  }
  const { tryLock, waitForLock } = await import('fs-native-extensions');
  const lock = openSync(`${root}node_modules/.hourcoin-build`, 'a+');
  try {
    if (!tryLock(lock)) {
      process.stderr.write('Waiting for another build...\n');
      await waitForLock(lock);
    }
    return await run();
  } finally {
    closeSync(lock);
  }
}

/** Whether a source is newer than the last build, or gone since. */
function isStale() {
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  return ['src', 'gen', 'test', 'tsconfig.json', 'package.json'].some((path) => newest(`${root}${path}`) > built);
}

/** When the newest file below a path was changed; a folder's own time tells of what was taken away. The clients are built by themselves. */
function newest(path) {
  if (path === `${root}test/sdk`) return 0;
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(`${path}/${name}`)));
}

async function build() {
  process.stderr.write('Building...\n');
  // What changes while it compiles is not in it.
  const begun = new Date();
  rmSync(`${root}dist`, { recursive: true, force: true });
  const child = spawn(process.execPath, [compiler, '-p', root], { stdio: ['ignore', 2, 2] });
  const stop = (signal) => {
    child.kill();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const status = await new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)));
  process.off('SIGINT', stop).off('SIGTERM', stop);
  if (status === 0) {
    chmodSync(`${root}dist/src/cli/main.js`, 0o755);
    writeFileSync(stamp, '');
    utimesSync(stamp, begun, begun);
  }
  return status;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await alone(build));
