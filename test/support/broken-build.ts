/** A copy of the compiled program in which one rule of the engine is broken. */

import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AtEnd } from './makers.js';
import { temporaryFolder } from './programs.js';

/** The build that the tests run from, and the repository: this file runs as dist/test/support/broken-build.js. */
const DIST = fileURLToPath(new URL('../../', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A rule, and how it is broken: a text of a compiled file of the engine that stands there once, and what stands there instead. */
export interface Breakage {
  readonly rule: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Makes the copy in a temporary folder. Returns its `dist/`. Throws where the text is not there, or more than once. */
export function breakBuild({ file, from, to }: Breakage, atEnd: AtEnd): URL {
  const { path, remove } = temporaryFolder();
  atEnd(remove);
  mkdirSync(join(path, 'dist'));
  for (const part of ['src', 'gen']) cpSync(join(DIST, part), join(path, 'dist', part), { recursive: true });
  for (const part of ['gen', 'node_modules']) symlinkSync(join(ROOT, part), join(path, part));
  cpSync(join(ROOT, 'package.json'), join(path, 'package.json'));
  const engine = join(path, 'dist/src/engine', file);
  const text = readFileSync(engine, 'utf8');
  if (text.split(from).length !== 2) throw new Error(`${file} has ${text.split(from).length - 1} of ${from}`);
  writeFileSync(engine, text.replace(from, to));
  return pathToFileURL(join(path, 'dist/'));
}
