/** What takes long has turns of its own, on both wires: it keeps nobody else waiting, however much of it there is. */

import { expect } from 'chai';
import { ListBlocksResponse } from '../../gen/hourcoin/v1/chain_service.js';
import { Turns } from '../../src/server/turns.js';
import { output } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { grpcFramed, Http2Client, RawGrpc } from '../support/grpc.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { intercepted, serveGrpc, serveJsonTcp } from '../support/servers.js';
import { framed, RawClient } from '../support/sockets.js';
import { submission } from '../support/submissions.js';
import { turn, until } from '../support/wait.js';

const LOCKOUT = '{"CheckLockout":{"miner_id":"alice"}}';

/** The same request with a member that nobody asks for, as long as may be. */
const LONG_LOCKOUT = `{"CheckLockout":{"miner_id":"alice","x":[${'0,'.repeat(520_000)}0]}}`;

/** A page that is longer than a client may leave unread. */
const PAGE = {
  blocks: [
    {
      block: submission({
        transactions: [{ inputs: [], outputs: Array(5_000).fill(output('a'.repeat(64), 1, 1n)) }],
      }).block,
      contentHash: Buffer.alloc(32),
      minerId: 'alice',
      acceptedAt: 1n,
      difficulty: '0x1',
      tonce: 1,
      round: 1n,
    },
  ],
  nextPageToken: '',
};

describe('Turns', () => {
  it('are taken one by one, in their order', async () => {
    const turns = new Turns();
    const taken: number[] = [];
    const all = [0, 1, 2].map(async (number) => {
      await turns.next();
      taken.push(number);
      expect(taken).to.deep.equal([...Array(number + 1).keys()]);
      // Whatever follows at once is still in the same turn.
      await Promise.resolve();
      expect(taken).to.have.length(number + 1);
    });
    await Promise.all(all);
    await turns.next();
  });
});

describe('What takes long', () => {
  const atEnd = cleanup();
  let test: TestNode;

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
  });

  it('on JSON/TCP: long requests of many keep no short one of another waiting', async () => {
    const calls = intercepted(test.node);
    const served = await serveJsonTcp(calls.validator);
    atEnd(served.close);
    const clients = await Promise.all([...Array(20)].map(() => RawClient.connect(served.address)));
    const modest = await RawClient.connect(served.address);
    atEnd(() => [...clients, modest].map((client) => client.destroy()));
    const answers = clients.map((client) => client.ask(LONG_LOCKOUT));
    await until(() => calls.count('checkLockout') > 0, 'the first has been read');
    await modest.ask('"GetBlockchainInfo"');
    expect(calls.count('checkLockout')).to.be.below(10);
    for (const answer of answers) expect(await answer).to.contain('"LockoutStatus"');
  });

  it('on JSON/TCP: long and short requests of one are answered in their order', async () => {
    const served = await serveJsonTcp(test.node);
    atEnd(served.close);
    const client = await RawClient.connect(served.address);
    atEnd(() => client.destroy());
    const requests = [LOCKOUT, LONG_LOCKOUT, '"GetBlockchainInfo"', LONG_LOCKOUT, LONG_LOCKOUT, '"GetBlockchainInfo"'];
    client.socket.write(Buffer.concat(requests.map(framed)));
    for (const request of requests) {
      expect(await client.answer()).to.contain(request.includes('CheckLockout') ? 'LockoutStatus' : 'BlockchainInfo');
    }
  });

  it('on gRPC: no page is made for a client that has not read others', async () => {
    const calls = intercepted(test.node, { listBlocks: async () => PAGE });
    const served = await serveGrpc(calls.validator);
    atEnd(served.close);
    const deaf = new Http2Client(served.address, 0);
    atEnd(() => deaf.close());
    const pages = [...Array(50)].map(() => deaf.begin('ChainService/ListBlocks', Buffer.of()));
    for (const page of pages) page.end(grpcFramed(Buffer.of()));
    await until(() => calls.count('listBlocks') > 0, 'the first is made');
    // Others are served meanwhile, pages too.
    const other = new RawGrpc(served.address, { 'grpc.max_receive_message_length': 10_000_000 });
    atEnd(() => other.close());
    for (let asked = 1; asked <= 3; asked++) {
      const page = ListBlocksResponse.decode(await other.unary('ChainService/ListBlocks', Buffer.of()));
      expect(page.blocks).to.have.length(1);
      expect(calls.count('listBlocks')).to.equal(1 + asked);
    }
  });

  it('on gRPC: all are made for a client that reads, and none for calls that were given up', async () => {
    const calls = intercepted(test.node, { listBlocks: async () => PAGE });
    const served = await serveGrpc(calls.validator);
    atEnd(served.close);
    const client = new Http2Client(served.address);
    atEnd(() => client.close());
    const pages = [...Array(20)].map(() => client.begin('ChainService/ListBlocks', Buffer.of()));
    for (const page of pages) page.end(grpcFramed(Buffer.of()));
    await until(() => calls.count('listBlocks') > 0, 'the first is made');
    for (const page of pages) page.resume();
    await until(() => pages.every(({ messages }) => messages.length === 1), 'all have come');
    expect(calls.count('listBlocks')).to.equal(20);

    const deaf = new RawGrpc(served.address);
    atEnd(() => deaf.close());
    const stop = new AbortController();
    const given = [...Array(10)].map(() =>
      deaf.unary('ChainService/ListBlocks', Buffer.of(), {}, stop.signal).catch(() => 'given up'),
    );
    stop.abort();
    await Promise.all(given);
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(calls.count('listBlocks')).to.be.below(25);
  });
});
