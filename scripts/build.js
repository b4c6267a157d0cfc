// npm run build: compiles src, gen and test into dist. run.js, too, builds what is stale.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = `${root}dist/.built`;

/** Whether a source is newer than the last build, or gone since. */
function isStale() {
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  return ['src', 'gen', 'test', 'tsconfig.json', 'package.json'].some((path) => newest(`${root}${path}`) > built);
}

/** Compiles everything anew, once where several programs find it stale together. Returns the compiler's exit code. */
export async function buildIfStale() {
  const lock = `${root}node_modules/.hourcoin-build`;
  while (isStale()) {
    try {
      mkdirSync(lock);
    } catch {
      // Somebody else is building; one who has died at it is not waited for.
      if (Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 120_000)
        rmSync(lock, { recursive: true, force: true });
      await sleep(100);
      continue;
    }
    try {
      process.stderr.write('Building...\n');
      const status = build();
      if (status !== 0) return status;
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return 0;
}

/** Compiles everything anew. Returns the compiler's exit code. */
function build() {
  rmSync(`${root}dist`, { recursive: true, force: true });
  const compiler = fileURLToPath(import.meta.resolve('typescript/package.json')).replace(/package\.json$/, 'bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', root], { stdio: ['ignore', 2, 2] });
  if (status === 0) {
    chmodSync(`${root}dist/src/cli/main.js`, 0o755);
    writeFileSync(stamp, '');
  }
  return status ?? 1;
}

/** When the newest file below a path was changed; a folder's own time tells of what was taken away. */
function newest(path) {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(`${path}/${name}`)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(build());
