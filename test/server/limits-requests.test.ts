/** How fast clients may ask (docs/operations.md, "Limits"): on JSON/TCP who asks faster waits, on gRPC it is told when to come again. */

import { type ServiceError, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import type { OperatorLimits } from '../../src/engine/limits.js';
import type { KnownKeys } from '../../src/server/admission.js';
import { requestToJson } from '../../src/wire/requests.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { detailsOf, type RawGrpc } from '../support/grpc.js';
import { BOBS, HERE, type Limited, serveLimited } from '../support/limited.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { intercepted } from '../support/servers.js';
import { framed } from '../support/sockets.js';
import { holdTimeouts } from '../support/timeouts.js';
import { turn, until } from '../support/wait.js';

const INFO = '"GetBlockchainInfo"';
const KNOWN = '{"BlockchainInfo":{"block_count":0,"difficulty":"0x10000000000000000000000000000000","tip_hash":null}}';
const NOT_LOCKED = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}';

/** A key of alice's, and of nobody else's. */
const TOKEN = `hck_${'a'.repeat(43)}`;
const ALICES_KEY: KnownKeys = {
  nameOf: (token) => (token === TOKEN ? 'a key' : undefined),
  minerOf: (name) => (name === 'a key' ? 'alice' : undefined),
  isOwned: (minerId) => minerId === 'alice',
};

function lockoutOf(minerId: string, apiKey?: string): string {
  return requestToJson({ call: 'CheckLockout', minerId, apiKey });
}

describe('Requests a second', () => {
  const atEnd = cleanup();
  let test: TestNode;
  let calls: ReturnType<typeof intercepted<TestNode['node']>>;

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    calls = intercepted(test.node);
  });

  function limited(limits: Partial<OperatorLimits>, options?: Parameters<typeof serveLimited>[3]): Promise<Limited> {
    return serveLimited(atEnd, calls.validator, limits, options);
  }

  describe('on JSON/TCP', () => {
    /** A door that takes one a second, and a hand on the clocks of those who wait. */
    async function oneASecond(limits: Partial<OperatorLimits> = { maxRequestsPerIp: 1 }, options = {}) {
      const door = await limited(limits, options);
      const slow = holdTimeouts(1_000);
      atEnd(slow.restore);
      return {
        ...door,
        waiting: () => slow.pending().length,
        /** A second passes. */
        pass(): void {
          door.pass(1_000);
          slow.fire();
        },
      };
    }

    it('above those of an address, the next is taken when its time has come, and all are answered in their order', async () => {
      const { jsonTcp, waiting, pass } = await oneASecond();
      const client = await jsonTcp();
      const requests = [INFO, lockoutOf('alice'), '{"No":1}', lockoutOf('bob'), INFO];
      await client.send(Buffer.concat(requests.map(framed)));
      expect(await client.answer()).to.equal(KNOWN);
      client.pieces.length = 0;
      for (const expected of [NOT_LOCKED, '{"Error":', NOT_LOCKED, KNOWN]) {
        await until(() => waiting() === 1, 'the next one waits');
        expect(client.pieces).to.have.length(0);
        pass();
        expect(await client.answer()).to.satisfy((text: string) => text.startsWith(expected));
        client.pieces.length = 0;
      }
      expect(calls.count('checkLockout')).to.equal(2);
    });

    it("a second's worth may come at once, and does again after a second of quiet", async () => {
      const { jsonTcp, waiting, pass } = await oneASecond({ maxRequestsPerIp: 50 });
      const client = await jsonTcp();
      for (let seconds = 0; seconds < 3; seconds++) {
        await client.send(Buffer.concat(Array(50).fill(framed(INFO))));
        for (let i = 0; i < 50; i++) expect(await client.answer()).to.equal(KNOWN);
        expect(waiting()).to.equal(0);
        pass();
      }
    });

    it('what follows waits with its sender, however much that is: it is not read', async () => {
      const { jsonTcp, waiting, pass } = await oneASecond();
      const client = await jsonTcp();
      await client.ask(INFO);
      for (let i = 0; i < 32; i++) client.socket.write(framed(INFO.padEnd(1_048_576)));
      await until(() => waiting() === 1, 'the next one waits');
      for (let turns = 0; turns < 1_000; turns++) await turn();
      expect(client.socket.writableLength).to.be.above(8 * 1_048_576);
      for (let i = 0; i < 5; i++) {
        await until(() => waiting() === 1, 'the next one waits');
        pass();
        expect(await client.answer()).to.equal(KNOWN);
      }
    });

    it('one that waits is looked at again when its time has come: nothing of it is kept but its bytes', async () => {
      const { jsonTcp, waiting, pass } = await oneASecond();
      const client = await jsonTcp();
      await client.ask(INFO);
      const block = winning(await test.node.getRoundInfo(''), 'alice');
      await client.send(framed(requestToJson({ call: 'SubmitBlock', minerId: 'alice', block })));
      await until(() => waiting() === 1, 'it waits');
      expect(calls.count('submitBlock')).to.equal(0);
      pass();
      expect(await client.answer()).to.contain('"Accepted"');
    });

    it('one that has waited is not counted again, be it in a name or not', async () => {
      const { jsonTcp, waiting, pass } = await oneASecond({ maxRequestsPerIp: 1, maxRequestsPerMiner: 1 });
      const client = await jsonTcp();
      await client.send(Buffer.concat(Array(4).fill(framed(lockoutOf('alice')))));
      expect(await client.answer()).to.equal(NOT_LOCKED);
      for (let i = 0; i < 3; i++) {
        await until(() => waiting() === 1, 'the next one waits');
        pass();
        expect(await client.answer()).to.equal(NOT_LOCKED);
      }
    });

    it('nobody at another address waits, nor on this machine', async () => {
      const { jsonTcp, waiting } = await oneASecond();
      const flood = await jsonTcp();
      await flood.send(Buffer.concat(Array(10).fill(framed(INFO))));
      await until(() => waiting() === 1, 'one waits');
      expect(await (await jsonTcp(BOBS)).ask(INFO)).to.equal(KNOWN);
      const here = await jsonTcp(HERE);
      for (let i = 0; i < 10; i++) expect(await here.ask(INFO)).to.equal(KNOWN);
    });

    it('with limitLoopback this machine waits, too', async () => {
      const { jsonTcp, waiting } = await oneASecond(undefined, { policy: { limitLoopback: true } });
      const here = await jsonTcp(HERE);
      await here.ask(INFO);
      here.socket.write(framed(INFO));
      await until(() => waiting() === 1, 'the second one waits');
    });

    it('all connections from an address are counted together, those on gRPC, too', async () => {
      const { jsonTcp, grpc, waiting } = await oneASecond();
      await (await grpc()).unary('ValidatorService/GetBlockchainInfo', Buffer.of());
      await (await jsonTcp()).send(framed(INFO));
      await until(() => waiting() === 1, 'the second one waits');
    });

    it('a miner id in a hot loop keeps none of the others at its address waiting, nor the same id at another', async () => {
      const { jsonTcp, waiting } = await oneASecond({ maxRequestsPerMiner: 1 });
      const hot = await jsonTcp();
      await hot.send(Buffer.concat(Array(10).fill(framed(lockoutOf('alice')))));
      await until(() => waiting() === 1, 'one waits');
      const beside = await jsonTcp();
      expect(await beside.ask(lockoutOf('bob'))).to.equal(NOT_LOCKED);
      expect(await beside.ask(INFO)).to.equal(KNOWN);
      expect(await (await jsonTcp(BOBS)).ask(lockoutOf('alice'))).to.equal(NOT_LOCKED);
    });

    it('who shows the key of a miner id does not wait for those who only say it, and is counted wherever it is', async () => {
      const { jsonTcp, waiting } = await oneASecond(
        { maxRequestsPerMiner: 1 },
        { policy: { insecure: true }, keys: ALICES_KEY },
      );
      const stranger = await jsonTcp();
      await stranger.send(Buffer.concat(Array(10).fill(framed(lockoutOf('alice')))));
      await until(() => waiting() === 1, 'the stranger waits');
      const owner = await jsonTcp();
      expect(await owner.ask(lockoutOf('alice', TOKEN))).to.equal(NOT_LOCKED);
      (await jsonTcp(BOBS)).socket.write(framed(lockoutOf('alice', TOKEN)));
      await until(() => waiting() === 2, 'the owner waits elsewhere');
    });

    it('what no miner id can be is not counted as one', async () => {
      const { jsonTcp, waiting } = await oneASecond({ maxRequestsPerMiner: 1 });
      const client = await jsonTcp();
      for (const minerId of ['', 'm'.repeat(257)]) {
        for (let i = 0; i < 5; i++) expect(await client.ask(lockoutOf(minerId))).to.equal(NOT_LOCKED);
      }
      expect(waiting()).to.equal(0);
    });

    it('whoever waits is not silent: it is not closed for that', async () => {
      const idle = holdTimeouts(100);
      atEnd(idle.restore);
      const { jsonTcp, waiting, pass } = await oneASecond({ maxRequestsPerIp: 1, idleTimeout: 100 });
      const client = await jsonTcp();
      await client.ask(INFO);
      client.socket.write(framed(INFO));
      await until(() => waiting() === 1, 'it waits');
      for (let looks = 0; looks < 10; looks++) idle.fire();
      pass();
      expect(await client.answer()).to.equal(KNOWN);
      for (let looks = 0; looks < 10; looks++) idle.fire();
      expect(await client.answers()).to.deep.equal([]);
    });

    it('one that shuts its side down while it waits still gets its answers', async () => {
      const { jsonTcp, waiting, pass } = await oneASecond();
      const client = await jsonTcp();
      client.socket.write(Buffer.concat([INFO, lockoutOf('alice'), INFO].map(framed)));
      client.shutDown();
      for (let i = 0; i < 2; i++) {
        await until(() => waiting() === 1, 'the next one waits');
        pass();
      }
      expect(await client.answers()).to.deep.equal([KNOWN, NOT_LOCKED, KNOWN]);
    });

    it('one that goes while it waits leaves nothing behind, and keeps no server that closes', async () => {
      const { jsonTcp, waiting, close } = await oneASecond();
      const [gone, there] = [await jsonTcp(), await jsonTcp(BOBS)];
      for (const client of [gone, there]) {
        await client.ask(INFO);
        client.socket.write(framed(INFO));
      }
      await until(() => waiting() === 2, 'both wait');
      gone.socket.resetAndDestroy();
      await until(() => waiting() === 1, 'one is gone');
      const closed = close(60_000);
      expect(await there.answers()).to.deep.equal([]);
      there.shutDown();
      await closed;
    });
  });

  describe('on gRPC', () => {
    const info = (client: RawGrpc): Promise<Buffer> => client.unary('ValidatorService/GetBlockchainInfo', Buffer.of());
    const lockout = (client: RawGrpc, minerId: string): Promise<Buffer> =>
      client.unary('ValidatorService/CheckLockout', service.CheckLockoutRequest.encode({ minerId }).finish());

    /** After how many milliseconds a call that is refused may come again. */
    async function refused(call: Promise<unknown>): Promise<number> {
      const error = (await call.then(
        () => undefined,
        (error: unknown) => error,
      )) as ServiceError | undefined;
      expect(error?.code).to.equal(status.RESOURCE_EXHAUSTED);
      expect(error?.details).to.equal('too many requests: slow down');
      const details = detailsOf(error as ServiceError);
      expect(details['google.rpc.ErrorInfo']).to.deep.equal({ reason: 'OVERLOADED', domain: 'hourcoin' });
      const { seconds = 0, nanos = 0 } = (details['google.rpc.RetryInfo'] as RetryInfo).retryDelay;
      return seconds * 1_000 + nanos / 1_000_000;
    }

    it('above those of an address, RESOURCE_EXHAUSTED: after the time that it tells a call is taken, and not before', async () => {
      const door = await limited({ maxRequestsPerIp: 3 });
      const client = await door.grpc();
      for (let i = 0; i < 3; i++) await info(client);
      expect(await refused(info(client))).to.equal(334);
      door.pass(333);
      expect(await refused(info(client))).to.equal(1);
      door.pass(1);
      await info(client);
      expect(await refused(info(client))).to.be.within(1, 334);
    });

    it('one that is refused is not counted', async () => {
      const door = await limited({ maxRequestsPerIp: 1 });
      const client = await door.grpc();
      await info(client);
      for (let i = 0; i < 20; i++) expect(await refused(info(client))).to.equal(1_000);
      door.pass(1_000);
      await info(client);
    });

    it('above those of a miner id, others at its address are taken: what is refused counts for nobody', async () => {
      const door = await limited({ maxRequestsPerIp: 3, maxRequestsPerMiner: 1 });
      const client = await door.grpc();
      await lockout(client, 'alice');
      for (let i = 0; i < 20; i++) expect(await refused(lockout(client, 'alice'))).to.equal(1_000);
      await lockout(client, 'bob');
      await info(client);
      expect(await refused(info(client))).to.equal(334);
      await lockout(await door.grpc(BOBS), 'alice');
    });

    it('every call counts, whatever it asks for, and so does one that cannot be read', async () => {
      const door = await limited({ maxRequestsPerIp: 1 });
      const client = await door.grpc();
      for (const method of [
        'ValidatorService/GetBlockchainInfo',
        'ValidatorService/GetRoundInfo',
        'ChainService/ListBlocks',
        'grpc.health.v1.Health/Check',
      ]) {
        await client.unary(method, Buffer.of());
        await refused(info(client));
        door.pass(1_000);
      }
      const malformed = await client.unary('ChainService/GetBlock', Buffer.of(0xff)).catch(({ code }) => code);
      expect(malformed).to.equal(status.INVALID_ARGUMENT);
      await refused(client.unary('grpc.health.v1.Health/Check', Buffer.of()));
    });

    it('a stream counts, and every message of one that clients send', async () => {
      const door = await limited({ maxRequestsPerIp: 3 });
      const client = await door.grpc();
      const watch = client.stream('ValidatorService/WatchRounds', Buffer.of());
      watch.on('error', () => {});
      await new Promise((resolve) => watch.once('data', resolve));
      const listServices = Buffer.from([0x3a, 0x01, 0x2a]);
      await client.exchange('grpc.reflection.v1.ServerReflection/ServerReflectionInfo', listServices);
      await refused(info(client));
      watch.cancel();
    });

    it('this machine is not counted, unless it is asked for', async () => {
      const open = await (await limited({ maxRequestsPerIp: 1, maxRequestsPerMiner: 1 })).grpc(HERE);
      for (let i = 0; i < 10; i++) await lockout(open, 'alice');
      const door = await limited({ maxRequestsPerIp: 1 }, { policy: { limitLoopback: true } });
      const counted = await door.grpc(HERE);
      await info(counted);
      await refused(info(counted));
    });
  });
});

interface RetryInfo {
  readonly retryDelay: { readonly seconds?: number; readonly nanos?: number };
}
