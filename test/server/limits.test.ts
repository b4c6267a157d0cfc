/** What bounds a validator's clients (docs/operations.md, "Limits"): connections, how long they may take, what they may leave unread, memory. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ServiceError, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import * as chain from '../../gen/hourcoin/v1/chain_service.js';
import { StartError } from '../../src/doors.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import { LIMITS, OPERATOR_LIMITS, type OperatorLimits } from '../../src/engine/limits.js';
import { ValidatorServer } from '../../src/validator-server.js';
import type { Address } from '../../src/wire/address.js';
import { requestToJson } from '../../src/wire/requests.js';
import { FAR, headerFor } from '../support/balancer.js';
import { output, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { detailsOf, grpcFramed, Http2Client, type RawGrpc } from '../support/grpc.js';
import { heldNode } from '../support/held-store.js';
import {
  callHeaders,
  END_HEADERS,
  END_STREAM,
  FRAME,
  headerBlock,
  http2Frame,
  PREFACE,
  settings,
} from '../support/http2-frames.js';
import { ALICES, BOBS, HERE, serveLimited } from '../support/limited.js';
import { collectGarbage } from '../support/memory.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { intercepted } from '../support/servers.js';
import { framed, RawClient } from '../support/sockets.js';
import { holdTimeouts } from '../support/timeouts.js';
import { type Certificates, makeCertificates } from '../support/tls.js';
import { startWhole, type WholeValidator } from '../support/validators.js';
import { turn, until } from '../support/wait.js';

const INFO = '"GetBlockchainInfo"';
const LOCKOUT = '{"CheckLockout":{"miner_id":"alice"}}';
const NOT_LOCKED = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}';

describe('Limits of a validator', () => {
  const atEnd = cleanup();
  let certificates: Certificates;
  let test: TestNode;
  let calls: ReturnType<typeof intercepted<TestNode['node']>>;

  before(async () => {
    certificates = await makeCertificates();
  });
  after(() => certificates.remove());
  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    calls = intercepted(test.node);
  });

  /** A validator on all four kinds of address, behind a balancer on this machine. */
  function started(limits: Partial<OperatorLimits>): Promise<WholeValidator> {
    const { path } = certificates;
    return startWhole(atEnd, {
      listen: ['tls://127.0.0.1:0', 'grpcs://127.0.0.1:0'],
      tls: { cert: path('server.pem'), key: path('server-key.pem') },
      proxyFrom: [HERE],
      limits,
    });
  }

  /** Whether a JSON/TCP client is taken in. */
  async function isTaken(client: RawClient): Promise<boolean> {
    client.socket.write(framed(LOCKOUT));
    return (await client.answerOrEnd()) === NOT_LOCKED;
  }

  /** Whether a gRPC client is. */
  async function isServed(client: RawGrpc): Promise<boolean> {
    const call = client.unary('ValidatorService/GetBlockchainInfo', Buffer.of(), { deadline: Date.now() + 5_000 });
    return call.then(
      () => true,
      ({ code }) => {
        expect(code).to.equal(status.UNAVAILABLE);
        return false;
      },
    );
  }

  describe('Connections', () => {
    it('in all: over both protocols, and with those of this machine', async () => {
      const { jsonTcp, grpc } = await serveLimited(atEnd, test.node, { maxConnections: 3 });
      const first = await jsonTcp(HERE);
      expect(await isTaken(first)).to.equal(true);
      expect(await isTaken(await jsonTcp(BOBS))).to.equal(true);
      expect(await isServed(await grpc())).to.equal(true);
      expect(await isTaken(await jsonTcp(HERE))).to.equal(false);
      expect(await isServed(await grpc(BOBS))).to.equal(false);
      first.destroy();
      await untilTaken(() => jsonTcp());
    });

    it('from an address: over both protocols, while others come and go', async () => {
      const { jsonTcp, grpc } = await serveLimited(atEnd, test.node, { maxConnectionsPerIp: 2 });
      const first = await jsonTcp();
      expect(await isTaken(first)).to.equal(true);
      expect(await isServed(await grpc())).to.equal(true);
      expect(await isTaken(await jsonTcp())).to.equal(false);
      expect(await isServed(await grpc())).to.equal(false);
      expect(await isTaken(await jsonTcp(BOBS))).to.equal(true);
      expect(await isServed(await grpc(BOBS))).to.equal(true);
      for (let i = 0; i < 5; i++) expect(await isTaken(await jsonTcp(HERE))).to.equal(true);
      first.destroy();
      await untilTaken(() => jsonTcp());
    });

    it('from this machine are as many as may be in all, unless it is asked for', async () => {
      const policy = { limitLoopback: true };
      const { jsonTcp } = await serveLimited(atEnd, test.node, { maxConnectionsPerIp: 1 }, { policy });
      expect(await isTaken(await jsonTcp(HERE))).to.equal(true);
      expect(await isTaken(await jsonTcp(HERE))).to.equal(false);
    });

    describe('are let go of when they close', () => {
      const hello = Buffer.from('16030100', 'hex');
      const ways: readonly (readonly [string, 'tcp' | 'grpc' | 'tls' | 'grpcs', Buffer])[] = [
        ['before anything is said', 'tcp', Buffer.of()],
        ['in the middle of what the balancer says', 'tcp', headerFor(FAR).subarray(0, 20)],
        ['after that', 'tcp', headerFor(FAR)],
        ['in the middle of a frame', 'tcp', Buffer.concat([headerFor(FAR), framed(LOCKOUT).subarray(0, 9)])],
        ['before a handshake', 'tls', headerFor(FAR)],
        ['in the middle of a handshake', 'tls', Buffer.concat([headerFor(FAR), hello])],
        ['with what is no handshake', 'tls', Buffer.concat([headerFor(FAR), framed(LOCKOUT)])],
        ['before a handshake of gRPC', 'grpcs', Buffer.concat([headerFor(FAR), hello])],
        ['before HTTP/2 has begun', 'grpc', headerFor(FAR)],
        ['with what is not HTTP/2', 'grpc', Buffer.concat([headerFor(FAR), framed(LOCKOUT)])],
        ['in the middle of a call', 'grpc', Buffer.concat([headerFor(FAR), PREFACE, settings()])],
      ];
      for (const [when, scheme, bytes] of ways) {
        for (const how of ['by an end', 'by a reset'] as const) {
          it(`${when}, ${how}`, async () => {
            const validator = await started({ maxConnections: 1, maxConnectionsPerIp: 1 });
            for (let times = 0; times < 10; times++) {
              const socket = await connected(validator.at(scheme));
              await new Promise((resolve) => socket.write(bytes, resolve));
              // Some are cut while they are still being looked at.
              if (times % 2 === 0) for (let turns = 0; turns < 20; turns++) await turn();
              if (how === 'by an end') socket.end();
              else socket.resetAndDestroy();
              await untilTaken(() => throughBalancer(validator));
            }
          });
        }
      }
    });

    /** A JSON/TCP client of which a balancer tells. */
    async function throughBalancer(validator: WholeValidator): Promise<RawClient> {
      const client = await RawClient.connect(validator.at('tcp'));
      atEnd(() => client.destroy());
      await client.send(headerFor(FAR));
      return client;
    }

    async function connected({ host, port }: Address): Promise<Socket> {
      const socket = connect({ host, port });
      atEnd(() => socket.destroy());
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('connect', resolve));
      return socket;
    }
  });

  /** Another is taken in once the validator has seen that there is room; then it goes again. */
  async function untilTaken(next: () => Promise<RawClient>): Promise<void> {
    for (let times = 0; times < 300; times++) {
      const client = await next();
      const taken = await isTaken(client);
      client.destroy();
      if (taken) return;
    }
    throw new Error('nobody is taken in any more');
  }

  describe('Time', () => {
    for (const scheme of ['tls', 'grpcs'] as const) {
      it(`for a handshake, on ${scheme}`, async () => {
        const validator = await started({ handshakeTimeout: 200 });
        const silent = await RawClient.connect(validator.at(scheme));
        await silent.send(headerFor(FAR));
        expect(await silent.answers()).to.deep.equal([]);
      });
    }

    it('for a request, on JSON/TCP: from its first byte to its last', async () => {
      const { jsonTcp } = await serveLimited(atEnd, test.node, { frameTimeout: 200 });
      const slow = await jsonTcp();
      await slow.send(framed(LOCKOUT).subarray(0, 10));
      expect(await slow.answers()).to.deep.equal([]);
    });

    it('for a request, on gRPC', async () => {
      const { grpcAddress } = await serveLimited(atEnd, test.node, { frameTimeout: 200 });
      const slow = new Http2Client(await grpcAddress());
      atEnd(() => slow.close());
      const call = slow.begin('ValidatorService/GetRoundInfo', Buffer.of(0, 0, 0));
      await until(() => call.status() === status.DEADLINE_EXCEEDED, 'it is ended');
    });

    it('of silence, on JSON/TCP: a client that is owed an answer is not silent', async () => {
      const held = await heldNode();
      atEnd(() => held.node.stop());
      const looks = holdTimeouts(100);
      atEnd(looks.restore);
      const { jsonTcp } = await serveLimited(atEnd, held.node, { idleTimeout: 100 });
      const client = await jsonTcp();
      const block = winning(await held.node.getRoundInfo(''), 'alice');
      held.store.hold();
      atEnd(() => held.store.release());
      await client.send(framed(requestToJson({ call: 'SubmitBlock', minerId: 'alice', block })));
      await until(() => held.store.held === 1, 'its block is being made durable');
      for (let times = 0; times < 5; times++) looks.fire();
      held.store.release();
      expect(await client.answer()).to.contain('"Accepted"');
      for (let times = 0; times < 5; times++) looks.fire();
      expect(await client.answers()).to.deep.equal([]);
    });

    it('of silence, on gRPC: calls and streams are none', async () => {
      const { grpcAddress } = await serveLimited(atEnd, test.node, { idleTimeout: 200 });
      const [silent, watching] = await Promise.all([grpcAddress(), grpcAddress(BOBS)]);
      const client = await RawClient.connect(silent);
      await client.send(Buffer.concat([PREFACE, settings()]));
      const watcher = new Http2Client(watching);
      atEnd(() => watcher.close());
      const rounds = watcher.begin('ValidatorService/WatchRounds', grpcFramed(Buffer.of()));
      rounds.end(Buffer.of());
      rounds.resume();
      await until(() => rounds.messages.length === 1, 'it watches');
      await until(() => client.ended, 'the silent one is closed');
      test.clock.advance(3_600_000);
      await test.node.getBlockchainInfo();
      await until(() => rounds.messages.length === 2, 'it still watches');
    });
  });

  describe('What a connection may have open', () => {
    it('requests in flight, on JSON/TCP: further ones are not looked at', async () => {
      const held = await heldNode();
      atEnd(() => held.node.stop());
      const { validator, count } = intercepted(held.node);
      const { jsonTcp } = await serveLimited(atEnd, validator, { maxInFlight: 3 });
      const client = await jsonTcp();
      const block = winning(await held.node.getRoundInfo(''), 'alice');
      held.store.hold();
      atEnd(() => held.store.release());
      const submission = requestToJson({ call: 'SubmitBlock', minerId: 'alice', block });
      await client.send(Buffer.concat([submission, ...Array(10).fill(INFO)].map(framed)));
      await until(() => held.store.held === 1, 'the block is being made durable');
      for (let turns = 0; turns < 100; turns++) await turn();
      expect(count('getBlockchainInfo')).to.equal(2);
      held.store.release();
      for (let i = 0; i < 11; i++) await client.answer();
    });

    it('calls, on gRPC: further ones are refused, whatever the client thinks of that', async () => {
      const { grpcAddress } = await serveLimited(atEnd, test.node, { maxStreams: 2 });
      const client = await RawClient.connect(await grpcAddress());
      atEnd(() => client.destroy());
      const watch = (stream: number): Buffer =>
        Buffer.concat([
          http2Frame(FRAME.HEADERS, END_HEADERS, stream, headerBlock(callHeaders('ValidatorService/WatchRounds'))),
          http2Frame(FRAME.DATA, END_STREAM, stream, grpcFramed(Buffer.of())),
        ]);
      await client.send(Buffer.concat([PREFACE, settings(), watch(1), watch(3), watch(5)]));
      const REFUSED_STREAM = 7;
      await until(
        () => resets(client.pieces).some(([stream, code]) => stream === 5 && code === REFUSED_STREAM),
        'it is',
      );
      expect(resets(client.pieces)).to.have.length(1);
    });

    it('streams of an address, over all of its connections: more are RESOURCE_EXHAUSTED, and others may watch', async () => {
      const { grpc } = await serveLimited(atEnd, test.node, { maxStreams: 1_000, maxRequestsPerIp: 10_000 });
      const [one, other] = [await grpc(), await grpc()];
      const first = await watching(one);
      for (let open = 1; open < LIMITS.streamsPerIp; open += 27) {
        // A few at a time: those that do not arrive whole in time are ended.
        await Promise.all(Array.from({ length: 27 }, () => watching(open % 2 === 0 ? one : other)));
      }
      const refused = (await watching(other).catch((error: unknown) => error)) as ServiceError;
      expect(refused.code).to.equal(status.RESOURCE_EXHAUSTED);
      expect(refused.details).to.equal(`too many streams from ${ALICES} are open`);
      expect(detailsOf(refused)).to.include.keys('google.rpc.RetryInfo');
      await watching(await grpc(BOBS));
      await watching(await grpc(HERE));
      first.cancel();
      for (let times = 0; times < 1_000; times++)
        if (
          await watching(one).then(
            () => true,
            () => false,
          )
        )
          return;
      throw new Error('nobody there may watch any more');
    });

    /** A stream that has begun. */
    function watching(client: RawGrpc) {
      const stream = client.stream('ValidatorService/WatchRounds', Buffer.of());
      atEnd(() => stream.cancel());
      return new Promise<typeof stream>((resolve, reject) => {
        stream.once('data', () => resolve(stream));
        stream.on('error', reject);
      });
    }
  });

  describe('What a client may leave unread', () => {
    it('on JSON/TCP as much as it is told: with more, all its requests are taken', async () => {
      const REQUESTS = 60_000;
      const { jsonTcp } = await serveLimited(atEnd, calls.validator, { maxUnread: 1_073_741_824 });
      const client = await jsonTcp(HERE);
      client.socket.pause();
      client.socket.write(Buffer.concat(Array(REQUESTS).fill(framed('{"GetRoundInfo":{"miner_id":"alice"}}'))));
      await until(() => calls.count('getRoundInfo') === REQUESTS, 'all are taken');
    });

    describe('on gRPC', () => {
      /** A page of three mebibytes. */
      const page = largePage();
      const length = chain.ListBlocksResponse.encode(page).finish().length;
      const listBlocks = async (): Promise<typeof page> => page;

      it('answers of all connections together: whoever has read least is cut off, and others are served', async () => {
        const { validator } = intercepted(test.node, { listBlocks });
        const limits = { maxUnread: OPERATOR_LIMITS.maxUnread.most };
        const { grpc, grpcAddress } = await serveLimited(atEnd, validator, limits);
        const slow = await deaf(grpcAddress(HERE), 1);
        const greedy = await deaf(grpcAddress(HERE), Math.ceil(LIMITS.unreadAnswerBytes / length) + 1);
        if (!greedy.destroyed) await once(greedy, 'close');
        expect(slow.destroyed).to.equal(false);
        const honest = await grpc(HERE);
        for (let i = 0; i < 3; i++) await honest.unary('ChainService/ListBlocks', Buffer.of());
        expect(slow.destroyed).to.equal(false);
      });

      it('calls that were given up before they were answered leave none', async () => {
        let release = (): void => {};
        const released = new Promise<void>((resolve) => {
          release = resolve;
        });
        const slowly = async (): Promise<typeof page> => released.then(() => page);
        const { validator, count } = intercepted(test.node, { listBlocks: slowly });
        const { grpc } = await serveLimited(atEnd, validator);
        const client = await grpc(HERE);
        const calls = Array.from({ length: 90 }, () => {
          const giveUp = new AbortController();
          const call = client.unary('ChainService/ListBlocks', Buffer.of(), {}, giveUp.signal);
          return { giveUp, code: call.catch(({ code }) => code) };
        });
        await until(() => count('listBlocks') === calls.length, 'all are asked');
        for (const { giveUp } of calls) giveUp.abort();
        for (const { code } of calls) expect(await code).to.equal(status.CANCELLED);
        for (let turns = 0; turns < 100; turns++) await turn();
        release();
        for (let turns = 0; turns < 100; turns++) await turn();
        // A client that has not read what it was told gets no further page.
        expect((await client.unary('ChainService/ListBlocks', Buffer.of())).length).to.equal(length);
      });

      /** A connection that asks for pages and lets nothing of them through. */
      async function deaf(address: Promise<Address>, count: number): Promise<Socket> {
        const { host, port } = await address;
        const socket = connect({ host, port });
        atEnd(() => socket.destroy());
        socket.on('error', () => {});
        socket.resume();
        const calls = Array.from({ length: count }, (_, n) => [
          http2Frame(FRAME.HEADERS, END_HEADERS, 2 * n + 1, headerBlock(callHeaders('ChainService/ListBlocks'))),
          http2Frame(FRAME.DATA, END_STREAM, 2 * n + 1, grpcFramed(Buffer.of())),
        ]);
        const noWindow = 4;
        socket.write(Buffer.concat([PREFACE, settings(noWindow, 0), ...calls.flat()]));
        return socket;
      }
    });
  });

  describe('Memory', () => {
    it('above what it may use no new connections are taken; those that are there are served, and when it is free again, others', async () => {
      const MIB = 1_048_576;
      // What others have left would be collected beside the crowd, and make room.
      collectGarbage();
      const { heapUsed, external } = process.memoryUsage();
      const maxMemory = Math.ceil((heapUsed + external) / MIB) + 128;
      const { jsonTcp, grpc, pass } = await serveLimited(atEnd, test.node, { maxMemory });
      const there = await jsonTcp();
      const thereToo = await grpc();
      expect(await isTaken(there)).to.equal(true);
      expect(await isServed(thereToo)).to.equal(true);
      let crowd: number[][] | undefined = Array.from({ length: 256 }, () => Array(MIB / 8).fill(0));
      // What has just been looked through is not looked through again for long.
      collectGarbage();
      pass(500);
      expect(await isTaken(await jsonTcp(HERE))).to.equal(false);
      expect(await isServed(await grpc(BOBS))).to.equal(false);
      expect(await there.ask(LOCKOUT)).to.equal(NOT_LOCKED);
      expect(await isServed(thereToo)).to.equal(true);
      expect(crowd.length).to.equal(256);
      crowd = undefined;
      await untilTaken(() => {
        pass(5_000);
        return jsonTcp();
      });
    });
  });

  it('One that is not what it may be: the validator does not start, and says so', async () => {
    for (const [limits, why] of [
      [{ maxConnections: 0 }, 'the limit maxConnections is a whole number from 1 to 1000000'],
      [{ maxStreams: 1.5 }, 'the limit maxStreams is a whole number from 1 to 100000'],
      [{ idleTimeout: Number.NaN }, 'the limit idleTimeout is a whole number from 100 to 86400000'],
      [{ maxUnread: 2 ** 31 }, 'the limit maxUnread is a whole number from 1024 to 1073741824'],
    ] as const) {
      const error: unknown = await new ValidatorServer({ limits }).start().catch((error) => error);
      expect(error).to.be.instanceOf(StartError);
      expect((error as Error).message).to.equal(why);
    }
  });
});

/** The RST_STREAM frames among some bytes: their streams and codes. */
function resets(pieces: readonly Buffer[]): [stream: number, code: number][] {
  const bytes = Buffer.concat(pieces);
  const found: [number, number][] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes[at + 3] === FRAME.RST_STREAM) found.push([bytes.readUInt32BE(at + 5), bytes.readUInt32BE(at + 9)]);
  }
  return found;
}

/** No block of any chain: it takes long to read, and not to write. */
function largePage(): chain.ListBlocksResponse {
  const outputs = Array.from({ length: 3 }, () => output('a'.repeat(1_048_576), 1, 1n));
  const transactions = [{ inputs: [], outputs }];
  const block = { index: 0, timestamp: 1n, hash: NO_HASH, prevBlockHash: NO_HASH, nonce: 0n, transactions };
  const accepted = { block, minerId: 'alice', acceptedAt: 1n, round: 1n, tonce: 1, difficulty: '0x1' };
  return { blocks: [{ ...accepted, contentHash: NO_HASH }], nextPageToken: '' };
}
