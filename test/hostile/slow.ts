/** Attacks by those who begin, and do not go on. */

import { setTimeout as sleep } from 'node:timers/promises';
import { grpcFramed } from '../support/grpc.js';
import { framed, header } from '../support/sockets.js';
import type { Attack, Target } from './attack.js';
import { type Begun, GrpcCalls } from './calls.js';
import { connected, cut, many, throng, write } from './throng.js';

const CONNECTIONS = 1_000;

const MEBIBYTE = 1_048_576;

/** How long the validator waits for the rest of a request where that is tried, milliseconds. */
const PATIENCE_MS = 1_000;

/** A connection waits so long before its next byte, milliseconds: the others have theirs meanwhile, a share of them at a time. */
const DRIP_MS = 100;
const SHARES = 10;

/** How long a mebibyte takes on a line of a gigabit a second, milliseconds. */
const MEBIBYTE_MS = 8;

/** A gRPC message of 1 MiB. */
const MESSAGE = grpcFramed(Buffer.alloc(MEBIBYTE));

/** Requests that are good, and never whole. */
const drip: Attack = {
  name: 'drip',
  tries: '1,000 connections on each wire that send a request byte by byte, until they are cut off',
  options: ['--frame-timeout', String(PATIENCE_MS)],
  async run({ jsonTcp, grpc }, { ms }, inPlace) {
    const request = framed(`{"CheckLockout":{"miner_id":"${'a'.repeat(1_000)}"}}`);
    const sockets = await throng(jsonTcp, CONNECTIONS);
    const calls = await unfinishedCalls(grpc, CONNECTIONS);
    inPlace();
    for (let step = 0; step * (DRIP_MS / SHARES) < ms; step++) {
      const at = Math.floor(step / SHARES);
      for (let n = step % SHARES; n < CONNECTIONS; n += SHARES) {
        write(sockets[n], request.subarray(at, at + 1));
        if (calls[n]?.stream.writable) calls[n]?.stream.write(MESSAGE.subarray(at, at + 1));
      }
      await sleep(DRIP_MS / SHARES);
    }
    const left = sockets.length - cut(sockets) + calls.length - ended(calls);
    if (left > 0) throw new Error(`${left} of ${2 * CONNECTIONS} were not cut off`);
    return { 'connections, all of them cut off': 2 * CONNECTIONS };
  },
};

/** A length that is believed: memory would be taken for it. */
const announced: Attack = {
  name: 'announced',
  tries: '1,000 connections on each wire that announce 1 MiB and send nothing',
  async run({ jsonTcp, grpc }, { ms }, inPlace) {
    const sockets = await throng(jsonTcp, CONNECTIONS);
    const calls = await unfinishedCalls(grpc, CONNECTIONS);
    for (const socket of sockets) write(socket, header(MEBIBYTE));
    for (const { stream } of calls) stream.write(MESSAGE.subarray(0, 5));
    // All of them at once are a burst, and so is ending those that are too many: both are soon over.
    await sleep(ms / 3);
    inPlace();
    await sleep(ms);
    return { connections: 2 * CONNECTIONS, 'gRPC calls ended': ended(calls) };
  },
};

/** Memory that has to be taken for what arrives: a frame that lacks its last byte is kept. */
const unfinished: Attack = {
  name: 'unfinished',
  tries: 'ever more connections that send 1 MiB but for its last byte and stop, as many as a gigabit a second carries',
  async run({ jsonTcp }, { ms }, inPlace) {
    const almost = Buffer.concat([header(MEBIBYTE), Buffer.alloc(MEBIBYTE - 1)]);
    const sockets = await atLineSpeed(ms, inPlace, async () => {
      const socket = await connected(jsonTcp);
      socket?.write(almost);
      return socket;
    });
    const taken = sockets.filter((socket) => socket !== undefined);
    return { connections: sockets.length, 'cut off': cut(taken) };
  },
};

/** The same on gRPC, where a library keeps what has arrived. */
const unfinishedGrpc: Attack = {
  name: 'unfinished-grpc',
  tries: 'the same with messages on gRPC',
  async run({ grpc }, { ms }, inPlace) {
    const calls = await atLineSpeed(ms, inPlace, async () => {
      const calls = await unfinishedCalls(grpc, 1);
      for (const { stream } of calls) stream.write(MESSAGE.subarray(0, -1));
      return calls;
    });
    return { connections: calls.length, 'cut off': ended(calls.flat()) };
  },
};

export const SLOW: readonly Attack[] = [drip, announced, unfinished, unfinishedGrpc];

/** Begins calls, each on a connection of its own. */
async function unfinishedCalls(target: Target, count: number): Promise<Begun[]> {
  const connections = await many(count, () => GrpcCalls.to(target));
  return connections.map((connection) => connection.begin('ValidatorService/SubmitBlock'));
}

/** How many calls the validator has ended. */
function ended(calls: readonly Begun[]): number {
  return calls.filter(({ statuses, stream }) => statuses.length > 0 || stream.destroyed).length;
}

/** Does again and again what sends a mebibyte, as often as a line of a gigabit a second carries one. */
async function atLineSpeed<T>(ms: number, inPlace: () => void, send: () => Promise<T>): Promise<T[]> {
  const sent: Promise<T>[] = [];
  inPlace();
  const begun = performance.now();
  for (let now = begun; now < begun + ms; now = performance.now()) {
    while (sent.length * MEBIBYTE_MS < now - begun) sent.push(send());
    await sleep(MEBIBYTE_MS);
  }
  return Promise.all(sent);
}
