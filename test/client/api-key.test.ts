/** A client's API key: with every request that it belongs to, and nowhere else. */

import { createServer, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { connectTo, connectToGrpc } from '../../src/client/connect.js';
import type { Credentials } from '../../src/client/credentials.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import type { ChainValidator, Validator } from '../../src/validator/validator.js';
import { formatAddress } from '../../src/wire/address.js';
import { sealed } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { framed, listenRaw } from '../support/sockets.js';

const KEY = { apiKey: 'hck_"secret"' };

const BLOCK = sealed({ index: 0, timestamp: 1n, hash: NO_HASH, prevBlockHash: NO_HASH, nonce: 0n, transactions: [] });

/** Calls that every validator answers, by their names on the wire. */
const CALLS: Readonly<Record<string, (validator: Validator) => Promise<unknown>>> = {
  GetRoundInfo: (validator) => validator.getRoundInfo('alice'),
  CheckLockout: (validator) => validator.checkLockout('alice'),
  SubmitBlock: (validator) => validator.submitBlock('alice', BLOCK),
  GetBlockchainInfo: (validator) => validator.getBlockchainInfo(),
};

/** Those of gRPC alone. */
const MORE: Readonly<Record<string, (validator: ChainValidator) => Promise<unknown>>> = {
  WatchRounds: (validator) => validator.watchRounds('alice')[Symbol.asyncIterator]().next(),
  GetBlock: (validator) => validator.getBlock({ index: 0 }),
  ListBlocks: (validator) => validator.listBlocks(0),
  WatchBlocks: (validator) => validator.watchBlocks(0)[Symbol.asyncIterator]().next(),
  GetAddress: (validator) => validator.getAddress('alice'),
  GetMiner: (validator) => validator.getMiner('alice'),
};

describe('An API key', () => {
  const atEnd = cleanup();

  /** A client of a server of JSON/TCP that keeps what it is asked, and answers all with an Error. */
  async function overJsonTcp(credentials?: Credentials, host = '127.0.0.1') {
    const asked: string[] = [];
    let waiting = Buffer.alloc(0);
    const peer = await listenRaw((socket) =>
      socket.on('data', (piece: Buffer) => {
        waiting = Buffer.concat([waiting, piece]);
        while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE()) {
          const end = 4 + waiting.readUInt32BE();
          asked.push(waiting.toString('utf8', 4, end));
          waiting = waiting.subarray(end);
          socket.write(framed('{"Error":{"message":"no"}}'));
        }
      }),
    );
    atEnd(peer.close);
    const client = connectTo(formatAddress({ ...peer.address, host }), undefined, credentials);
    atEnd(() => client.close());
    return { client, asked };
  }

  /** A client of a server of gRPC that keeps the headers of what it is asked, and answers all with a status. */
  async function overGrpc(credentials?: Credentials, host = '127.0.0.1') {
    const asked: IncomingHttpHeaders[] = [];
    const server = createServer();
    server.on('stream', (stream, headers) => {
      asked.push(headers);
      const status = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'no' };
      stream.respond(status, { endStream: true });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    const client = connectToGrpc(`grpc://${formatAddress({ host, port })}`, undefined, credentials);
    atEnd(() => client.close());
    return { client, asked };
  }

  /** The calls fail as the server says, and their errors do not tell the key. */
  async function expectRefused(call: Promise<unknown>): Promise<void> {
    const error = await call.then(
      () => new Error('the call was answered'),
      (error: Error) => error,
    );
    expect(error.message).to.equal('no');
    expect(String(error.stack)).to.not.contain('secret');
  }

  it('stands beside the miner id on JSON/TCP; GetBlockchainInfo, which names no miner, is what it always was', async () => {
    const { client, asked } = await overJsonTcp(KEY);
    for (const call of Object.values(CALLS)) await expectRefused(call(client));
    const info = asked.pop();
    expect(info).to.equal('"GetBlockchainInfo"');
    const members = asked.map((text) => Object.entries<Record<string, unknown>>(JSON.parse(text))[0]);
    expect(members.map((entry) => entry?.[0])).to.deep.equal(['GetRoundInfo', 'CheckLockout', 'SubmitBlock']);
    for (const entry of members) {
      expect(entry?.[1]).to.include({ miner_id: 'alice', api_key: KEY.apiKey });
      expect(Object.keys(entry?.[1] ?? {}).slice(0, 2)).to.deep.equal(['miner_id', 'api_key']);
    }
  });

  it('is a bearer token with every call on gRPC, streams too', async () => {
    const { client, asked } = await overGrpc(KEY);
    for (const call of Object.values(CALLS)) await expectRefused(call(client));
    for (const call of Object.values(MORE)) await expectRefused(call(client));
    expect(asked.map((headers) => headers[':path']?.split('/')[2])).to.deep.equal([
      ...Object.keys(CALLS),
      ...Object.keys(MORE),
    ]);
    for (const { authorization } of asked) expect(authorization).to.equal(`Bearer ${KEY.apiKey}`);
  });

  it('is not there where there is none: what is sent is what deployed validators know', async () => {
    const json = await overJsonTcp();
    for (const call of Object.values(CALLS)) await expectRefused(call(json.client));
    expect(json.asked[0]).to.equal('{"GetRoundInfo":{"miner_id":"alice"}}');
    for (const text of json.asked) expect(text).to.not.contain('api_key');
    const grpc = await overGrpc();
    await expectRefused(grpc.client.getRoundInfo('alice'));
    expect(grpc.asked[0]).to.have.property(':path').and.to.not.be.empty;
    expect(grpc.asked[0]).to.not.have.property('authorization');
  });

  it('is not sent beyond loopback in the clear: there is no client at all, but with `insecure`', async function () {
    // An address that is not of loopback, and is this machine's all the same.
    if (process.platform !== 'linux') this.skip();
    for (const over of [overJsonTcp, overGrpc]) {
      const refusal: unknown = await over(KEY, '0.0.0.0').catch((error) => error);
      expect(refusal).to.be.an.instanceOf(TypeError).with.property('message').that.contains('is not encrypted');
      const { client, asked } = await over({ ...KEY, insecure: true }, '0.0.0.0');
      await expectRefused(client.getRoundInfo('alice'));
      expect(JSON.stringify(asked)).to.contain('secret');
    }
  });

  it('does not pass through a proxy of the environment on its way to this machine', async () => {
    const seen: Buffer[] = [];
    const proxy = await listenRaw((socket) => socket.on('data', (piece) => void seen.push(piece)));
    atEnd(proxy.close);
    const { grpc_proxy: before } = process.env;
    process.env.grpc_proxy = `http://${formatAddress(proxy.address)}`;
    atEnd(() => {
      if (before === undefined) delete process.env.grpc_proxy;
      else process.env.grpc_proxy = before;
    });
    const { client, asked } = await overGrpc(KEY);
    await expectRefused(client.getRoundInfo('alice'));
    expect([asked.length, seen.length]).to.deep.equal([1, 0]);
  });
});
