/** `hourcoin import`: makes a data folder of an exported chain, each block judged again by the rules. All of it is taken, or nothing. */

import { createReadStream } from 'node:fs';
import { messageOf } from '../engine/fault.js';
import { unusable } from '../store/folder.js';
import { LmdbStore } from '../store/lmdb.js';
import { StoreError } from '../store/store.js';
import { ChainImport } from '../validator/chain-import.js';
import { ArchiveError, ArchiveReader } from '../wire/archive.js';
import { ExitError } from './exit.js';
import { fillFolder } from './fill-folder.js';
import type { Progress } from './progress.js';
import { colour, harmless, quoted, say } from './text.js';

/** `file`: `-` for stdin. */
export async function runImport(file: string, data: string): Promise<void> {
  if (file === '-' && process.stdin.isTTY) throw new ExitError('nothing is led into this: name a file', 2);
  const source = file === '-' ? process.stdin : createReadStream(file);
  const name = file === '-' ? 'stdin' : file;
  const tip = await fillFolder(data, (place, progress) => fill(place, source, name, progress));
  say(colour('green', `✓ The chain of ${name} is in ${data}: every block was judged by the rules`));
  say(`  Blocks:       ${tip === undefined ? 0 : tip.index + 1}`);
  if (tip !== undefined) say(`  Newest block: ${tip.hash.toString('hex')}`);
  say(`  To start it: hourcoin validator --data ${quoted(data)}`);
}

interface Tip {
  readonly index: number;
  readonly hash: Buffer;
}

/** Fills a new folder. Resolves to the newest block. Throws an ExitError that says where the chain is not one. */
async function fill(
  place: string,
  source: AsyncIterable<Buffer>,
  name: string,
  progress: Progress,
): Promise<Tip | undefined> {
  const reader = new ArchiveReader();
  const store = LmdbStore.open(place);
  let chain: ChainImport | undefined;
  let tip: Tip | undefined;
  try {
    for await (const chunk of source) {
      reader.push(chunk);
      for (let accepted = reader.next(); accepted !== undefined; accepted = reader.next()) {
        chain ??= await begin(place, store, reader);
        const wrong = chain.add(accepted);
        const { index, hash } = accepted.block;
        if (wrong !== undefined) throw new ArchiveError(`block #${index}: ${harmless(wrong)}`);
        tip = { index, hash };
        if (!chain.isFull) continue;
        await kept(place, chain.commit());
        progress.show('blocks', index, reader.contents?.blockCount ?? index);
      }
    }
    reader.end();
    chain ??= await begin(place, store, reader);
    await kept(place, chain.commit());
    return tip;
  } catch (error) {
    throw error instanceof StoreError ? error : new ExitError(`${name} is not imported: ${messageOf(error)}`);
  } finally {
    progress.clear();
    await store.close();
  }
}

/** Begins the chain that the file's header describes. */
async function begin(place: string, store: LmdbStore, { contents }: ArchiveReader): Promise<ChainImport> {
  if (contents === undefined) throw new Error('the header is not read yet');
  const { parameters, clockSpeed, firstIndex } = contents;
  if (firstIndex > 0)
    throw new ArchiveError(`it begins with block #${firstIndex}, and only a chain from block #0 on can be imported`);
  await kept(place, store.begin(parameters, clockSpeed));
  return new ChainImport(store);
}

/** Throws a StoreError where a folder cannot be written. */
function kept(place: string, written: Promise<void>): Promise<void> {
  return written.catch((error) => {
    throw unusable(place, error);
  });
}
