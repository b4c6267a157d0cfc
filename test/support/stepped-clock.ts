/** A host's clock that a test sets, for programs that it starts: nobody else's time changes. */

import { renameSync, writeFileSync } from 'node:fs';

/** What a program loads before its own code: its Date.now is the host's, and as many milliseconds as a file says. */
function preload(file: string): string {
  const code = `import { readFileSync } from 'node:fs'; const { now } = Date; Date.now = () => now() + Number(readFileSync(${JSON.stringify(file)}, 'utf8'));`;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
}

/** A clock that stands `ms` off the host's, until it is set anew. */
export function steppedClock(file: string, ms = 0) {
  /** Sets the clock so many milliseconds off the host's. */
  const set = (ms: number): void => {
    // A file that is written over is empty for a moment.
    writeFileSync(`${file}.new`, `${ms}`);
    renameSync(`${file}.new`, file);
  };
  set(ms);
  return { set, env: { NODE_OPTIONS: preload(file) } };
}
