/** A program of its own: opens damaged data files, one after another, and says what each tells. It may die of any. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LmdbStore } from '../../src/store/lmdb.js';
import { StoreError } from '../../src/store/store.js';
import { verify } from '../../src/validator/verify.js';
import { type Asked, type Told, tellAll } from './told.js';

/** What came of opening a data file. */
export type Tried = { readonly refused: string } | { readonly told: Told; readonly problems: number };

/** Where to work, and what to ask for. */
const [, , room, asked] = process.argv as [string, string, string, string];

// A data file a line, in base64; what came of it, a line.
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await tried(Buffer.from(line, 'base64')))}\n`);
}

async function tried(data: Buffer): Promise<Tried> {
  const folder = mkdtempSync(join(room, 'data-'));
  writeFileSync(join(folder, 'data.mdb'), data);
  try {
    const store = LmdbStore.open(folder);
    const told = tellAll(store, JSON.parse(asked) as Asked);
    const problems = verify(store).problems.length;
    await store.close();
    return { told, problems };
  } catch (error) {
    // What no store throws is a fault of ours, and ends the program.
    if (!(error instanceof StoreError)) throw error;
    return { refused: error.message };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
