// npm run gen: everything in gen/, by one command: from proto/, and the nonce search from its AssemblyScript.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

for (const command of [
  'buf generate',
  // What reflection serves: our schemas, and those of health and error details.
  'buf build --as-file-descriptor-set -o gen/descriptor.binpb',
  'asc src/miner/nonce-search.as.ts -o gen/nonce-search.wasm --runtime stub -O3 --noAssert --enable simd',
]) {
  const { status } = spawnSync('npx', command.split(' '), { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
