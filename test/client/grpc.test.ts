/** The gRPC client, against servers of another make. */

import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import { type ClientError, ConnectionError } from '../../src/client/errors.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { Fault } from '../../src/engine/fault.js';
import { LIMITS } from '../../src/engine/limits.js';
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

  /** What asking for the round throws, and what watching rounds throws or is interrupted by. */
  async function bothTell(client: GrpcClient) {
    const asked = client.getRoundInfo('alice').then(
      () => {
        throw new Error('the call was answered');
      },
      (error: ClientError) => error,
    );
    const watched = new Promise<{ error: ClientError; goesOn: boolean }>((resolve) => {
      const watch = client.watchRounds('alice', { onInterrupted: (error) => resolve({ error, goesOn: true }) });
      watch.next().catch((error) => resolve({ error, goesOn: false }));
    });
    const { error, goesOn } = await watched;
    return { errors: [await asked, error], goesOn };
  }

  for (const [code, reason, goesOn] of [
    [status.UNAVAILABLE, 'UNREACHABLE', true],
    [status.CANCELLED, 'UNREACHABLE', true],
    [status.DEADLINE_EXCEEDED, 'TIMED_OUT', true],
    [status.INTERNAL, 'BAD_ANSWER', false],
    [status.UNKNOWN, 'BAD_ANSWER', false],
    [status.UNIMPLEMENTED, 'BAD_ANSWER', false],
    [status.ABORTED, 'BAD_ANSWER', false],
  ] as const) {
    const streams = goesOn ? 'streams go on' : 'so do streams';
    it(`throws a ConnectionError, ${reason}, where the peer says ${status[code]} and no more; ${streams}`, async () => {
      const told = await bothTell(await answered(code));
      for (const error of told.errors) {
        expect(error).to.be.an.instanceOf(ConnectionError).with.property('message').that.contains('not today');
        expect(error.reason).to.equal(reason);
      }
      expect(told.goesOn).to.equal(goesOn);
    });
  }

  for (const [code, reason, goesOn] of [
    [status.INVALID_ARGUMENT, 'MALFORMED', false],
    [status.NOT_FOUND, 'NOT_FOUND', false],
    [status.UNAUTHENTICATED, 'UNAUTHENTICATED', false],
    [status.RESOURCE_EXHAUSTED, 'OVERLOADED', true],
  ] as const) {
    const streams = goesOn ? 'streams go on' : 'so do streams';
    it(`throws a fault, ${reason}, where the peer says ${status[code]} and no more; ${streams}`, async () => {
      const told = await bothTell(await answered(code));
      for (const error of told.errors) {
        expect(error).to.be.an.instanceOf(Fault).and.to.deep.include({ reason, message: 'not today' });
      }
      expect(told.goesOn).to.equal(goesOn);
    });
  }

  for (const [what, answer, message] of [
    ['has no content', Buffer.of(), 'without its content'],
    ['is not protobuf', Buffer.alloc(20, 0xff), 'sent what is no answer'],
    ['is larger than any answer', Buffer.alloc(LIMITS.answerBytes + 1), 'larger than max'],
  ] as const) {
    it(`throws a ConnectionError, BAD_ANSWER, where the answer ${what}; so do streams`, async () => {
      const told = await bothTell(await answered(answer));
      for (const error of told.errors) {
        expect(error).to.be.an.instanceOf(ConnectionError).with.property('message').that.contains(message);
        expect(error.reason).to.equal('BAD_ANSWER');
      }
      expect(told.goesOn).to.equal(false);
    });
  }

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
