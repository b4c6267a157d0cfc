/** How many files and sockets the system lets this process open. */

import { readdirSync, readFileSync } from 'node:fs';

/** What the program needs beside its clients: certificates that are read again, the control socket, threads' pipes. */
const RESERVE = 16;

/** How many connections there is room for now; undefined where the system does not say (only Linux does, in /proc). */
export function roomForConnections(): number | undefined {
  try {
    const [, most] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return most === undefined ? undefined : Math.max(1, Number(most) - readdirSync('/proc/self/fd').length - RESERVE);
  } catch {
    return undefined;
  }
}
