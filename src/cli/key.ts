/** `hourcoin key`: the keys that miner ids belong to, beside a running validator or without one. */

import { command } from '../server/control.js';
import { hasData, unusable } from '../store/folder.js';
import { LmdbStore } from '../store/lmdb.js';
import { StoreError } from '../store/store.js';
import { type Key, Keys, type RevokedKey } from '../validator/keys.js';
import { ExitError } from './exit.js';
import { plainJson } from './json.js';
import { harmless, say } from './text.js';

/** Makes a key, and prints its token: on stdout alone, so that it can be kept in a file. */
export async function addKey(folder: string, minerId: string): Promise<void> {
  const { id, token } = await ask(folder, 'add-key', minerId, (keys) => keys.add(minerId));
  tell(
    `Key ${id} of miner id '${harmless(minerId)}'. This is its token, which is shown only now: give it to the miner as HOURCOIN_API_KEY or in a file.`,
  );
  say(token);
}

/** Prints every key. */
export async function listKeys(folder: string, json: boolean): Promise<void> {
  const keys = await ask<readonly Key[]>(folder, 'list-keys', '', (keys) => keys.list());
  if (json) return say(JSON.stringify(plainJson(keys), null, 2));
  for (const { id, minerId, madeAt } of keys) say(`${id}  ${madeAt}  ${harmless(minerId)}`);
  if (keys.length === 0) tell('There are no keys.');
}

/** Revokes a key: from now on its token is worth nothing. */
export async function revokeKey(folder: string, id: string): Promise<void> {
  const revoked = await ask<RevokedKey | undefined>(folder, 'revoke-key', id, (keys) => keys.revoke(id));
  if (!revoked) throw new ExitError('there is no such key: hourcoin key list shows them all');
  const { minerId, wasLast } = revoked;
  const name = `miner id '${harmless(minerId)}'`;
  tell(`Key ${id} of ${name} is revoked.`);
  if (wasLast) tell(`It was the last one: where keys are not required of everyone, ${name} is anybody's again.`);
}

/** Asks the validator that runs on the folder, or does it here where none runs. */
async function ask<T>(
  folder: string,
  name: string,
  argument: string,
  here: (keys: Keys) => T | Promise<T>,
): Promise<T> {
  const told = await command(folder, name, argument).catch((error: Error) => {
    throw new ExitError(`the validator of ${folder} cannot be asked: ${error.message}`);
  });
  if (told !== undefined) return told.done as T;
  // No chain is begun where a name is mistyped.
  if (!hasData(folder)) throw new ExitError(`there is no chain in ${folder}: name the validator's folder with --data`);
  const store = LmdbStore.open(folder, tell);
  try {
    return await here(new Keys(store));
  } catch (error) {
    throw error instanceof StoreError ? error : unusable(folder, error);
  } finally {
    await store.close();
  }
}

/** Says something beside what is printed. */
function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
