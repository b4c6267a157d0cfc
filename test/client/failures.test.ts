/** What the clients do when the other end fails: a ConnectionError soon, never a hang, and the next call tries again. */

import type { Socket } from 'node:net';
import { expect } from 'chai';
import { connectTo } from '../../src/client/connect.js';
import { ConnectionError, type ConnectionReason } from '../../src/client/errors.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import { Fault, type FaultReason } from '../../src/engine/fault.js';
import { type Address, formatAddress } from '../../src/wire/address.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { heldNode } from '../support/held-store.js';
import { memoryNode } from '../support/nodes.js';
import { intercepted } from '../support/servers.js';
import { header, listenRaw, proxyTo, unusedAddress } from '../support/sockets.js';
import { until } from '../support/wait.js';
import { WIRES } from '../support/wires.js';

/** What a call throws. */
function thrown(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => {
      throw new Error('the call was answered');
    },
    (error: unknown) => error,
  );
}

/** Such an error, and of this reason. */
function expectReason(error: unknown, reason: ConnectionReason): void {
  expect(error).to.be.an.instanceOf(ConnectionError);
  const { reason: given, message } = error as ConnectionError;
  expect(given, message).to.equal(reason);
}

describe('The reasons of errors', () => {
  it('are those of faults and those of connections, and no word is in both', () => {
    // The compiler sees to it that each list is whole.
    const faults: Readonly<Record<FaultReason, true>> = {
      MALFORMED: true,
      LIMIT_EXCEEDED: true,
      NOT_FOUND: true,
      OVERLOADED: true,
      UNAVAILABLE: true,
      CANCELLED: true,
      UNAUTHENTICATED: true,
    };
    const connections: Readonly<Record<ConnectionReason, true>> = {
      UNREACHABLE: true,
      TIMED_OUT: true,
      BAD_ANSWER: true,
      OTHER_CHAIN: true,
      CLOSED: true,
      UNTRUSTED: true,
    };
    expect(Object.keys(faults)).to.not.include.any.members(Object.keys(connections));
  });
});

for (const { wire, connect, serve } of WIRES) {
  describe(`A client over ${wire}`, () => {
    const atEnd = cleanup();

    function clientOf(address: Address, timeout?: number) {
      const client = connect(address, timeout);
      atEnd(() => client.close());
      return client;
    }

    async function validator() {
      const held = await heldNode();
      atEnd(() => held.node.stop());
      const calls = intercepted(held.node);
      const served = await serve(calls.validator);
      atEnd(served.close);
      return { ...held, calls, served };
    }

    describe('throws a ConnectionError that names the address', () => {
      it('where nobody listens: UNREACHABLE', async () => {
        const address = await unusedAddress();
        const error = await thrown(clientOf(address).getRoundInfo('alice'));
        expectReason(error, 'UNREACHABLE');
        expect((error as Error).message).to.contain(formatAddress(address));
      });

      // HTTP/2 finds no connection where a peer speaks something else, and JSON/TCP an answer that is none.
      const another = wire === 'gRPC' ? 'UNREACHABLE' : 'BAD_ANSWER';
      const peers: Readonly<Record<string, readonly [ConnectionReason, (socket: Socket) => void]>> = {
        'where the peer closes at once': ['UNREACHABLE', (socket) => socket.end()],
        'where the peer resets the connection': ['UNREACHABLE', (socket) => socket.resetAndDestroy()],
        'where the peer closes once it was asked': ['UNREACHABLE', (socket) => socket.once('data', () => socket.end())],
        'where the peer closes in the middle of an answer': [
          'UNREACHABLE',
          (socket) =>
            socket.once('data', () => socket.end(Buffer.concat([header(100), Buffer.from('{"RoundInfo":{')]))),
        ],
        'where the peer speaks another protocol': [
          another,
          (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
        ],
        'where the peer sends garbage': [another, (socket) => socket.write(Buffer.alloc(100, 0xee))],
      };
      for (const [what, [reason, behave]] of Object.entries(peers)) {
        it(`${what}: ${reason}`, async () => {
          const peer = await listenRaw(behave);
          atEnd(peer.close);
          const client = clientOf(peer.address);
          const error = await thrown(client.getRoundInfo('alice'));
          expectReason(error, reason);
          expect((error as Error).message).to.contain(formatAddress(peer.address));
          // And so does the next call.
          expectReason(await thrown(client.checkLockout('alice')), reason);
        });
      }

      it('where the answer is late: TIMED_OUT', async () => {
        const silent = await listenRaw(() => {});
        atEnd(silent.close);
        const error = await thrown(clientOf(silent.address, 50).getBlockchainInfo());
        expectReason(error, 'TIMED_OUT');
        expect((error as Error).message).to.equal(`${formatAddress(silent.address)} did not answer within 50 ms`);
      });

      it('where the connection breaks while a block is judged: UNREACHABLE', async () => {
        const { node, store, calls, served } = await validator();
        const proxy = await proxyTo(served.address);
        atEnd(proxy.close);
        const client = clientOf(proxy.address);
        const block = winning(await node.getRoundInfo(''), 'alice');
        store.hold();
        atEnd(() => store.release());
        const error = thrown(client.submitBlock('alice', block));
        await until(() => calls.count('submitBlock') === 1, 'the block has arrived');
        proxy.dropAll();
        expectReason(await error, 'UNREACHABLE');
      });

      it('where the validator ends before it has answered: UNREACHABLE', async () => {
        const { node, store, calls, served } = await validator();
        const client = clientOf(served.address);
        const block = winning(await node.getRoundInfo(''), 'alice');
        store.hold();
        atEnd(() => store.release());
        const error = thrown(client.submitBlock('alice', block));
        await until(() => calls.count('submitBlock') === 1, 'the block has arrived');
        await served.close();
        expectReason(await error, 'UNREACHABLE');
      });
    });

    it('connects again once a validator listens there', async () => {
      const { node } = await memoryNode();
      atEnd(() => node.stop());
      const first = await serve(node);
      const client = clientOf(first.address);
      await client.getRoundInfo('alice');
      await first.close();
      expect(await thrown(client.getRoundInfo('alice'))).to.be.an.instanceOf(ConnectionError);
      const second = await serve(node, first.address);
      atEnd(second.close);
      for (;;) {
        const answer = await client.getRoundInfo('alice').catch((error) => error);
        if (!(answer instanceof Error)) break;
        expect(answer).to.be.an.instanceOf(ConnectionError);
      }
    });

    it('makes no connection before it is asked', async () => {
      let connections = 0;
      const peer = await listenRaw(() => connections++);
      atEnd(peer.close);
      const client = clientOf(peer.address, 50);
      await thrown(client.getRoundInfo('alice', { signal: AbortSignal.abort() }));
      expect(connections).to.equal(0);
      await thrown(client.getRoundInfo('alice'));
      expect(connections).to.equal(1);
    });

    it('throws CANCELLED as soon as a call is given up, whatever the peer does', async () => {
      let asked = false;
      const silent = await listenRaw((socket) => {
        socket.on('data', () => {
          asked = true;
        });
      });
      atEnd(silent.close);
      const giveUp = new AbortController();
      const error = thrown(clientOf(silent.address).checkLockout('alice', giveUp));
      await until(() => asked, 'the peer was asked');
      giveUp.abort();
      expect(await error)
        .to.be.an.instanceOf(Fault)
        .with.property('reason', 'CANCELLED');
    });

    it('fails the calls that wait when it is closed: CLOSED', async () => {
      let asked = false;
      const silent = await listenRaw((socket) => {
        socket.on('data', () => {
          asked = true;
        });
      });
      atEnd(silent.close);
      const client = clientOf(silent.address, 2_000);
      const error = thrown(client.checkLockout('alice'));
      await until(() => asked, 'the peer was asked');
      client.close();
      expectReason(await error, 'CLOSED');
      if (wire === 'gRPC') expectReason(await thrown(client.checkLockout('alice')), 'CLOSED');
    });
  });
}

describe('An address', () => {
  it('is one for JSON/TCP, or with grpc:// before it for gRPC; with tls:// or grpcs:// the same over TLS', () => {
    for (const text of ['127.0.0.1:8080', 'validator.example:1', '[::1]:8080']) {
      for (const [scheme, type] of [
        ['', JsonTcpClient],
        ['tls://', JsonTcpClient],
        ['grpc://', GrpcClient],
        ['grpcs://', GrpcClient],
      ] as const) {
        const client = connectTo(scheme + text);
        expect(client).to.be.an.instanceOf(type);
        client.close();
      }
    }
  });

  for (const text of [
    '',
    'localhost',
    '127.0.0.1:0',
    'tls://127.0.0.1:0',
    '127.0.0.1:65536',
    'http://localhost:1',
    'https://localhost:1',
    'ssl://localhost:1',
    'TLS://localhost:1',
    'tls://grpc://localhost:1',
    'tcp://localhost:1',
    'grpc://',
    'grpcs://',
    'grpc://:1',
    '::1:80',
  ]) {
    it(`is not "${text}": the error names the four forms`, () => {
      const forms =
        /is not an address: write host:port or tls:\/\/host:port .* grpc:\/\/host:port or grpcs:\/\/host:port/;
      expect(() => connectTo(text)).to.throw(TypeError, forms);
    });
  }
});
