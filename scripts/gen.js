// npm run gen: everything in gen/ from proto/, by one command.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

for (const command of [
  'generate',
  // What reflection serves: our schemas, and those of health and error details.
  'build --as-file-descriptor-set -o gen/descriptor.binpb',
]) {
  const { status } = spawnSync('npx', ['buf', ...command.split(' ')], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
