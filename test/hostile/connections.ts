/** Attacks with connections themselves, and with what is no protocol. */

import { setTimeout as sleep } from 'node:timers/promises';
import { OPERATOR_LIMITS } from '../../src/engine/limits.js';
import { chooser } from '../support/seeded.js';
import type { Attack } from './attack.js';
import { barrage, connected, cut, throng } from './throng.js';

/** The work of accepting: as many connections a second as can be, which say nothing and go. */
const flood: Attack = {
  name: 'flood',
  tries: 'connections that come and go as fast as they can, on both wires',
  async run({ jsonTcp, grpc }, { ms }, inPlace) {
    let connections = 0;
    const over = performance.now() + ms;
    const comeAndGo = async (address: typeof jsonTcp): Promise<void> => {
      while (performance.now() < over) {
        const socket = await connected(address);
        connections++;
        // Half of them with a reset, half in good order.
        if (connections % 2 === 0) socket?.resetAndDestroy();
        else socket?.end();
      }
    };
    inPlace();
    await Promise.all([jsonTcp, grpc].flatMap((address) => Array.from({ length: 16 }, () => comeAndGo(address))));
    return { connections };
  },
};

/** Every place that there is, and more. */
const hold: Attack = {
  name: 'hold',
  tries: 'more connections than there are places for, all held open',
  takesAllPlaces: true,
  async run({ jsonTcp }, { ms }, inPlace) {
    const sockets = await throng(jsonTcp, OPERATOR_LIMITS.maxConnections.default + 500);
    inPlace();
    await sleep(ms);
    return { connections: sockets.length, refused: cut(sockets) };
  },
};

/** The same, where each address has its share: others still find a place. */
const crowd: Attack = {
  name: 'crowd',
  tries: 'as many connections from one address, which is given its share, on both wires',
  isLimited: true,
  async run({ jsonTcp, grpc }, { ms }, inPlace) {
    const { default: share } = OPERATOR_LIMITS.maxConnectionsPerIp;
    const sockets = (await Promise.all([throng(jsonTcp, 1_000), throng(grpc, 1_000)])).flat();
    inPlace();
    await sleep(ms);
    const kept = sockets.length - cut(sockets);
    if (kept > share) throw new Error(`${kept} connections were kept, of a share of ${share}`);
    return { connections: sockets.length, kept };
  },
};

/** A host with few file descriptors: the validator keeps some for itself. */
const descriptors: Attack = {
  name: 'descriptors',
  tries: '500 connections to a validator that may have 64 files and sockets open',
  descriptors: 64,
  takesAllPlaces: true,
  mayLog: /A connection was refused: |The system has room for /,
  async run({ jsonTcp, grpc }, { ms }, inPlace) {
    const sockets = (await Promise.all([throng(jsonTcp, 250), throng(grpc, 250)])).flat();
    inPlace();
    await sleep(ms);
    return { connections: sockets.length, refused: cut(sockets) };
  },
};

/** What no client ever says. */
const noise: Attack = {
  name: 'noise',
  tries: 'random bytes on both wires, from 32 connections that come again when they are cut off',
  async run({ jsonTcp, grpc }, { ms, seed }, inPlace) {
    const choose = chooser(seed);
    function* script() {
      for (;;) yield Buffer.from(Array.from({ length: 1 + choose(4_096) }, () => choose(256)));
    }
    const all = await Promise.all(
      [jsonTcp, grpc].map((target) => barrage(target, script, { connections: 16, ms }, inPlace)),
    );
    return { 'JSON/TCP connections': all[0]?.connections ?? 0, 'gRPC connections': all[1]?.connections ?? 0 };
  },
};

export const CONNECTIONS: readonly Attack[] = [flood, hold, crowd, descriptors, noise];
