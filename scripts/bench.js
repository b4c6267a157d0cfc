// npm run bench: builds what is stale, and measures.

import { buildIfStale } from './build.js';

const status = await buildIfStale();
if (status !== 0) process.exit(status);
await import('../dist/test/bench/main.js');
