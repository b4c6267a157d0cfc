/** The examples of the API docs: the snippets after `@example` in src/. */

import { readdirSync, readFileSync } from 'node:fs';

/** A snippet, and where it stands. */
export interface Example {
  /** A name for a file: `src-client-grpc-2`. */
  readonly name: string;
  readonly code: string;
}

/** Every example of a repository's src/. Throws where one has no snippet. */
export function examplesOf(root: string): Example[] {
  return readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .flatMap((path) => {
      const text = readFileSync(`${root}src/${path}`, 'utf8');
      const snippets = [...text.matchAll(/^ *\* @example\n *\* ```ts\n(.*?)\n *\* ```$/gms)];
      if (snippets.length !== text.split('@example').length - 1)
        throw new Error(`${path}: an example without a snippet`);
      return snippets.map(([, lines], at) => ({
        name: `src-${path.replace(/\.ts$/, '').replaceAll(/[\\/]/g, '-')}-${at + 1}`,
        code: `${String(lines).replaceAll(/^ *\* ?/gm, '')}\n`,
      }));
    });
}
