/** What a validator must keep, whatever the attack. */

import { type Asked, p99, WIRES, type Won } from './honest.js';

/** Times in milliseconds, memory in MiB. */
export const BOUNDS = {
  /**
   * An honest request's p99 under attack, in times of the quiet one; which is taken for at least so much, and for what those who ask had to wait
   * for the machine themselves: below that, noise decides.
   */
  slower: 10,
  leastQuietMs: 5,
  /** The most memory that it ever has, as the system counts it. */
  peak: 512,
  /** What it may hold on to when the attack is over, beyond what it held before: code is compiled, blocks are remembered. */
  keeps: 16,
  /** How long it may take until that is so; and where connections linger until keepalive finds that nobody is there. */
  recoversMs: 10_000,
  lingersMs: 90_000,
  /** How long it may take to end after SIGTERM. */
  endsMs: 5_000,
} as const;

/** What a validator holds on to. */
export interface Holds {
  /** Memory, MiB, once its garbage is collected. */
  readonly memory: number;
  /** Files and sockets. */
  readonly descriptors: number;
}

/** What was measured of a trial. */
export interface Measured {
  /** What was asked on each wire when it was quiet, and while the attack had all its strength. */
  readonly asked: readonly { readonly quiet: Asked; readonly under: Asked }[];
  /** How long the slowest answer took, milliseconds, also while the attack began. */
  readonly slowest: number;
  /** The blocks that were begun and accepted while the attack had all its strength. */
  readonly won: readonly Won[];
  /** What it may hold on to when the attack is over, and what it holds. */
  readonly most: Holds;
  readonly after: Holds;
  /** How long it took until it held no more than it may, milliseconds. */
  readonly recoveredMs: number;
  /** The most memory that it had, and what it had at last, as the system counts it, MiB. */
  readonly peak: number;
  readonly last: number;
}

/** What a validator may hold on to after an attack. `lingering`: connections that may still be open. */
export function mayHold({ memory, descriptors }: Holds, lingering: number): Holds {
  return { memory: memory + BOUNDS.keeps, descriptors: descriptors + lingering };
}

/** Whether it holds on to no more than it may. */
export function holdsAtMost(most: Holds, held: Holds): boolean {
  return held.memory <= most.memory && held.descriptors <= most.descriptors;
}

/** Where honest clients waited for too long. */
export function slownessOf({ asked }: Measured): string[] {
  return asked.flatMap(({ quiet, under }) => {
    const most = BOUNDS.slower * Math.max(p99(quiet), BOUNDS.leastQuietMs, p99(under, 'lateMs'));
    return p99(under) > most ? [`p99 on ${under.wire} was ${shown(p99(under))} ms, and may be ${shown(most)}`] : [];
  });
}

/** What else did not hold. */
export function problemsOf({ asked, won, most, peak, after }: Measured): string[] {
  const problems: string[] = [];
  for (const { under } of asked) {
    const { wire, failures } = under;
    if (failures.length > 0) problems.push(`${failures.length} requests on ${wire} were not answered: ${failures[0]}`);
  }
  for (const wire of WIRES) {
    if (!won.some((block) => block.wire === wire)) problems.push(`no honest miner on ${wire} had a block accepted`);
  }
  if (peak > BOUNDS.peak) problems.push(`it had ${mebibytes(peak)} of memory, and may have ${mebibytes(BOUNDS.peak)}`);
  if (!holdsAtMost(most, after)) {
    problems.push(
      `when it was over it held ${mebibytes(after.memory)}, where it may be ${mebibytes(most.memory)}, ` +
        `and ${after.descriptors} files and sockets, where it may be ${most.descriptors}`,
    );
  }
  return problems;
}

/** What was measured, in words. */
export function inWords({ asked, slowest, won, peak, after, recoveredMs, last }: Measured): string {
  const latencies = asked.map(({ quiet, under }) => `${under.wire} ${shown(p99(under))} (${shown(p99(quiet))})`);
  const late = Math.max(...asked.map(({ under }) => p99(under, 'lateMs')));
  const [fewest, most] = [Math.min, Math.max].map((of) => of(...won.map(({ ms }) => ms)));
  return [
    `p99 ${latencies.join(', ')} ms, the slowest ${shown(slowest)}, late ${shown(late)}`,
    `${won.length} blocks in ${shown(fewest)} to ${shown(most)} ms`,
    `peak ${mebibytes(peak)}, at last ${mebibytes(last)}, of which ${mebibytes(after.memory)} are held, after ${shown(recoveredMs)} ms`,
  ].join('; ');
}

function shown(ms = Number.NaN): string {
  return ms < 100 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en');
}

function mebibytes(amount: number): string {
  return `${Math.round(amount)} MiB`;
}
