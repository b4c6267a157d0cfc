/** `hourcoin verify`, in a process of its own: damage may lead LMDB astray, and then it is that process that ends without a word. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ExitError, STOPPING } from './exit.js';

/** In the environment of the process that reads. */
const READER = 'IS_HOURCOIN_READER';

/** How a process ends that LMDB has ended: what it asserts is not so, or a page is not where it should be. 127: SIGABRT did not end it. */
const ENDED_BY_LMDB: readonly unknown[] = ['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 127];

/** Verifies a data folder. Throws an ExitError where its process was ended by LMDB. */
export async function verifyApart(folder: string, json: boolean): Promise<void> {
  if (process.env[READER] !== undefined) {
    const { runVerify } = await import('./verify.js');
    return runVerify(folder, json);
  }
  const [, program = '', ...args] = process.argv;
  const env = { ...process.env, [READER]: '1' };
  const reader = spawn(process.execPath, [...process.execArgv, program, ...args], { env, stdio: 'inherit' });
  const stopped = (signal: NodeJS.Signals): void => {
    reader.kill(signal);
  };
  for (const signal of STOPPING) process.on(signal, stopped);
  const [code, signal] = (await once(reader, 'exit')) as [number | null, NodeJS.Signals | null];
  for (const signal of STOPPING) process.off(signal, stopped);
  const ending = signal ?? code;
  if (ENDED_BY_LMDB.includes(ending)) {
    throw new ExitError(
      `the data in ${folder} is so damaged that LMDB ends over it (${ending}): restore a backup; hourcoin export may still save blocks from it`,
    );
  }
  if (signal !== null) process.kill(process.pid, signal);
  process.exitCode = code ?? 1;
}
