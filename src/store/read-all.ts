/** A program of its own: reads every record of a data folder, and may die of it. See folder.ts. */

import { open } from 'lmdb';

const database = open({ path: process.argv[2] as string, readOnly: true, encoding: 'binary', keyEncoding: 'binary' });
for (const { value } of database.getRange()) if (!Buffer.isBuffer(value)) process.exitCode = 1;
await database.close();
