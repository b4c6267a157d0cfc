// npm run test:hostile: builds what is stale, and attacks.

import { buildIfStale } from './build.js';

const status = await buildIfStale();
if (status !== 0) process.exit(status);
await import('../dist/test/hostile/main.js');
