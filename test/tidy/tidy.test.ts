/** House rules that no compiler holds. Each failure says what to do instead. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

/** The repository: this file runs as dist/test/tidy/tidy.test.js. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

interface Source {
  /** Below src, with slashes: `engine/step.ts`. */
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  /** What it imports, as paths below src, and modules by name. */
  readonly imports: readonly string[];
}

const sources = readSources();

/** What each folder may import. Data flows one way: transport, validator, engine, store. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  engine: [],
  time: [],
  store: ['engine'],
  validator: ['engine', 'store', 'time'],
  wire: ['engine'],
  server: ['engine', 'validator', 'wire'],
  client: ['engine', 'validator', 'wire'],
  miner: ['engine', 'validator', 'client', 'time'],
  conformance: ['engine', 'validator', 'wire', 'client', 'miner'],
  cli: ['conformance', 'engine', 'store', 'validator', 'wire', 'server', 'client', 'miner', 'time', ''],
  // The files that put the parts together for the programs and for a library's users.
  '': ['engine', 'store', 'validator', 'wire', 'server', 'client', 'miner', 'time', ''],
};

/** The only files of the validator's folder that transports and clients may know: its interface. */
const INTERFACE = ['validator/validator.ts', 'validator/events.ts'];

describe('House rules', () => {
  it('the folders of src are those of docs/architecture.md', () => {
    expect([...new Set(sources.map(({ folder }) => folder))].sort()).to.deep.equal(Object.keys(MAY_IMPORT).sort());
  });

  it('imports go one way: see the table in docs/architecture.md, and move what is shared down', () => {
    const wrong = sources.flatMap(({ path, folder, imports }) =>
      imports
        .filter((to) => to.endsWith('.ts') && folderOf(to) !== folder && !MAY_IMPORT[folder]?.includes(folderOf(to)))
        .map((to) => `${path} imports ${to}`),
    );
    expect(wrong).to.deep.equal([]);
  });

  it('servers, clients and miners know the validator by its interface only: receive one, as a Validator', () => {
    const wrong = sources
      .filter(({ folder }) => ['server', 'client', 'miner', 'conformance'].includes(folder))
      .flatMap(({ path, imports }) =>
        imports
          .filter((to) => to.startsWith('validator/') && !INTERFACE.includes(to))
          .map((to) => `${path} imports ${to}`),
      );
    expect(wrong).to.deep.equal([]);
  });

  it('the engine is pure: time and outputs are arguments, and only bytes and hashes come from outside', () => {
    const pure = ['node:crypto', 'node:buffer'];
    const banned =
      /\b(Date|performance|setTimeout|setInterval|setImmediate|process|console|randomBytes|randomInt)\b|Math\.random/;
    const engine = sources.filter(({ folder }) => folder === 'engine');
    const wrong = engine.flatMap(({ path, text, imports }) => [
      ...imports.filter((to) => !to.endsWith('.ts') && !pure.includes(to)).map((to) => `${path} imports ${to}`),
      ...(banned.test(withoutComments(text)) ? [`${path} uses ${banned.exec(withoutComments(text))?.[0]}`] : []),
    ]);
    expect(wrong).to.deep.equal([]);
  });

  it('nothing is exported that no other file uses: delete it, or drop the export', () => {
    const tests = readAll(`${ROOT}test`).map(({ text }) => text);
    const dead = sources
      .filter(({ path }) => path !== 'index.ts')
      .flatMap(({ path, text }) =>
        [...text.matchAll(/^export (?:abstract )?(?:async )?(?:function\*?|const|class|interface|type|enum) (\w+)/gm)]
          .map(([, name]) => String(name))
          .filter((name) => !sources.some((other) => other.path !== path && mentions(other.text, name)))
          .filter((name) => !tests.some((test) => mentions(test, name)))
          // A type that an exported signature needs is used by whoever uses that.
          .filter((name) => (text.match(new RegExp(`\\b${name}\\b`, 'g')) ?? []).length < 2)
          .map((name) => `${path} exports ${name}`),
      );
    expect(dead).to.deep.equal([]);
  });

  it('no file re-exports what others define, but the public door: import from where it is defined', () => {
    const barrels = sources.filter(({ path, text }) => path !== 'index.ts' && /^export .* from '/m.test(text));
    expect(barrels.map(({ path }) => path)).to.deep.equal([]);
  });

  it('files hold one idea: at most 400 lines', () => {
    const long = sources.filter(({ text }) => text.split('\n').length > 400).map(({ path }) => path);
    expect(long).to.deep.equal([]);
  });

  it('every file says at its top what it is', () => {
    const silent = sources.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path);
    expect(silent).to.deep.equal([]);
  });

  it('AbortSignal.any and AbortSignal.timeout are not used: Node 20 forgets sources that nobody holds; link controllers by hand', () => {
    const wrong = sources.filter(({ text }) => /AbortSignal\.(any|timeout)\(/.test(text)).map(({ path }) => path);
    expect(wrong).to.deep.equal([]);
  });
});

function readSources(): Source[] {
  return readAll(`${ROOT}src`).map(({ path, text }) => ({
    path,
    folder: folderOf(path),
    text,
    imports: importsOf(path, text),
  }));
}

function readAll(root: string): { path: string; text: string }[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !path.endsWith('.as.ts'))
    .map((path) => ({ path: path.replaceAll('\\', '/'), text: readFileSync(`${root}/${path}`, 'utf8') }));
}

function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}

/** Relative imports as paths below src (those of gen are left out), others by name. */
function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(/(?:from|import\() ?'([^']+)'/g)]
    .map(([, to]) => String(to))
    .filter((to) => !to.includes('/gen/'))
    .map((to) => (to.startsWith('.') ? new URL(to, `file:///${path}`).pathname.slice(1).replace(/\.js$/, '.ts') : to));
}

function mentions(text: string, name: string): boolean {
  return new RegExp(`\\b${name}\\b`).test(text);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
