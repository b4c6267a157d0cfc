/**
 * The load, in a process of its own: keeps some requests in flight on some connections for a while, and tells how many were answered and how
 * long each took. Started by main.ts with its plan as JSON; prints its account as JSON.
 */

import { connect, type Socket } from 'node:net';
import { Client, credentials } from '@grpc/grpc-js';
import { frame } from '../../src/wire/frames.js';

/** What to do. */
export interface Plan {
  readonly wire: 'json-tcp' | 'grpc';
  readonly address: string;
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly inFlight: number;
  readonly seconds: number;
  /** JSON texts, sent in turn, with a number of its own for every {N}; or a method and a message in hexadecimal. */
  readonly requests: readonly string[];
  /** Every request on a connection of its own. */
  readonly fresh?: boolean;
  readonly method?: string;
}

/** What came of it. Latencies in milliseconds. */
export interface Account {
  readonly answered: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

const latencies: number[] = [];
let answered = 0;
let counting = false;

/** Counts an answer to a request that was sent at a time. */
function count(sentAt: number): void {
  if (!counting) return;
  answered++;
  // Every one is counted, one in eight is timed: enough for a thousandth, and light. Of new connections there are fewer.
  if (plan.fresh || (answered & 7) === 0) latencies.push(performance.now() - sentAt);
}

/** What stands in a request for a number of its own. */
const NUMBER = '{N}';
let number = 0;

/** Keeps a JSON/TCP connection busy. */
async function loadJsonTcp({ address, inFlight, requests }: Plan, end: Promise<void>): Promise<void> {
  const [host = '', port] = address.split(':');
  const frames = requests.map(frame);
  const socket: Socket = connect({ host, port: Number(port), noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let turn = 0;
  const sent: number[] = [];
  const ask = (times: number): void => {
    const now = performance.now();
    const batch: Buffer[] = [];
    for (let i = 0; i < times; i++) {
      const text = requests[turn % requests.length] as string;
      batch.push(
        text.includes(NUMBER)
          ? frame(text.replace(NUMBER, String(number++)))
          : (frames[turn % frames.length] as Buffer),
      );
      turn++;
      sent.push(now);
    }
    socket.write(batch.length === 1 ? (batch[0] as Buffer) : Buffer.concat(batch));
  };
  let rest: Buffer = Buffer.of();
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    let arrived = 0;
    while (rest.length >= at + 4 && rest.length >= at + 4 + rest.readUInt32BE(at)) {
      at += 4 + rest.readUInt32BE(at);
      count(sent.shift() as number);
      arrived++;
    }
    rest = rest.subarray(at);
    if (arrived > 0) ask(arrived);
  });
  ask(inFlight);
  await end;
  socket.destroy();
}

/** Asks on JSON/TCP, one request after the other, each on a new connection: what is timed begins before it connects. */
async function loadFresh({ address, requests }: Plan, end: Promise<void>): Promise<void> {
  const [host = '', port] = address.split(':');
  const request = frame(requests[0] ?? '');
  let over = false;
  void end.then(() => {
    over = true;
  });
  while (!over) {
    const begun = performance.now();
    const socket = connect({ host, port: Number(port), noDelay: true });
    socket.write(request);
    await new Promise((resolve, reject) => socket.once('data', resolve).once('error', reject));
    count(begun);
    // A port that was closed in peace lingers for a minute, and there are not so many.
    socket.resetAndDestroy();
  }
}

/** Keeps a gRPC connection busy. */
async function loadGrpc({ address, inFlight, requests, method = '' }: Plan, end: Promise<void>): Promise<void> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const same = (bytes: Buffer): Buffer => bytes;
  const request = Buffer.from(requests[0] ?? '', 'hex');
  let over = false;
  const ask = (): void => {
    const sentAt = performance.now();
    client.makeUnaryRequest(method, same, same, request, (error) => {
      if (over) return;
      if (error !== null) throw error;
      count(sentAt);
      ask();
    });
  };
  for (let i = 0; i < inFlight; i++) ask();
  await end;
  over = true;
  client.close();
}

const plan = JSON.parse(process.argv[2] ?? '') as Plan;
const warmUp = Math.min(1, plan.seconds / 4);
let begun = 0;
const end = new Promise<void>((resolve) => {
  setTimeout(() => {
    // The one who measures reads the server's clock when it sees this line.
    process.stdout.write('counting\n');
    counting = true;
    begun = performance.now();
    setTimeout(resolve, plan.seconds * 1_000);
  }, warmUp * 1_000);
});
const load = plan.wire === 'grpc' ? loadGrpc : plan.fresh ? loadFresh : loadJsonTcp;
await Promise.all(Array.from({ length: plan.connections }, () => load(plan, end)));
const seconds = (performance.now() - begun) / 1_000;
latencies.sort((a, b) => a - b);
const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? 0;
const account: Account = { answered, seconds, p50: at(0.5), p99: at(0.99), p999: at(0.999) };
process.stdout.write(`${JSON.stringify(account)}\n`);
process.exit();
