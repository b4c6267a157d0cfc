// What npm's scripts run: the program, built when it is stale, in this very process. A signal sent to npm reaches it, and its exit code
// is npm's.

import { buildIfStale } from './build.js';

const status = await buildIfStale();
if (status !== 0) process.exit(status);
await import('../dist/src/cli/main.js');
