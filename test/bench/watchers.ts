/**
 * Those who watch, in a process of their own: streams over some connections, and when each of them had its next message. Started by watch.ts with
 * what to watch as JSON. Prints `watching` once every stream has a first message, then a line of JSON each time that all have one more.
 */

import { connect } from 'node:http2';
import { grpcFramed } from '../support/grpc.js';

/** What to watch. */
export interface Watched {
  readonly address: string;
  /** As in `/hourcoin.v1.ValidatorService/WatchRounds`. */
  readonly method: string;
  /** In hexadecimal. */
  readonly request: string;
  readonly connections: number;
  /** On each connection. */
  readonly streams: number;
}

/** When half of the streams, all but a hundredth, and all had a message: milliseconds of the system's monotonic clock. */
export interface Heard {
  readonly half: number;
  readonly p99: number;
  readonly last: number;
}

const { address, method, request, connections, streams } = JSON.parse(process.argv[2] ?? '') as Watched;
const headers = { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' };
const body = grpcFramed(Buffer.from(request, 'hex'));

/** When each stream had its n-th message, by n. */
const arrivals: number[][] = [];

function heard(n: number): void {
  arrivals[n] ??= [];
  const times = arrivals[n];
  times.push(Number(process.hrtime.bigint()) / 1e6);
  if (times.length < connections * streams) return;
  if (n === 0) return void process.stdout.write('watching\n');
  const at = (share: number): number => times[Math.floor(share * (times.length - 1))] as number;
  const told: Heard = { half: at(0.5), p99: at(0.99), last: at(1) };
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

for (let i = 0; i < connections; i++) {
  // Not the library's client: its thousand streams would be slower than any server.
  const session = connect(`http://${address}`);
  for (let j = 0; j < streams; j++) {
    const stream = session.request(headers);
    let messages = 0;
    let unread: Buffer = Buffer.of();
    stream.on('data', (bytes: Buffer) => {
      unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes]);
      while (unread.length >= 5 && unread.length >= 5 + unread.readUInt32BE(1)) {
        unread = unread.subarray(5 + unread.readUInt32BE(1));
        heard(messages++);
      }
    });
    stream.end(body);
  }
}
