/** The gRPC API's streams, its health and its end (the comments of proto/hourcoin/v1; design, "Messages"). */

import { type ClientReadableStream, type StatusObject, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { createChannel, createClient } from 'nice-grpc';
import { HealthDefinition } from 'nice-grpc-server-health';
import * as chain from '../../gen/hourcoin/v1/chain_service.js';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import { LIMITS } from '../../src/engine/limits.js';
import { formatAddress } from '../../src/wire/address.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { grow } from '../support/growth.js';
import { grpcFramed, Http2Client, RawGrpc } from '../support/grpc.js';
import { heldNode } from '../support/held-store.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { intercepted, type Served, serveGrpc } from '../support/servers.js';
import { turn, until } from '../support/wait.js';

const HOUR = 3_600_000n;

describe('gRPC streams', () => {
  const atEnd = cleanup();
  let test: TestNode;
  let calls: ReturnType<typeof intercepted<TestNode['node']>>;
  let served: Served;
  let grpc: RawGrpc;

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    calls = intercepted(test.node);
    served = await serveGrpc(calls.validator);
    atEnd(served.close);
    grpc = new RawGrpc(served.address);
    atEnd(() => grpc.close());
  });

  /** A stream's messages as they come, and how it ends. */
  function read<T>(stream: ClientReadableStream<Buffer>, decode: (bytes: Buffer) => T) {
    const messages: T[] = [];
    let ended: StatusObject | undefined;
    stream.on('data', (bytes: Buffer) => messages.push(decode(bytes)));
    stream.on('status', (status) => {
      ended = status;
    });
    stream.on('error', () => {});
    atEnd(() => stream.cancel());
    return {
      messages,
      count: (count: number) => until(() => messages.length >= count, `${count} messages come`),
      end: async (): Promise<status | undefined> => {
        await until(() => ended !== undefined, 'the stream ends');
        return ended?.code;
      },
    };
  }

  const round = (bytes: Buffer) => service.WatchRoundsResponse.decode(bytes).roundInfo;
  const index = (bytes: Buffer) => chain.WatchBlocksResponse.decode(bytes).block?.block?.index;

  const watchRounds = () => grpc.stream('ValidatorService/WatchRounds', Buffer.of());
  const watchBlocks = (fromIndex: number) =>
    grpc.stream('ChainService/WatchBlocks', chain.WatchBlocksRequest.encode({ fromIndex }).finish());

  /** A hundred streams over a few connections that have begun, beside one of a client that lets no answer through. */
  async function watching(method: string, request: Buffer) {
    const connections = [...Array(5)].map(() => new Http2Client(served.address));
    const stuck = new Http2Client(served.address, 0);
    atEnd(() => [...connections, stuck].map((client) => client.close()));
    const begin = (client: Http2Client) => {
      const stream = client.begin(method, grpcFramed(request));
      stream.end(Buffer.of());
      stream.resume();
      return stream;
    };
    const never = begin(stuck);
    const watchers = connections.flatMap((client) => [...Array(20)].map(() => begin(client)));
    for (const { messages } of watchers) await until(() => messages.length === 1, 'all have begun');
    atEnd(() => expect(never.messages).to.deep.equal([]));
    return watchers;
  }

  /** Lets an hour pass, and with it a round. */
  async function passRound(): Promise<void> {
    test.clock.advance(HOUR);
    await test.node.getBlockchainInfo();
  }

  describe('WatchRounds', () => {
    it('gives the round in force at once, then every new one: after an accepted block, and when an hour is over', async () => {
      const rounds = read(watchRounds(), round);
      await rounds.count(1);
      expect(rounds.messages[0]).to.deep.equal(await test.node.getRoundInfo(''));
      const [block] = await grow(test, 1);
      await rounds.count(2);
      expect(rounds.messages[1]).to.deep.include({ round: 2n, nextIndex: 1, prevBlockHash: block?.hash });
      await passRound();
      await rounds.count(3);
      expect(rounds.messages[2]).to.deep.include({ round: 3n, nextIndex: 1 });
      expect(rounds.messages).to.have.length(3);
    });

    it('a slow reader gets the newest, never a growing queue', async () => {
      const ROUNDS = 3_000;
      const http2 = new Http2Client(served.address);
      atEnd(() => http2.close());
      // The library would read ahead without end.
      const slow = http2.begin('ValidatorService/WatchRounds', Buffer.of());
      slow.end(grpcFramed(Buffer.of()));
      await until(() => calls.count('watchRounds') === 1, 'the stream has begun');
      for (let i = 0; i < ROUNDS; i++) {
        await passRound();
        await turn();
      }
      slow.resume();
      await until(() => round(slow.messages.at(-1) ?? Buffer.of())?.round === BigInt(ROUNDS + 1), 'the newest comes');
      const numbers = slow.messages.map((bytes) => Number(round(bytes)?.round));
      expect(numbers.length).to.be.below(ROUNDS / 2);
      expect(numbers).to.deep.equal([...new Set(numbers)].sort((a, b) => a - b));
    });

    it('tells all of a new round, while one of them does not read', async () => {
      const watchers = await watching('ValidatorService/WatchRounds', Buffer.of());
      await grow(test, 1);
      for (const watcher of watchers) await until(() => watcher.messages.length === 2, 'all hear of it');
      const [first] = watchers;
      expect(round(first?.messages[1] ?? Buffer.of())).to.deep.include({ round: 2n, serverTime: test.clock.time });
      for (const { messages } of watchers) expect(messages[1]).to.deep.equal(first?.messages[1]);
    });

    it('is refused to an id that is too long', async () => {
      const minerId = 'a'.repeat(257);
      const request = service.WatchRoundsRequest.encode({ minerId }).finish();
      expect(await read(grpc.stream('ValidatorService/WatchRounds', request), round).end()).to.equal(
        status.INVALID_ARGUMENT,
      );
    });
  });

  describe('WatchBlocks', () => {
    it('gives history and then what is new, with no gap and no repeat, while the chain grows', async () => {
      await grow(test, 50);
      const blocks = read(watchBlocks(0), index);
      await blocks.count(1);
      await grow(test, 25);
      await blocks.count(75);
      await grow(test, 25);
      await blocks.count(100);
      expect(blocks.messages).to.deep.equal([...Array(100).keys()]);
    });

    it('tells all of each new block, while one of them does not read', async () => {
      await grow(test, 1);
      const watchers = await watching('ChainService/WatchBlocks', Buffer.of());
      await grow(test, 5);
      for (const { messages } of watchers) {
        await until(() => messages.length === 6, 'all hear of them');
        expect(messages.map(index)).to.deep.equal([0, 1, 2, 3, 4, 5]);
      }
    });

    it('is resumed from the index after the last block received', async () => {
      await grow(test, 3);
      const first = watchBlocks(1);
      const before = read(first, index);
      await before.count(2);
      first.cancel();
      expect(await before.end()).to.equal(status.CANCELLED);
      await grow(test, 2);
      const after = read(watchBlocks(3), index);
      await after.count(2);
      await grow(test, 1);
      await after.count(3);
      expect([...before.messages, ...after.messages]).to.deep.equal([1, 2, 3, 4, 5]);
    });

    it('from above the height waits for that block', async () => {
      await grow(test, 1);
      const ahead = read(watchBlocks(3), index);
      const next = read(watchBlocks(1), index);
      await grow(test, 2);
      await next.count(2);
      expect(ahead.messages).to.deep.equal([]);
      await grow(test, 2);
      await ahead.count(2);
      expect(ahead.messages).to.deep.equal([3, 4]);
    });
  });

  describe('When the validator stops', () => {
    it('streams end with OK', async () => {
      await grow(test, 3);
      const rounds = read(watchRounds(), round);
      const blocks = read(watchBlocks(0), index);
      const waiting = read(watchBlocks(100), index);
      await Promise.all([rounds.count(1), blocks.count(3)]);
      await until(() => calls.count('watchBlocks') === 2, 'both have begun');
      await test.node.stop();
      for (const stream of [rounds, blocks, waiting]) expect(await stream.end()).to.equal(status.OK);
    });

    it('a new stream is refused: UNAVAILABLE', async () => {
      await test.node.stop();
      expect(await read(watchRounds(), round).end()).to.equal(status.UNAVAILABLE);
      expect(await read(watchBlocks(0), index).end()).to.equal(status.UNAVAILABLE);
    });
  });
});

describe('A gRPC server', () => {
  const atEnd = cleanup();

  async function serving() {
    const held = await heldNode();
    atEnd(() => held.node.stop());
    const calls = intercepted(held.node);
    const { server, address, close } = await serveGrpc(calls.validator);
    atEnd(close);
    const channel = createChannel(formatAddress(address), undefined, { 'grpc.use_local_subchannel_pool': 1 });
    atEnd(() => channel.close());
    const grpc = new RawGrpc(address);
    atEnd(() => grpc.close());
    return { ...held, calls, server, grpc, address, health: createClient(HealthDefinition, channel) };
  }

  const SERVING = 1;
  const NOT_SERVING = 2;
  const SERVICES = ['', 'hourcoin.v1.ValidatorService', 'hourcoin.v1.ChainService'];

  it('tells its health and that of each service, and that it takes no more', async () => {
    const { server, health } = await serving();
    for (const service of SERVICES) expect((await health.check({ service })).status).to.equal(SERVING);
    expect(
      (await health.check({ service: 'hourcoin.v1.Nothing' }).catch(({ code }) => ({ status: code }))).status,
    ).to.equal(status.NOT_FOUND);
    server.stopTaking();
    for (const service of SERVICES) expect((await health.check({ service })).status).to.equal(NOT_SERVING);
  });

  it('tells those who watch its health', async () => {
    const { server, health } = await serving();
    const watch = health.watch({ service: SERVICES[1] ?? '' })[Symbol.asyncIterator]();
    expect((await watch.next()).value?.status).to.equal(SERVING);
    server.stopTaking();
    expect((await watch.next()).value?.status).to.equal(NOT_SERVING);
  });

  it('answers what it has taken before it closes', async () => {
    const { node, store, server, grpc, calls } = await serving();
    const block = winning(await node.getRoundInfo(''), 'alice');
    store.hold();
    atEnd(() => store.release());
    const request = service.SubmitBlockRequest.encode({ minerId: 'alice', block }).finish();
    const answer = grpc.unary('ValidatorService/SubmitBlock', request);
    await until(() => calls.count('submitBlock') === 1, 'the block has arrived');
    const closed = server.close(60_000);
    store.release();
    expect(service.SubmitBlockResponse.decode(await answer).result).to.equal(service.SubmitResult.ACCEPTED);
    await closed;
    const refused = await grpc.unary('ValidatorService/GetRoundInfo', Buffer.of()).catch(({ code }) => code);
    expect(refused).to.equal(status.UNAVAILABLE);
  });

  it('closes within its grace, whoever watches', async () => {
    const { server, grpc, health, calls } = await serving();
    const watch = health.watch({ service: '' })[Symbol.asyncIterator]();
    await watch.next();
    const rounds = grpc.stream('ValidatorService/WatchRounds', Buffer.of());
    const ended = new Promise<Error>((resolve) => rounds.once('error', resolve));
    rounds.resume();
    await until(() => calls.count('watchRounds') === 1, 'the stream has begun');
    await server.close(50);
    await ended;
    expect((await watch.next()).value?.status).to.equal(NOT_SERVING);
    expect((await watch.next()).done, 'a stream of health ends without an error').to.equal(true);
  });

  describe('bounds requests that do not arrive whole', () => {
    const WHOLE = grpcFramed(Buffer.of());

    for (const [what, part] of [
      ['that are cut off in the middle', WHOLE.subarray(0, 3)],
      ['whose clients never say that there is no more', WHOLE],
    ] as const) {
      it(`${what}: where there are too many the oldest are ended, and others are served meanwhile`, async () => {
        const { address, grpc } = await serving();
        const http2 = new Http2Client(address);
        atEnd(() => http2.close());
        const begin = (bytes: Buffer) => {
          const call = http2.begin('ValidatorService/GetRoundInfo', bytes);
          call.resume();
          return call;
        };
        const calls = Array.from({ length: LIMITS.unfinishedRequests + 1 }, () => begin(part));
        const last = calls.at(-1);
        // Each has a while before it has to make room.
        while (calls[0]?.status() === undefined) {
          begin(WHOLE).end(Buffer.of());
          await grpc.unary('ValidatorService/GetRoundInfo', Buffer.of());
        }
        expect(calls[0].status()).to.equal(status.DEADLINE_EXCEEDED);
        expect(last?.status()).to.equal(undefined);
        last?.end(WHOLE.subarray(part.length));
        await until(() => last?.status() === status.OK, 'one that is finished then is answered');
      });
    }

    it('streams that wait for what is new are none of them', async () => {
      const { address, node, clock } = await serving();
      const http2 = new Http2Client(address);
      atEnd(() => http2.close());
      const watch = http2.begin('ValidatorService/WatchRounds', Buffer.of());
      watch.end(WHOLE);
      watch.resume();
      await until(() => watch.messages.length === 1, 'it has begun');
      const others = Array.from({ length: LIMITS.unfinishedRequests + 1 }, () =>
        http2.begin('ValidatorService/GetRoundInfo', WHOLE.subarray(0, 3)),
      );
      for (const { resume } of others) resume();
      while (others[0]?.status() === undefined) {
        const call = http2.begin('ValidatorService/GetRoundInfo', WHOLE);
        call.resume();
        call.end(Buffer.of());
        await until(() => call.status() !== undefined, 'it is answered');
      }
      clock.advance(HOUR);
      await node.getBlockchainInfo();
      await until(() => watch.messages.length === 2, 'it goes on');
    });
  });

  it('says where it cannot listen', async () => {
    const { node, address } = await serving();
    const error = await serveGrpc(node, address).catch((error) => error);
    expect(error.message).to.contain('EADDRINUSE');
  });
});
