/** The real programs, as processes of their own. A test ends every one that it starts. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** dist/src/cli/main.js: this file runs as dist/test/support/programs.js. */
export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** A program that runs or has ended. */
export interface Program {
  readonly process: ChildProcess;
  /** What it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Resolves once stdout matches; rejects where the program ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Starts `hourcoin` with some arguments. */
export function hourcoin(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Program {
  return start(process.execPath, [MAIN, ...args], options);
}

/** Starts any program. */
export function start(
  command: string,
  args: readonly string[],
  { cwd, env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Program {
  // Coverage is of this process: hundreds of others would each write megabytes of it as they end. The seed is the tests' own.
  const { NODE_V8_COVERAGE: _, HOURCOIN_SEED: __, ...inherited } = process.env;
  const child = spawn(command, args, { cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    for (const listener of listeners) listener();
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? -1));
  });
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stdout);
          if (match === null) return;
          listeners.delete(look);
          resolve(match);
        };
        listeners.add(look);
        look();
        void ended.then((code) => {
          look();
          reject(new Error(`ended with ${code} before it printed ${pattern}:\n${stdout}\n${stderr}`));
        });
      }),
  };
}

/** A validator program with its real ports. */
export interface RunningValidator extends Program {
  readonly jsonTcp: string;
  /** With grpc:// before it. */
  readonly grpc: string;
}

/** Starts `hourcoin validator` on free ports, and waits until it listens. `main`: the program, where it is another build. */
export async function startValidator(
  data: string,
  args: readonly string[] = [],
  main = MAIN,
  env: NodeJS.ProcessEnv = {},
): Promise<RunningValidator> {
  return listening(start(process.execPath, [main, ...validatorArguments(data), ...args], { env }));
}

/** What a validator on free ports is told. */
export function validatorArguments(data: string): string[] {
  return ['validator', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--data', data];
}

/** Waits until a validator listens, however it was started. */
export async function listening(program: Program): Promise<RunningValidator> {
  const [, jsonTcp] = await program.printed(/^JSON\/TCP listening on (\S+)$/m);
  const [, grpc] = await program.printed(/^gRPC listening on (\S+)$/m);
  await program.printed(/^Waiting for miner connections\.\.\.$/m);
  return { ...program, jsonTcp: String(jsonTcp), grpc: `grpc://${grpc}` };
}

/** Ends a program with a signal, and waits for it. */
export function end(program: Program, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
  program.process.kill(signal);
  return program.ended;
}

/** A new empty folder, and what deletes it. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'hourcoin-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
