/** The gRPC client's streams go on by themselves, with no gap and no repeat, until their reader or the validator has ended them. */

import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import { type ClientError, ConnectionError } from '../../src/client/errors.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { Fault, type FaultReason } from '../../src/engine/fault.js';
import { ValidatorNode } from '../../src/validator/node.js';
import type { ChainValidator } from '../../src/validator/validator.js';
import { type Address, formatAddress } from '../../src/wire/address.js';
import { cleanup } from '../support/cleanup.js';
import { type Cut, cuttingProxy } from '../support/cutting-proxy.js';
import { ended } from '../support/ended.js';
import { grow } from '../support/growth.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { start } from '../support/programs.js';
import { seeded } from '../support/seeded.js';
import { intercepted, type Served, serveGrpc } from '../support/servers.js';
import { proxyTo, unusedAddress } from '../support/sockets.js';
import { present } from '../support/stores.js';
import { until } from '../support/wait.js';
import { fixedChance, watching } from '../support/watching.js';

const HOUR = 3_600_000;

/** The module that a program of a test's own imports: this file runs as dist/test/client/streams.test.js. */
const CLIENT = new URL('../../src/client/connect.js', import.meta.url).href;

const indices = (blocks: readonly AcceptedBlock[]): (number | undefined)[] => blocks.map(({ block }) => block?.index);
const upTo = (height: number): number[] => [...Array(height).keys()];

describe('A stream of the gRPC client', () => {
  const atEnd = cleanup();
  let test: TestNode;
  let interruptions: { error: ClientError; retryMs: number }[];

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    interruptions = [];
    atEnd(fixedChance(0));
  });

  const onInterrupted = (error: ClientError, retryMs: number): void => void interruptions.push({ error, retryMs });
  const interrupted = (count = 1): Promise<void> =>
    until(() => interruptions.length >= count, `the stream is interrupted ${count} times`);

  function clientOf(address: Address): GrpcClient {
    const client = new GrpcClient(address);
    atEnd(() => client.close());
    return client;
  }

  async function served(validator: ChainValidator = test.node, at?: Address): Promise<Served> {
    const server = await serveGrpc(validator, at);
    atEnd(server.close);
    return server;
  }

  /** A validator whose calls are counted and replaced, and a client of it. */
  async function watched(instead: Partial<ChainValidator> = {}) {
    const calls = intercepted(test.node, instead);
    const server = await served(calls.validator);
    return { calls, server, client: clientOf(server.address) };
  }

  describe('goes on', () => {
    it('over a validator that stops or breaks off while blocks are mined: every block once, in order', async () => {
      let { address, close } = await served();
      const blocks = watching(clientOf(address).watchBlocks(0, { onInterrupted }));
      let height = 0;
      const more = async (count: number): Promise<void> => {
        await grow(test, count);
        height += count;
      };
      await more(1);
      await blocks.count(height);
      for (let times = 1; times <= 6; times++) {
        await more(5);
        // Now and then some of them are on their way.
        if (times % 2 === 0) await blocks.count(height);
        if (times % 3 === 0) {
          await test.node.stop();
          test = { ...test, node: new ValidatorNode(test.store, test.clock) };
          const { node } = test;
          atEnd(() => node.stop());
        } else await more(2);
        await close();
        await more(3);
        ({ close } = await served(test.node, address));
        await blocks.count(height);
      }
      expect(interruptions.length).to.be.at.least(6);
      await more(1);
      await blocks.count(height);
      expect(indices(blocks.messages)).to.deep.equal(upTo(height));
      expect(blocks.messages).to.deep.equal((await test.node.listBlocks(0)).blocks);
    });

    it('over connections that are cut at any byte, in both directions: every block once, in order', () =>
      seeded(async (choose) => {
        const HEIGHT = 400;
        const CUTS = 12;
        await grow(test, HEIGHT);
        const { address } = await served();
        let cuts = 0;
        const nextCut = (): Cut | undefined => {
          if (++cuts > CUTS) return undefined;
          // A client sends some 250 bytes; of the validator's some dozens of blocks come through.
          return { client: 1 + choose(500), server: 1 + choose(8_000), how: choose(2) === 0 ? 'reset' : 'end' };
        };
        const proxy = await cuttingProxy(address, nextCut);
        atEnd(proxy.close);
        const blocks = watching(clientOf(proxy.address).watchBlocks(0, { onInterrupted }));
        while (blocks.messages.length < HEIGHT) await blocks.count(Math.min(HEIGHT, blocks.messages.length + 1));
        expect(indices(blocks.messages)).to.deep.equal(upTo(HEIGHT));
        expect(cuts, 'every cut was made').to.equal(CUTS + 1);
        for (const { error } of interruptions) expect(error.reason, error.message).to.equal('UNREACHABLE');
      }));

    it('from an index on, also where the validator is not there yet', async () => {
      await grow(test, 3);
      const address = await unusedAddress();
      const blocks = watching(clientOf(address).watchBlocks(1, { onInterrupted }));
      await interrupted();
      expect(interruptions[0]?.error).to.deep.include({ reason: 'UNREACHABLE' });
      expect(interruptions[0]?.error.message).to.equal(`cannot reach ${formatAddress(address)}: nobody listens there`);
      await served(test.node, address);
      await blocks.count(2);
      await grow(test, 1);
      await blocks.count(3);
      expect(indices(blocks.messages)).to.deep.equal([1, 2, 3]);
    });

    it('where a validator that was in use ends the stream rightly: its reader hears of it, and of nothing else', async () => {
      const { server, client } = await watched();
      const rounds = watching(client.watchRounds('alice', { onInterrupted }));
      await rounds.count(1);
      await test.node.stop();
      await interrupted();
      expect(interruptions[0]).to.deep.include({ retryMs: 250 });
      expect(interruptions[0]?.error)
        .to.be.an.instanceOf(ConnectionError)
        .and.to.deep.include({
          reason: 'UNREACHABLE',
          message: `${formatAddress(server.address)} has ended the stream`,
        });
      await interrupted(2);
      expect(interruptions[1]?.error)
        .to.be.an.instanceOf(Fault)
        .and.to.deep.include({ reason: 'UNAVAILABLE', message: 'the validator is stopping' });
    });

    it('after waits that grow while nothing comes, and begin anew once something did', async () => {
      atEnd(fixedChance(0.5));
      let refusals = 2;
      const { client } = await watched({
        async *watchBlocks(...asked) {
          if (refusals-- > 0) throw new Fault('OVERLOADED', 'too many streams are open');
          for await (const block of test.node.watchBlocks(...asked)) {
            yield block;
            if (block.block?.index === 1) throw new Fault('UNAVAILABLE', 'the validator is stopping');
          }
        },
      });
      await grow(test, 3);
      const blocks = watching(client.watchBlocks(0, { onInterrupted }));
      await blocks.count(3);
      expect(indices(blocks.messages)).to.deep.equal([0, 1, 2]);
      expect(interruptions.map(({ error, retryMs }) => [error.reason, retryMs])).to.deep.equal([
        ['OVERLOADED', 375],
        ['OVERLOADED', 625],
        ['UNAVAILABLE', 375],
      ]);
    });

    it('for each of many watchers of one client', async () => {
      const warnings: Error[] = [];
      const warn = (warning: Error): void => void warnings.push(warning);
      process.on('warning', warn);
      atEnd(() => process.off('warning', warn));
      const { address, close } = await served();
      const client = clientOf(address);
      const watchers = Array.from({ length: 25 }, (_, from) => watching(client.watchBlocks(from, { onInterrupted })));
      await grow(test, 30);
      await Promise.all(watchers.map(({ count }, from) => count(30 - from)));
      await close();
      await interrupted(25);
      await grow(test, 5);
      await served(test.node, address);
      await Promise.all(watchers.map(({ count }, from) => count(35 - from)));
      for (const [from, { messages }] of watchers.entries()) {
        expect(indices(messages)).to.deep.equal(upTo(35).slice(from));
      }
      expect(warnings).to.deep.equal([]);
    });
  });

  describe('of rounds, when it goes on,', () => {
    /** A client that has the round in force, and whose connection then breaks. */
    async function broken() {
      const { calls, server, client } = await watched();
      const proxy = await proxyTo(server.address);
      atEnd(proxy.close);
      client.close();
      const rounds = watching(clientOf(proxy.address).watchRounds('alice', { onInterrupted }));
      await rounds.count(1);
      proxy.dropAll();
      await interrupted();
      return { calls, rounds };
    }

    it('does not tell the same round again', async () => {
      const { calls, rounds } = await broken();
      await until(() => calls.count('watchRounds') === 2, 'it goes on');
      await grow(test, 1);
      await rounds.count(2);
      expect(rounds.messages.map(({ round }) => round)).to.deep.equal([1n, 2n]);
    });

    it('tells at once that another one is in force', async () => {
      const { rounds } = await broken();
      test.clock.advance(HOUR);
      await test.node.getBlockchainInfo();
      await rounds.count(2);
      expect(rounds.messages[1]).to.deep.equal(await test.node.getRoundInfo(''));
    });

    for (const [field, value] of [
      ['round', 7n],
      ['roundStart', 7n],
      ['nextIndex', 7],
      ['prevBlockHash', Buffer.alloc(32, 7)],
    ] as const) {
      it(`takes one that differs in ${field} for another`, async () => {
        let opened = 0;
        const { client } = await watched({
          async *watchRounds() {
            const round = await test.node.getRoundInfo('');
            yield opened++ === 0 ? round : { ...round, [field]: value };
          },
        });
        const rounds = watching(client.watchRounds('alice', { onInterrupted }));
        await rounds.count(2);
        expect(rounds.messages[1]).to.deep.equal({ ...rounds.messages[0], [field]: value });
      });
    }
  });

  describe('throws', () => {
    for (const reason of ['MALFORMED', 'LIMIT_EXCEEDED', 'NOT_FOUND'] satisfies FaultReason[]) {
      it(`a fault that does not pass: ${reason}`, async () => {
        // biome-ignore lint/correctness/useYield: it fails before its first message
        const refuse = async function* (): AsyncGenerator<never, void> {
          throw new Fault(reason, 'not so', 'from_index');
        };
        const { calls, client } = await watched({ watchBlocks: refuse, watchRounds: refuse });
        for (const stream of [client.watchBlocks(0, { onInterrupted }), client.watchRounds('', { onInterrupted })]) {
          const error = await watching(stream as AsyncIterable<unknown>).error();
          expect(error).to.be.an.instanceOf(Fault).and.to.deep.include({ reason, message: 'not so' });
        }
        expect([calls.count('watchBlocks'), calls.count('watchRounds')]).to.deep.equal([1, 1]);
        expect(interruptions).to.deep.equal([]);
      });
    }

    it('a fault where what it is asked for cannot be sent, or is too long', async () => {
      const { client } = await watched();
      expect(await watching(client.watchBlocks(-1)).error()).to.include({ reason: 'MALFORMED' });
      expect(await watching(client.watchRounds('a'.repeat(257))).error()).to.include({ reason: 'LIMIT_EXCEEDED' });
    });

    for (const [what, second, message] of [
      ['leaves a block out', 2, 'sent block #2 where #1 was to come'],
      ['tells a block again', 0, 'sent block #0 where #1 was to come'],
    ] as const) {
      it(`BAD_ANSWER where the validator ${what}`, async () => {
        const { client } = await watched({
          async *watchBlocks() {
            yield await test.node.getBlock({ index: 0 });
            yield await test.node.getBlock({ index: second });
          },
        });
        await grow(test, 3);
        const blocks = watching(client.watchBlocks(0, { onInterrupted }));
        const error = (await blocks.error()) as ConnectionError;
        expect([error.reason, indices(blocks.messages)]).to.deep.equal(['BAD_ANSWER', [0]]);
        expect(error.message).to.contain(message);
        expect(interruptions).to.deep.equal([]);
      });
    }

    /** A client has watched three blocks; another validator then listens where the first one did. */
    async function replaced(other: TestNode): Promise<ConnectionError> {
      const { address, close } = await served();
      await grow(test, 3);
      const blocks = watching(clientOf(address).watchBlocks(0, { onInterrupted }));
      await blocks.count(3);
      await close();
      await interrupted();
      await served(other.node, address);
      const error = await blocks.error();
      expect(error).to.be.an.instanceOf(ConnectionError);
      expect(blocks.messages).to.have.length(3);
      return error as ConnectionError;
    }

    for (const [what, height] of [
      ['nothing', 0],
      ['fewer blocks', 1],
      ['as many blocks, but others', 3],
      ['more blocks, and others', 9],
    ] as const) {
      it(`OTHER_CHAIN where the validator that comes back has ${what}`, async () => {
        const other = await memoryNode();
        atEnd(() => other.node.stop());
        other.clock.advance(1);
        await grow(other, height);
        const { reason, message } = await replaced(other);
        expect(reason).to.equal('OTHER_CHAIN');
        expect(message).to.match(/^127\.0\.0\.1:\d+ has another chain than the one .*: it does not have block #2$/);
      });
    }

    it('OTHER_CHAIN where a block does not follow the one before', async () => {
      const prevBlockHash = Buffer.alloc(32, 7);
      const { client } = await watched({
        async *watchBlocks(...asked) {
          for await (const accepted of test.node.watchBlocks(...asked)) {
            const block = present(accepted.block);
            yield block.index < 2 ? accepted : { ...accepted, block: { ...block, prevBlockHash } };
          }
        },
      });
      await grow(test, 3);
      const blocks = watching(client.watchBlocks(0, { onInterrupted }));
      const { reason, message } = (await blocks.error()) as ConnectionError;
      expect([reason, indices(blocks.messages)]).to.deep.equal(['OTHER_CHAIN', [0, 1]]);
      expect(message).to.contain('its block #2 does not follow block #1');
    });
  });

  it('opens nothing before its first message is asked for', async () => {
    const { calls, client } = await watched();
    const blocks = client.watchBlocks(0);
    await client.getBlockchainInfo();
    expect(calls.count('watchBlocks')).to.equal(0);
    await grow(test, 1);
    await blocks.next();
    expect(calls.count('watchBlocks')).to.equal(1);
  });

  it('ends its call at the validator when its reader leaves', async () => {
    const { calls, client } = await watched();
    const giveUp = new AbortController();
    await grow(test, 2);
    for await (const { block } of client.watchBlocks(0, giveUp)) if (block?.index === 1) break;
    await until(() => calls.lastSignal()?.aborted === true, 'the call has ended');
    const waiting = client.watchBlocks(2, giveUp);
    const [first, second] = [waiting.next(), waiting.next()];
    await until(() => calls.count('watchBlocks') === 2, 'it is asked');
    expect(await waiting.return()).to.deep.equal({ value: undefined, done: true });
    expect([await first, await second]).to.deep.equal([await waiting.next(), await waiting.next()]);
    expect((await first).done).to.equal(true);
    await until(() => calls.lastSignal()?.aborted === true, 'the call has ended');
    expect(getEventListeners(giveUp.signal, 'abort')).to.have.length(0);
  });

  describe('that waits to go on', () => {
    /** A stream of a validator that cannot be reached, and what it holds. */
    async function waitingStream() {
      // No test takes as long as this wait.
      atEnd(fixedChance(1_000));
      const client = clientOf(await unusedAddress());
      await client.getBlockchainInfo().catch(() => {});
      const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
      const before = timers();
      const giveUp = new AbortController();
      const stream = client.watchBlocks(0, { signal: giveUp.signal, onInterrupted });
      const message = stream.next();
      message.catch(() => {});
      await interrupted();
      await until(() => timers() > before, 'it waits');
      return {
        client,
        giveUp,
        stream,
        message,
        async expectNothingLeft(): Promise<void> {
          await until(() => timers() <= before, 'no timer is left');
          expect(getEventListeners(giveUp.signal, 'abort')).to.have.length(0);
          expect(interruptions).to.have.length(1);
        },
      };
    }

    it('ends at once when its reader leaves, and leaves nothing', async () => {
      const { stream, message, expectNothingLeft } = await waitingStream();
      expect((await stream.return()).done).to.equal(true);
      expect((await message).done).to.equal(true);
      await expectNothingLeft();
    });

    it('throws CANCELLED at once when its signal aborts, and leaves nothing', async () => {
      const { giveUp, stream, message, expectNothingLeft } = await waitingStream();
      giveUp.abort();
      expect(await message.catch((error) => error))
        .to.be.an.instanceOf(Fault)
        .with.property('reason', 'CANCELLED');
      expect((await stream.next()).done, 'and then it has ended').to.equal(true);
      await expectNothingLeft();
    });

    it('throws CLOSED at once when the client is closed, and leaves nothing', async () => {
      const { client, message, expectNothingLeft } = await waitingStream();
      client.close();
      expect(await message.catch((error) => error))
        .to.be.an.instanceOf(ConnectionError)
        .with.property('reason', 'CLOSED');
      await expectNothingLeft();
    });

    it('lets a program that has left it end by itself', async () => {
      const address = `grpc://${formatAddress(await unusedAddress())}`;
      const program = `
        import { connectToGrpc } from ${JSON.stringify(CLIENT)};
        const client = connectToGrpc(${JSON.stringify(address)});
        const leave = () => setImmediate(() => stream.return());
        const stream = client.watchBlocks(0, { onInterrupted: leave });
        for await (const block of stream);
        console.log('left');
      `;
      const { code, stdout, stderr } = await ended(start(process.execPath, ['--input-type=module', '-e', program]));
      expect([code, stdout, stderr]).to.deep.equal([0, 'left\n', '']);
    });
  });

  it('throws CANCELLED where its signal has aborted before, or aborts while its reader is busy', async () => {
    const { calls, client } = await watched();
    await grow(test, 2);
    const error = await watching(client.watchBlocks(0, { signal: AbortSignal.abort() })).error();
    expect(error).to.be.an.instanceOf(Fault).with.property('reason', 'CANCELLED');
    expect(calls.count('watchBlocks')).to.equal(0);
    const giveUp = new AbortController();
    const blocks = client.watchBlocks(0, giveUp);
    await blocks.next();
    giveUp.abort();
    await until(() => calls.lastSignal()?.aborted === true, 'the call has ended');
    expect(await blocks.next().catch(({ reason }) => reason)).to.equal('CANCELLED');
  });

  it('throws CLOSED where the client is closed, before or while it is read', async () => {
    const { client } = await watched();
    const blocks = client.watchBlocks(0);
    const rounds = client.watchRounds('alice');
    await rounds.next();
    const [noBlock, noRound] = [blocks.next(), rounds.next()];
    client.close();
    for (const stream of [noBlock, noRound, client.watchBlocks(0).next()]) {
      expect(await stream.catch(({ reason }) => reason)).to.equal('CLOSED');
    }
  });

  it('tells a break within its check of the chain as any other, and goes on', async () => {
    let answers = 0;
    const { client, calls } = await watched({
      async getBlock(name) {
        if (answers++ === 0) throw new Fault('UNAVAILABLE', 'the validator is stopping');
        return test.node.getBlock(name);
      },
      async *watchBlocks(from, options) {
        for await (const block of test.node.watchBlocks(from, options)) {
          yield block;
          if (block.block?.index === 0) return;
        }
      },
    });
    await grow(test, 2);
    const blocks = watching(client.watchBlocks(0, { onInterrupted }));
    await blocks.count(2);
    expect(interruptions.map(({ error }) => error.reason)).to.deep.equal(['UNREACHABLE', 'UNAVAILABLE']);
    expect(calls.count('watchBlocks')).to.equal(2);
    expect(indices(blocks.messages)).to.deep.equal([0, 1]);
  });
});
