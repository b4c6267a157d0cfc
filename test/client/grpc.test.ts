/** The gRPC client, against servers of another make. */

import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../../src/client/errors.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { Fault } from '../../src/engine/fault.js';
import { cleanup } from '../support/cleanup.js';
import { listenRaw } from '../support/sockets.js';
import { until } from '../support/wait.js';

describe('The gRPC client', () => {
  const atEnd = cleanup();

  /** A client whose GetRoundInfo and WatchRounds are answered with some bytes, or a status. */
  async function answered(answer: Uint8Array | status): Promise<GrpcClient> {
    const server = new Server();
    const same = (bytes: Buffer): Buffer => bytes;
    const call = {
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
      requestStream: false,
    };
    const path = '/hourcoin.v1.ValidatorService';
    const error = typeof answer === 'number' ? { code: answer, details: 'not today' } : null;
    server.addService(
      {
        getRoundInfo: { ...call, path: `${path}/GetRoundInfo`, responseStream: false },
        watchRounds: { ...call, path: `${path}/WatchRounds`, responseStream: true },
      },
      {
        getRoundInfo: (_: unknown, done: (error: object | null, bytes?: unknown) => void) => done(error, answer),
        watchRounds: (stream: {
          write(bytes: unknown): void;
          end(): void;
          emit(name: string, error: object): void;
        }) => {
          if (error !== null) return stream.emit('error', error);
          stream.write(answer);
          stream.end();
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    atEnd(() => server.forceShutdown());
    const client = new GrpcClient({ host: '127.0.0.1', port });
    atEnd(() => client.close());
    return client;
  }

  /** What asking for the round throws, and what watching rounds does. */
  async function bothThrow(client: GrpcClient): Promise<unknown[]> {
    const watching = client.watchRounds('alice')[Symbol.asyncIterator]();
    return Promise.all([client.getRoundInfo('alice').catch((error) => error), watching.next().catch((error) => error)]);
  }

  for (const code of [
    status.UNAVAILABLE,
    status.CANCELLED,
    status.INTERNAL,
    status.UNKNOWN,
    status.UNIMPLEMENTED,
    status.UNAUTHENTICATED,
    status.DEADLINE_EXCEEDED,
    status.ABORTED,
  ]) {
    it(`throws a ConnectionError where the peer says ${status[code]} and no more`, async () => {
      for (const error of await bothThrow(await answered(code))) {
        expect(error).to.be.an.instanceOf(ConnectionError).with.property('message').that.contains('not today');
      }
    });
  }

  for (const [code, reason] of [
    [status.INVALID_ARGUMENT, 'MALFORMED'],
    [status.NOT_FOUND, 'NOT_FOUND'],
    [status.RESOURCE_EXHAUSTED, 'OVERLOADED'],
  ] as const) {
    it(`throws a fault, ${reason}, where the peer says ${status[code]} and no more`, async () => {
      for (const error of await bothThrow(await answered(code))) {
        expect(error).to.be.an.instanceOf(Fault).and.to.deep.include({ reason, message: 'not today' });
      }
    });
  }

  it('throws a ConnectionError where the answer has no content', async () => {
    for (const error of await bothThrow(await answered(Buffer.of()))) {
      expect(error).to.be.an.instanceOf(ConnectionError).with.property('message').that.contains('without its content');
    }
  });

  it('throws a ConnectionError where the answer is not protobuf', async () => {
    for (const error of await bothThrow(await answered(Buffer.alloc(20, 0xff)))) {
      expect(error).to.be.an.instanceOf(ConnectionError);
    }
  });

  it('has a connection of its own', async () => {
    let connections = 0;
    const silent = await listenRaw(() => connections++);
    atEnd(silent.close);
    const clients = [new GrpcClient(silent.address), new GrpcClient(silent.address)];
    const calls = clients.map((client) => client.getRoundInfo('alice').catch((error) => error));
    await until(() => connections === 2, 'both have connected');
    for (const client of clients) client.close();
    await Promise.all(calls);
  });

  it('takes an answer with fields that it does not know', async () => {
    const known = service.GetRoundInfoResponse.encode(service.GetRoundInfoResponse.decode(Buffer.of(0x0a, 0))).finish();
    const client = await answered(Buffer.concat([known, Buffer.of(0x78, 1)]));
    expect((await client.getRoundInfo('alice')).nextIndex).to.equal(0);
  });
});
