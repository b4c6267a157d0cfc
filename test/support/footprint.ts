/** What the system says of a process. Linux only: it is read from /proc. */

import { readdirSync, readFileSync } from 'node:fs';
import type { Program } from './programs.js';

export interface Footprint {
  /** Memory that it has now, and the most that it has ever had, MiB. */
  readonly memory: number;
  readonly peak: number;
  /** Files and sockets that it has open. */
  readonly descriptors: number;
}

/** Looks at a program that runs. */
export function footprint({ process: { pid } }: Pick<Program, 'process'>): Footprint {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (name: string): number => Number(RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1_024;
  return { memory: mebibytes('VmRSS'), peak: mebibytes('VmHWM'), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}
