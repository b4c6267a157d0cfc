/** The floors that others are held against: an echo of framed JSON, a bare nice-grpc server, bare streams of grpc-js, bare commits of LMDB. */

import { hash } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { open } from 'lmdb';
import { createServer as createGrpcServer } from 'nice-grpc';
import {
  type GetRoundInfoResponse,
  Timescale,
  ValidatorServiceDefinition,
} from '../../gen/hourcoin/v1/validator_service.js';

/** Frames are parsed and printed as JSON, and sent back, all that have arrived in one write. */
function echoJson(): void {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest: Buffer = Buffer.of();
    socket.on('data', (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      const answers: Buffer[] = [];
      while (rest.length >= at + 4 && rest.length >= at + 4 + rest.readUInt32BE(at)) {
        const end = at + 4 + rest.readUInt32BE(at);
        const text = JSON.stringify(JSON.parse(rest.toString('utf8', at + 4, end)));
        const frame = Buffer.allocUnsafe(4 + Buffer.byteLength(text));
        frame.writeUInt32BE(frame.length - 4);
        frame.write(text, 4);
        answers.push(frame);
        at = end;
      }
      rest = rest.subarray(at);
      if (answers.length > 0) socket.write(answers.length === 1 ? (answers[0] as Buffer) : Buffer.concat(answers));
    });
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1', () =>
    process.stdout.write(`listening on 127.0.0.1:${(server.address() as AddressInfo).port}\n`),
  );
}

/** The same messages as the validator's, always the same answer. */
async function bareGrpc(): Promise<void> {
  const roundInfo = {
    roundStart: 1_762_800_000_000n,
    tonce: 15,
    challengeSecondsRemaining: 60n,
    attemptedMiners: 0n,
    activeLockouts: 0n,
    difficulty: '0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF',
    round: 1n,
    nextIndex: 0,
    prevBlockHash: Buffer.alloc(32),
    tipTimestamp: undefined,
    serverTime: 1_762_800_000_000n,
    timescale: Timescale.TAI,
    windowPastMs: 300_000n,
    windowFutureMs: 500n,
    lockoutMs: 3_600_000n,
    clockSpeed: 1,
  };
  const methods = { getRoundInfo: ValidatorServiceDefinition.methods.getRoundInfo };
  const server = createGrpcServer();
  server.add(
    { ...ValidatorServiceDefinition, methods },
    { getRoundInfo: async (): Promise<GetRoundInfoResponse> => ({ roundInfo }) },
  );
  const port = await server.listen('127.0.0.1:0');
  process.stdout.write(`listening on 127.0.0.1:${port}\n`);
}

/** Writes the same bytes to every stream, when it begins and at each SIGUSR2. */
function bareStreams(path: string, hex: string): void {
  const message = Buffer.from(hex, 'hex');
  const same = (bytes: Buffer): Buffer => bytes;
  const streams = new Set<ServerWritableStream<Buffer, Buffer>>();
  const server = new Server();
  const stream = {
    path,
    requestStream: false,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService(
    { stream },
    {
      stream(call: ServerWritableStream<Buffer, Buffer>) {
        streams.add(call);
        call.on('cancelled', () => streams.delete(call));
        call.write(message);
      },
    },
  );
  process.on('SIGUSR2', () => {
    for (const call of streams) call.write(message);
  });
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, port) =>
    process.stdout.write(`listening on 127.0.0.1:${port}\n`),
  );
}

/** Writers that each wait for their record to be on the disk, which LMDB commits in groups. Tells how many records a second. */
async function bareLmdb(folder: string, seconds: number, writers: number): Promise<void> {
  const database = open<Buffer, Buffer>({
    path: folder,
    keyEncoding: 'binary',
    encoding: 'binary',
    overlappingSync: false,
    cache: false,
  });
  let written = 0;
  const begun = performance.now();
  const write = async (): Promise<void> => {
    while (performance.now() - begun < seconds * 1_000) {
      // As long as a recorded attempt: its key and the miner's id.
      const key = Buffer.alloc(41);
      key.writeUInt32BE(written++, 37);
      await database.put(key, Buffer.from(`miner-${written}`.padEnd(20)));
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  process.stdout.write(`records a second: ${(1_000 * written) / (performance.now() - begun)}\n`);
  await database.close();
}

/** Reads every block of a chain as it lies there, and hashes it twice. */
function readChain(folder: string): void {
  const database = open<Buffer, Buffer>({ path: folder, readOnly: true, keyEncoding: 'binary', encoding: 'binary' });
  const before = process.cpuUsage();
  let blocks = 0;
  for (const { value } of database.getRange({ start: Buffer.from('B'), end: Buffer.from('C') })) {
    for (let i = 0; i < 2; i++) hash('sha256', value, 'buffer');
    blocks++;
  }
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`blocks a CPU-second: ${(1e6 * blocks) / (user + system)}\n`);
}

const [, , floor, ...args] = process.argv;
if (floor === 'grpc') await bareGrpc();
else if (floor === 'stream') bareStreams(String(args[0]), String(args[1]));
else if (floor === 'chain') readChain(String(args[0]));
else if (floor === 'lmdb') await bareLmdb(String(args[0]), Number(args[1]), Number(args[2]));
else echoJson();
