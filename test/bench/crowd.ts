/**
 * A crowd, in a process of its own: connections on JSON/TCP that each ask once, are answered, and are silent from then on. Started by idle.ts with
 * an address and how many. Prints `open` once all of them have been answered, and stays until it is ended.
 */

import { connect } from 'node:net';
import { frame } from '../../src/wire/frames.js';

const [, , address = '', connections] = process.argv;
const [host = '', port] = address.split(':');
const request = frame('{"GetRoundInfo":{"miner_id":"alice"}}');

function join(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), noDelay: true });
    socket.once('data', () => resolve());
    socket.once('error', reject);
    socket.write(request);
  });
}

/** So many at a time fit the queue of a server that listens. */
const AT_A_TIME = 100;
for (let left = Number(connections); left > 0; left -= AT_A_TIME)
  await Promise.all(Array.from({ length: Math.min(left, AT_A_TIME) }, join));
process.stdout.write('open\n');
