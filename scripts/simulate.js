// npm run simulate: builds what is stale, and simulates the whole network.

import { buildIfStale } from './build.js';

const status = await buildIfStale();
if (status !== 0) process.exit(status);
await import('../dist/test/simulate/main.js');
