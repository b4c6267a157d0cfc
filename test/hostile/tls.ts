/** Attacks on the way to speaking TLS. */

import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { listenRaw } from '../support/sockets.js';
import type { Attack, Target, Victim } from './attack.js';
import { loops } from './calls.js';
import { cut, throng, write } from './throng.js';

/** How long the validator waits for a handshake where that is tried, milliseconds. */
const PATIENCE_MS = 1_000;

/** Handshakes that never end keep their place, and what was computed for them. */
const halfHandshakes: Attack = {
  name: 'half-handshakes',
  tries: '1,000 TLS connections on each wire that say nothing, half a greeting or a whole one, until they are cut off',
  needsTls: true,
  options: ['--handshake-timeout', String(PATIENCE_MS)],
  async run(victim, { ms }, inPlace) {
    const greeting = await clientGreeting();
    const sockets: Socket[] = [];
    for (const address of secure(victim)) {
      const some = await throng(address, 600);
      for (const socket of some.slice(0, 500)) write(socket, greeting.subarray(0, greeting.length / 2));
      // An answer to a whole one is much work: not all of it at once.
      for (const socket of some.slice(500)) {
        write(socket, greeting);
        await sleep(1);
      }
      sockets.push(...some, ...(await throng(address, 400)));
    }
    inPlace();
    await sleep(Math.max(ms, 2 * PATIENCE_MS));
    const left = sockets.length - cut(sockets);
    if (left > 0) throw new Error(`${left} of ${sockets.length} were not cut off`);
    return { 'connections, all of them cut off': sockets.length };
  },
};

/** A handshake costs the server more than the client. */
const handshakes: Attack = {
  name: 'handshakes',
  tries: 'whole TLS handshakes, one after the other, from eight connections on each wire',
  needsTls: true,
  async run(victim, { ms }, inPlace) {
    const over = performance.now() + ms;
    let done = 0;
    inPlace();
    await Promise.all(
      secure(victim).map((address) =>
        loops(8, async () => {
          const socket = await shaken(address);
          if (socket !== undefined) done++;
          socket?.destroy();
          return performance.now() < over;
        }),
      ),
    );
    return { handshakes: done };
  },
};

/** The same on one connection, where TLS 1.2 lets a client begin anew whenever it likes (CVE-2011-1473). */
const renegotiation: Attack = {
  name: 'renegotiation',
  tries: 'connections of TLS 1.2 that shake hands again and again',
  needsTls: true,
  async run(victim, { ms }, inPlace) {
    const over = performance.now() + ms;
    const figures = { connections: 0, renegotiated: 0 };
    inPlace();
    await Promise.all(
      secure(victim).map((address) =>
        loops(8, async () => {
          const socket = await shaken(address);
          figures.connections++;
          while (socket !== undefined && performance.now() < over && (await renegotiated(socket)))
            figures.renegotiated++;
          socket?.destroy();
          return performance.now() < over;
        }),
      ),
    );
    if (figures.renegotiated > 0) throw new Error(`${figures.renegotiated} times hands were shaken again`);
    return figures;
  },
};

export const TLS: readonly Attack[] = [halfHandshakes, handshakes, renegotiation];

/** Where TLS is spoken. */
function secure({ tls, grpcs }: Victim): Target[] {
  if (tls === undefined || grpcs === undefined) throw new Error('the validator speaks no TLS');
  return [tls, grpcs];
}

/** What a client says first. */
async function clientGreeting(): Promise<Buffer> {
  let greeted = (_greeting: Buffer): void => {};
  const greeting = new Promise<Buffer>((resolve) => {
    greeted = resolve;
  });
  const server = await listenRaw((socket) => socket.once('data', greeted));
  const client = connect({ ...server.address });
  client.on('error', () => {});
  return greeting.finally(() => {
    client.destroy();
    return server.close();
  });
}

/** A connection of TLS 1.2, which knows renegotiation; undefined where the victim does not make one. */
function shaken(target: Target): Promise<TLSSocket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ ...target, maxVersion: 'TLSv1.2', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    // The close that follows says all there is to say.
    socket.on('error', () => {});
    socket.once('close', () => resolve(undefined));
    socket.once('secureConnect', () => resolve(socket));
  });
}

/** Whether hands were shaken again: where they never are, nothing is said of it. */
function renegotiated(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const refused = setTimeout(() => resolve(false), 250);
    socket.once('close', () => resolve(false));
    socket.renegotiate({ rejectUnauthorized: false }, (error) => {
      clearTimeout(refused);
      resolve(error === null);
    });
  });
}
