/** Starting what is measured, and its account of CPU time: the system's own, by /proc. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { end, type Program, start } from '../support/programs.js';
import type { Account, Plan } from './load.js';
import type { Effort } from './row.js';

/** What a server did under a load. */
export interface Measured extends Account {
  /** Microseconds of the server's CPU an answer. */
  readonly cpuUs: number;
}

/** A file of this folder, compiled. */
export function script(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}

/** CPU seconds that a process has used, in user and system mode. */
export function cpuSeconds(program: Program): number {
  const stat = readFileSync(`/proc/${program.process.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Bytes of memory that a process has. */
export function resident({ process: { pid } }: Program): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return 1_024 * Number(kibibytes);
}

/** Puts a load on a server, from a process of its own. */
export async function underLoad(server: Program, plan: Plan): Promise<Measured> {
  const load = start(process.execPath, [script('load'), JSON.stringify(plan)]);
  try {
    await load.printed(/^counting$/m);
    const before = cpuSeconds(server);
    const [text] = await load.printed(/^\{.*\}$/m);
    const cpu = cpuSeconds(server) - before;
    const account = JSON.parse(text) as Account;
    return { ...account, cpuUs: (1e6 * cpu) / account.answered };
  } finally {
    await end(load, 'SIGKILL');
  }
}

/** A server, and where it listens. */
export interface Side {
  readonly server: Program;
  readonly address: string;
}

/** The medians of two servers under the same load, measured in turn. */
export async function sideBySide(
  [one, other]: readonly [Side, Side],
  { seconds, rounds }: Effort,
  plan: Omit<Plan, 'address' | 'seconds'>,
): Promise<[Measured, Measured]> {
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  for (let i = 0; i < rounds; i++) {
    ours.push(await underLoad(one.server, { ...plan, address: one.address, seconds }));
    theirs.push(await underLoad(other.server, { ...plan, address: other.address, seconds }));
  }
  return [middle(ours), middle(theirs)];
}

/** Each figure's median. */
export function middle(runs: readonly Measured[]): Measured {
  const of = (figure: (run: Measured) => number): number => median(runs.map(figure));
  return {
    answered: of((run) => run.answered),
    seconds: of((run) => run.seconds),
    cpuUs: of((run) => run.cpuUs),
    p50: of((run) => run.p50),
    p99: of((run) => run.p99),
    p999: of((run) => run.p999),
  };
}

/** The middle of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
