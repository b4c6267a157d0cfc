/** Programs that end by themselves. */

import { expect } from 'chai';
import { hourcoin, type Program } from './programs.js';

/** How a program has ended, and what it said. */
export interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `hourcoin` to its end. */
export function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return ended(hourcoin(args, { env }));
}

/** Waits for a program's end. */
export async function ended(program: Program): Promise<Ended> {
  const code = await program.ended;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

/** A program has refused: with an exit code, and one line on stderr that says why. */
export function expectRefusal({ code, stdout, stderr }: Ended, exitCode: 1 | 2, why: RegExp | string): void {
  expect(stderr).to.match(/^error: [^\n]*\n$/);
  if (typeof why === 'string') expect(stderr).to.include(why);
  else expect(stderr).to.match(why);
  expect(code).to.equal(exitCode);
  expect(stdout).to.equal('');
}
