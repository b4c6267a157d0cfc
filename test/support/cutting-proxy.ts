/** A proxy whose connections break in the middle of things. */

import { connect, type Socket } from 'node:net';
import type { Address } from '../../src/wire/address.js';
import { listenRaw, type ScriptedServer } from './sockets.js';

/** Where a connection breaks, and how. */
export interface Cut {
  /** So many bytes of the client are passed on at most. */
  readonly client: number;
  /** So many bytes of the server are passed on at most. */
  readonly server: number;
  /** With a reset, or with the end of the bytes. */
  readonly how: 'reset' | 'end';
}

/** Passes bytes on, each connection until its cut; where there is none, without an end. */
export function cuttingProxy({ host, port }: Address, nextCut: () => Cut | undefined): Promise<ScriptedServer> {
  return listenRaw((client) => {
    const server = connect({ host, port, noDelay: true });
    const cut = nextCut();
    const drop = (): void => {
      server.destroy();
      if (cut?.how === 'reset') client.resetAndDestroy();
      else client.end(() => client.destroy());
    };
    pass(client, server, cut?.client, drop);
    pass(server, client, cut?.server, drop);
    server.on('error', () => client.destroy());
    server.on('close', () => client.end(() => client.destroy()));
    client.on('close', () => server.destroy());
  });
}

/** Passes bytes on from one socket to another, a number of them where there is one. */
function pass(from: Socket, to: Socket, count = Number.POSITIVE_INFINITY, drop: () => void): void {
  let left = count;
  from.on('data', (bytes: Buffer) => {
    if (left <= 0) return;
    to.write(bytes.subarray(0, Math.min(left, bytes.length)));
    left -= bytes.length;
    if (left <= 0) drop();
  });
}
