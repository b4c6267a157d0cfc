/** JSON/TCP connections (spec, section 1 and section 8, "Connections"): frames, order, and clients of every temper. */

import { expect } from 'chai';
import fc from 'fast-check';
import { LIMITS, OPERATOR_LIMITS } from '../../src/engine/limits.js';
import { requestToJson } from '../../src/wire/requests.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { heldNode } from '../support/held-store.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { intercepted, type Served, serveJsonTcp } from '../support/servers.js';
import { framed, header, RawClient } from '../support/sockets.js';
import { holdTimeouts } from '../support/timeouts.js';
import { turn, until } from '../support/wait.js';

const LOCKOUT = '{"CheckLockout":{"miner_id":"alice"}}';
const NOT_LOCKED = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}';
const INFO = '"GetBlockchainInfo"';
const ACCEPTED = '{"BlockResult":{"result":"Accepted","message":"Block accepted! You are now in 1-hour lockout."}}';

describe('A JSON/TCP connection', () => {
  const atEnd = cleanup();
  let test: TestNode;
  let calls: ReturnType<typeof intercepted<TestNode['node']>>;
  let served: Served;

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    calls = intercepted(test.node);
    served = await serveJsonTcp(calls.validator);
    atEnd(served.close);
  });

  async function connected(to: Served = served): Promise<RawClient> {
    const client = await RawClient.connect(to.address);
    atEnd(() => client.destroy());
    return client;
  }

  /** A client whose submission is judged, and not durable before the store lets it go. */
  async function submitting(further: readonly string[] = []) {
    const { node, store } = await heldNode();
    const to = await serveJsonTcp(node);
    atEnd(() => node.stop());
    atEnd(to.close);
    const client = await connected(to);
    const block = winning(await node.getRoundInfo(''), 'alice');
    store.hold();
    atEnd(() => store.release());
    const submission = requestToJson({ call: 'SubmitBlock', minerId: 'alice', block });
    await client.send(Buffer.concat([submission, ...further].map(framed)));
    await until(() => store.held === 1, 'the block is being made durable');
    return { client, store, server: to.server, address: to.address };
  }

  /** Others are served: a new connection gets an answer. */
  async function othersAreServed(): Promise<void> {
    const other = await connected();
    expect(await other.ask(LOCKOUT)).to.equal(NOT_LOCKED);
    other.destroy();
  }

  describe('takes any fragmentation', () => {
    it('byte by byte', async () => {
      const client = await connected();
      for (const byte of framed(LOCKOUT)) {
        await client.send(Buffer.of(byte));
        await turn();
      }
      expect(await client.answer()).to.equal(NOT_LOCKED);
    });

    for (const split of [1, 2, 3, 4, 5]) {
      it(`cut after ${split} bytes`, async () => {
        const client = await connected();
        const bytes = framed(LOCKOUT);
        await client.send(bytes.subarray(0, split));
        for (let turns = 0; turns < 10; turns++) await turn();
        await client.send(bytes.subarray(split));
        expect(await client.answer()).to.equal(NOT_LOCKED);
      });
    }

    it('several frames in one write', async () => {
      const client = await connected();
      await client.send(Buffer.concat([framed(LOCKOUT), framed(INFO), framed(LOCKOUT)]));
      expect(await client.answer()).to.equal(NOT_LOCKED);
      expect(await client.answer()).to.contain('"BlockchainInfo"');
      expect(await client.answer()).to.equal(NOT_LOCKED);
    });

    it('frames cut anywhere', async () => {
      const client = await connected();
      const requests = Array.from({ length: 6 }, (_, i) => misspelt(i));
      const stream = Buffer.concat(requests.map(framed));
      const cuts = fc.uniqueArray(fc.integer({ min: 1, max: stream.length - 1 }), { maxLength: 20 });
      await fc.assert(
        fc.asyncProperty(cuts, async (places) => {
          const ends = [...places.sort((a, b) => a - b), stream.length];
          for (const [i, end] of ends.entries()) {
            await client.send(stream.subarray(ends[i - 1] ?? 0, end));
            await turn();
          }
          for (const i of requests.keys()) expect(await client.answer()).to.equal(told(i));
        }),
        { numRuns: 50 },
      );
    });
  });

  it('Hundreds of pipelined requests, good and bad, are answered in order', async () => {
    const client = await connected();
    const kinds = [
      { request: () => LOCKOUT, answer: () => NOT_LOCKED },
      { request: misspelt, answer: told },
      { request: () => INFO, answer: () => '{"BlockchainInfo":{"block_count":0,' },
      { request: (i: number) => `{"No${i}":1}`, answer: () => '{"Error":{"message":"Invalid request: ' },
    ];
    const numbers = [...Array(800).keys()];
    const kindOf = (i: number) => kinds[i % kinds.length] as (typeof kinds)[number];
    await client.send(Buffer.concat(numbers.map((i) => framed(kindOf(i).request(i)))));
    for (const i of numbers) expect(await client.answer(), `answer ${i}`).to.satisfy(startsWith(kindOf(i).answer(i)));
  });

  it('Thousands of pipelined requests keep no other client waiting', async () => {
    const [flood, modest] = [await connected(), await connected()];
    flood.socket.write(Buffer.concat(Array(5_000).fill(framed('{"GetRoundInfo":{"miner_id":"alice"}}'))));
    expect(await modest.ask(LOCKOUT)).to.equal(NOT_LOCKED);
    expect(calls.count('getRoundInfo')).to.be.below(1_000);
    for (let i = 0; i < 5_000; i++) await flood.answer();
  });

  it('An answer that is long in coming keeps those behind it waiting', async () => {
    const { client, store } = await submitting([misspelt(0), misspelt(1)]);
    expect(client.pieces).to.have.length(0);
    store.release();
    expect(await client.answer()).to.equal(ACCEPTED);
    expect(await client.answer()).to.equal(told(0));
    expect(await client.answer()).to.equal(told(1));
  });

  it('Every answer comes in one piece', async () => {
    const client = await connected();
    for (let i = 0; i < 200; i++) await client.ask('{"GetRoundInfo":{"miner_id":"alice"}}');
    expect(client.pieces).to.have.length(200);
  });

  describe('A client that shuts its side down', () => {
    it('is still answered, then the connection is closed', async () => {
      const client = await connected();
      client.socket.write(Buffer.concat([LOCKOUT, misspelt(0), INFO].map(framed)));
      client.shutDown();
      const [first, second, third, ...further] = await client.answers();
      expect(first).to.equal(NOT_LOCKED);
      expect(second).to.equal(told(0));
      expect(third).to.contain('"BlockchainInfo"');
      expect(further).to.have.length(0);
      await client.closed;
      expect(client.error).to.equal(undefined);
    });

    it('is still answered where the block is not durable yet', async () => {
      const { client, store } = await submitting();
      client.shutDown();
      for (let turns = 0; turns < 10; turns++) await turn();
      expect(client.ended).to.equal(false);
      store.release();
      expect(await client.answers()).to.deep.equal([ACCEPTED]);
    });

    it('in the middle of a frame gets what was asked before', async () => {
      const client = await connected();
      client.socket.write(Buffer.concat([framed(LOCKOUT), header(100), Buffer.from('{"Check')]));
      client.shutDown();
      expect(await client.answers()).to.deep.equal([NOT_LOCKED]);
    });

    it('without a request is closed without a word', async () => {
      const client = await connected();
      client.shutDown();
      expect(await client.answers()).to.deep.equal([]);
    });
  });

  describe('A client that does not read its answers', () => {
    const REQUESTS = 60_000;
    const ROUND = framed('{"GetRoundInfo":{"miner_id":"alice"}}');

    /** Sends requests and reads nothing. Resolves to how many were taken, once the server takes no more. */
    async function sendOnly(client: RawClient, requests: number): Promise<number> {
      client.socket.pause();
      client.socket.write(Buffer.concat(Array(requests).fill(ROUND)));
      const before = calls.count('getRoundInfo');
      const other = await connected();
      let taken: number;
      do {
        taken = calls.count('getRoundInfo') - before;
        for (let i = 0; i < 20; i++) expect(await other.ask(LOCKOUT)).to.equal(NOT_LOCKED);
      } while (taken === 0 || calls.count('getRoundInfo') - before > taken);
      return taken;
    }

    it('is not read from, while others are served; once it reads, it gets them all', async () => {
      const client = await connected();
      expect(await sendOnly(client, REQUESTS)).to.be.below(REQUESTS);
      client.socket.resume();
      for (let i = 0; i < REQUESTS; i++) await client.answer();
      expect(calls.count('getRoundInfo')).to.equal(REQUESTS);
    });

    it('gets them all at its own pace, too, once it has shut its side down', async () => {
      const draining = holdTimeouts(LIMITS.drainMs);
      atEnd(draining.restore);
      const { length } = await (await connected()).ask('{"GetRoundInfo":{"miner_id":"alice"}}');
      // So many answers fill the system's buffers and the server's limit for one client. Somewhat fewer end between the two.
      const filling = await sendOnly(await connected(), REQUESTS);
      for (const part of [1, 0.75, 0.5]) {
        const requests = filling - Math.floor((part * OPERATOR_LIMITS.maxUnread.default) / length);
        const client = await connected();
        await sendOnly(client, requests);
        client.shutDown();
        await othersAreServed();
        draining.fire();
        client.socket.resume();
        expect(await client.answers()).to.have.length(requests);
      }
    });

    it('does not keep a server that closes', async () => {
      await sendOnly(await connected(), REQUESTS);
      await served.server.close(10);
    });
  });

  describe('A frame that is too long', () => {
    const TOO_LONG = '{"Error":{"message":"Frame too long: at most 1048576 bytes of JSON"}}';

    it('is answered with an Error, and our side is shut down at once', async () => {
      const client = await connected();
      await client.send(header(LIMITS.messageBytes + 1));
      expect(await client.answers()).to.deep.equal([TOO_LONG]);
      await othersAreServed();
    });

    for (const length of [LIMITS.messageBytes + 1, 0x7fff_ffff, 0xffff_ffff]) {
      it(`is told from its length alone: ${length}`, async () => {
        const client = await connected();
        await client.send(header(length));
        expect(await client.answers()).to.deep.equal([TOO_LONG]);
      });
    }

    it('is told behind the answers to what came before', async () => {
      const client = await connected();
      await client.send(Buffer.concat([framed(LOCKOUT), framed(misspelt(0)), header(LIMITS.messageBytes + 1)]));
      expect(await client.answers()).to.deep.equal([NOT_LOCKED, told(0), TOO_LONG]);
    });

    it('loses no Error to a reset while the client goes on sending, and ends what goes on', async () => {
      const client = await connected();
      const piece = Buffer.alloc(65_536, 0x20);
      client.socket.write(header(0xffff_ffff));
      // The client sends all that the system takes and reads only later.
      client.socket.pause();
      for (let i = 0; i < 200; i++) client.socket.write(piece);
      await until(() => client.socket.writableLength === 0, 'the server has read what followed');
      client.socket.resume();
      expect(await client.answers()).to.deep.equal([TOO_LONG]);
      expect(client.error).to.equal(undefined);
      const goOn = setInterval(() => client.socket.write(piece), 20);
      await client.closed;
      clearInterval(goOn);
    });
  });

  it('A frame of exactly 1,048,576 bytes is taken', async () => {
    const client = await connected();
    expect(await client.ask(INFO.padStart(LIMITS.messageBytes))).to.contain('"BlockchainInfo"');
    expect(await client.ask(LOCKOUT)).to.equal(NOT_LOCKED);
    expect(await client.ask(INFO.padStart(LIMITS.messageBytes + 1))).to.contain('"Error"');
  });

  it('An empty frame closes the connection without a word, after the answers to what came before', async () => {
    const client = await connected();
    await client.send(Buffer.concat([framed(LOCKOUT), framed(''), framed(LOCKOUT)]));
    expect(await client.answers()).to.deep.equal([NOT_LOCKED]);
    await othersAreServed();
  });

  it('Frames that are announced and never sent keep nobody from being served', async () => {
    const announced = 2 * Math.ceil(LIMITS.unfinishedFrameBytes / LIMITS.messageBytes);
    const idle = await Promise.all(Array.from({ length: announced }, () => connected()));
    for (const client of idle) await client.send(header(LIMITS.messageBytes));
    await othersAreServed();
    expect(idle.some(({ ended }) => ended)).to.equal(false);
  });

  describe('Unfinished frames', () => {
    const unfinished = Buffer.concat([header(LIMITS.messageBytes), Buffer.alloc(LIMITS.messageBytes - 1, 'x')]);
    /** So many are within the limit. */
    const many = Math.floor(LIMITS.unfinishedFrameBytes / unfinished.length);

    /** Connections that hold so many bytes that one of them is closed. */
    async function overflow(clients: readonly RawClient[]): Promise<void> {
      for (const client of clients) client.socket.write(unfinished);
      await until(() => clients.some(({ ended, socket }) => ended || socket.destroyed), 'one is closed');
    }

    it('are kept up to a limit: beyond it, who holds most is closed, and a frame in two writes is still taken', async () => {
      const greedy = await Promise.all(Array.from({ length: many + 1 }, () => connected()));
      const modest = await connected();
      await modest.send(framed(LOCKOUT).subarray(0, 20));
      await overflow(greedy);
      await modest.send(framed(LOCKOUT).subarray(20));
      expect(await modest.answer()).to.equal(NOT_LOCKED);
      await othersAreServed();
    });

    it('of connections that are gone count no more', async () => {
      const timeouts = holdTimeouts(OPERATOR_LIMITS.frameTimeout.default);
      atEnd(timeouts.restore);
      const gone = await Promise.all(Array.from({ length: many + 1 }, () => connected()));
      await overflow(gone);
      for (const client of gone) client.socket.resetAndDestroy();
      await until(() => timeouts.pending().length === 0, 'the server has seen them go');
      const clients = await Promise.all(Array.from({ length: many }, () => connected()));
      for (const client of clients) client.socket.write(unfinished);
      await until(() => timeouts.pending().length === many, 'every frame has begun');
      for (const client of clients) {
        client.socket.write('x');
        expect(await client.answer()).to.contain('"Error"');
      }
    });
  });

  describe('A frame that is not finished', () => {
    it('may take 30 seconds', async () => {
      const timeouts = holdTimeouts(30_000);
      atEnd(timeouts.restore);
      const client = await connected();
      await client.send(framed(LOCKOUT).subarray(0, 10));
      await until(() => timeouts.pending().length === 1, 'the time is measured');
      timeouts.fire();
      expect(await client.answers()).to.deep.equal([]);
    });

    it('has all of them for itself, however many came before it', async () => {
      const timeouts = holdTimeouts(30_000);
      atEnd(timeouts.restore);
      const client = await connected();
      const bytes = framed(LOCKOUT);
      const seen = new Set<NodeJS.Timeout>();
      await client.send(bytes.subarray(0, 10));
      for (let frames = 1; frames <= 5; frames++) {
        await until(() => timeouts.pending().some((timer) => !seen.has(timer)), 'the time of a new frame is measured');
        for (const timer of timeouts.pending()) seen.add(timer);
        await client.send(Buffer.concat([bytes.subarray(10), bytes.subarray(0, 10)]));
        expect(await client.answer()).to.equal(NOT_LOCKED);
      }
    });
  });

  describe('A server looks every ten seconds', () => {
    let looks: ReturnType<typeof holdTimeouts>;
    let looking: Served;

    beforeEach(async () => {
      looks = holdTimeouts(10_000);
      atEnd(looks.restore);
      looking = await serveJsonTcp(calls.validator);
      atEnd(looking.close);
    });

    it('for connections that have been silent for ten minutes, and closes them; those that ask are kept', async () => {
      const [silent, asking] = [await connected(looking), await connected(looking)];
      expect(await silent.ask(LOCKOUT)).to.equal(NOT_LOCKED);
      for (let seconds = 0; seconds < 600; seconds += 10) {
        looks.fire();
        expect(await asking.ask(LOCKOUT)).to.equal(NOT_LOCKED);
      }
      expect(silent.ended).to.equal(false);
      looks.fire();
      expect(await silent.answers()).to.deep.equal([]);
      expect(await asking.ask(LOCKOUT)).to.equal(NOT_LOCKED);
    });

    it('whether a crowd has left, and gives the memory back that it took', async () => {
      const crowd: RawClient[] = [];
      while (crowd.length < 1_000) crowd.push(await connected(looking));
      for (const client of crowd) client.destroy();
      const asking = await connected(looking);
      // By then the server has seen them go.
      for (let i = 0; i < 100; i++) expect(await asking.ask(LOCKOUT)).to.equal(NOT_LOCKED);
      let collected = false;
      const garbage = new FinalizationRegistry(() => {
        collected = true;
      });
      garbage.register({}, undefined);
      looks.fire();
      await until(() => collected, 'garbage is collected');
    });
  });

  describe('A server that stops', () => {
    it('refuses new connections and answers what it has taken', async () => {
      const { client, store, server, address } = await submitting();
      const closed = server.close(60_000);
      expect(await RawClient.connect(address).catch(({ code }) => code)).to.equal('ECONNREFUSED');
      store.release();
      expect(await client.answers()).to.deep.equal([ACCEPTED]);
      client.shutDown();
      await closed;
    });

    it('closes idle connections', async () => {
      const client = await connected();
      await client.ask(LOCKOUT);
      const closed = served.server.close(60_000);
      expect(await client.answers()).to.deep.equal([]);
      client.shutDown();
      await closed;
    });

    it('says where it cannot listen', async () => {
      const error = await serveJsonTcp(test.node, served.address).catch((error) => error);
      expect(error.code).to.equal('EADDRINUSE');
    });
  });
});

/** A submission whose hash has its first bad character at a place of its own. */
function misspelt(place: number): string {
  const hash = `${'0'.repeat(place)}z`.padEnd(1_000, '0');
  return `{"SubmitBlock":{"miner_id":"m","block":{"index":0,"timestamp":1,"hash":"${hash}","prev_block_hash":"","nonce":0,"transactions":[]}}}`;
}

/** What that is answered. */
function told(place: number): string {
  return `{"Error":{"message":"Invalid block data: Invalid hash hex: Invalid character 'z' at position ${place}"}}`;
}

function startsWith(start: string): (text: string) => boolean {
  return (text) => text.startsWith(start);
}
