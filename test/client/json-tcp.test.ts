/** The JSON/TCP client (spec, sections 1 and 2), against peers that a test scripts: deployed validators, and worse. */

import type { Socket } from 'node:net';
import { expect } from 'chai';
import { SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../../src/client/errors.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import { Fault } from '../../src/engine/fault.js';
import { sealed } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { framed, header, listenRaw, type ScriptedServer } from '../support/sockets.js';
import { holdTimeouts } from '../support/timeouts.js';
import { turn, until } from '../support/wait.js';

const BLOCK = sealed({ index: 0, timestamp: 1n, hash: NO_HASH, prevBlockHash: NO_HASH, nonce: 0n, transactions: [] });
const LOCKED = '{"LockoutStatus":{"is_locked":true,"seconds_remaining":7}}';

/** What a call throws. */
function thrown(call: Promise<unknown>): Promise<Error> {
  return call.then(
    () => {
      throw new Error('the call was answered');
    },
    (error: Error) => error,
  );
}

describe('The JSON/TCP client', () => {
  const atEnd = cleanup();

  /** A client, and a peer that handles each piece of its requests as it arrives. */
  async function talkingTo(
    handle: (piece: Buffer, socket: Socket, connection: number) => void,
  ): Promise<{ client: JsonTcpClient; peer: ScriptedServer; pieces: Buffer[]; sockets: Socket[] }> {
    const pieces: Buffer[] = [];
    const sockets: Socket[] = [];
    const peer = await listenRaw((socket) => {
      sockets.push(socket);
      const connection = sockets.length;
      socket.on('data', (piece: Buffer) => {
        pieces.push(piece);
        handle(piece, socket, connection);
      });
    });
    atEnd(peer.close);
    const client = new JsonTcpClient(peer.address);
    atEnd(() => client.close());
    return { client, peer, pieces, sockets };
  }

  /** A client whose every request is answered with a text. */
  async function answered(text: string): Promise<JsonTcpClient> {
    return (await talkingTo((_, socket) => socket.write(framed(text)))).client;
  }

  it('sends each request in one piece, on one connection: a deployed validator breaks on a split length', async () => {
    const { client, pieces, sockets } = await talkingTo((_, socket) => socket.write(framed(LOCKED)));
    for (let i = 0; i < 100; i++) await client.checkLockout('alice');
    expect(sockets).to.have.length(1);
    expect(pieces).to.have.length(100);
    for (const piece of pieces) expect(piece).to.deep.equal(framed('{"CheckLockout":{"miner_id":"alice"}}'));
  });

  it('pipelines: calls do not wait for each other, and each gets its own answer', async () => {
    let waiting = Buffer.alloc(0);
    const { client } = await talkingTo((piece, socket) => {
      waiting = Buffer.concat([waiting, piece]);
      const ids = [...waiting.toString('latin1').matchAll(/"miner_id":"(\d+)"/g)].map(([, id]) => id);
      if (ids.length < 50) return;
      const answers = ids.map((id) => framed(`{"LockoutStatus":{"is_locked":true,"seconds_remaining":${id}}}`));
      socket.write(Buffer.concat(answers));
    });
    const answers = await Promise.all([...Array(50).keys()].map((i) => client.checkLockout(String(i))));
    expect(answers.map(({ secondsRemaining }) => Number(secondsRemaining))).to.deep.equal([...Array(50).keys()]);
  });

  it('takes answers in any pieces', async () => {
    const { client } = await talkingTo(async (_, socket) => {
      for (const byte of framed(LOCKED)) {
        socket.write(Buffer.of(byte));
        await turn();
      }
    });
    for (let i = 0; i < 3; i++) {
      expect(await client.checkLockout('alice')).to.deep.equal({ isLocked: true, secondsRemaining: 7n });
    }
  });

  it('understands a deployed validator: no further members, length and body in two writes', async () => {
    const { client } = await talkingTo(async (_, socket) => {
      const text =
        '{"RoundInfo":{"round_start":1762800000000,"tonce":null,"challenge_seconds_remaining":0,"attempted_miners":2,"active_lockouts":1,"difficulty":"0xFF"}}';
      socket.write(header(text.length));
      await turn();
      socket.write(text);
    });
    expect(await client.getRoundInfo('alice')).to.deep.equal({
      roundStart: 1_762_800_000_000n,
      tonce: undefined,
      challengeSecondsRemaining: 0n,
      attemptedMiners: 2n,
      activeLockouts: 1n,
      difficulty: '0xFF',
      round: 0n,
      nextIndex: 0,
      prevBlockHash: Buffer.alloc(0),
      tipTimestamp: undefined,
      serverTime: 0n,
      timescale: Timescale.UNSPECIFIED,
      windowPastMs: 0n,
      windowFutureMs: 0n,
      lockoutMs: 0n,
      clockSpeed: 1,
    });
  });

  it('ignores further members that it does not know', async () => {
    const client = await answered('{"LockoutStatus":{"why":[{}],"seconds_remaining":7,"is_locked":true}}');
    expect((await client.checkLockout('alice')).secondsRemaining).to.equal(7n);
  });

  it('takes a RESULT that it does not know for one', async () => {
    const client = await answered('{"BlockResult":{"result":"RejectedToday","message":"Come back tomorrow"}}');
    expect(await client.submitBlock('alice', BLOCK)).to.deep.include({
      result: SubmitResult.UNRECOGNIZED,
      message: 'Come back tomorrow',
    });
  });

  it('throws a fault where the validator answers with an Error, and goes on with the connection', async () => {
    let asked = 0;
    const { client, sockets } = await talkingTo((_, socket) =>
      socket.write(framed(asked++ === 0 ? '{"Error":{"message":"Invalid block data: x"}}' : LOCKED)),
    );
    const error = await thrown(client.submitBlock('alice', BLOCK));
    expect(error)
      .to.be.an.instanceOf(Fault)
      .and.to.deep.include({ reason: 'MALFORMED', message: 'Invalid block data: x' });
    await client.checkLockout('alice');
    expect(sockets).to.have.length(1);
  });

  it('throws a fault where a block was not taken', async () => {
    const message = 'Not taken: too many requests are waiting';
    const client = await answered(`{"BlockResult":{"result":"RejectedBlockchainValidation","message":"${message}"}}`);
    const error = await thrown(client.submitBlock('alice', BLOCK));
    expect(error).to.be.an.instanceOf(Fault).and.to.deep.include({ reason: 'UNAVAILABLE', message });
  });

  for (const [what, text] of [
    ['an answer to another question', '{"BlockchainInfo":{"block_count":0,"difficulty":"0x1"}}'],
    ['no JSON', 'locked'],
    ['JSON that is no answer', '[]'],
    ['a member that is missing', '{"LockoutStatus":{"is_locked":true}}'],
    ['a number out of range', '{"LockoutStatus":{"is_locked":true,"seconds_remaining":18446744073709551616}}'],
    ['an answer without its value', '"LockoutStatus"'],
  ] as const) {
    it(`throws a ConnectionError, BAD_ANSWER, where the peer sends ${what}`, async () => {
      const client = await answered(text);
      const error = await thrown(client.checkLockout('alice'));
      expect(error).to.be.an.instanceOf(ConnectionError).with.property('reason', 'BAD_ANSWER');
      expect(error.message).to.contain('sent what is no answer');
    });
  }

  for (const [what, bytes] of [
    ['an empty frame', header(0)],
    ['a frame longer than 1 MiB', header(1_048_577)],
    ['an answer that nobody asked for', Buffer.concat([framed(LOCKED), framed(LOCKED)])],
  ] as const) {
    it(`gives a connection up that brings ${what}, and makes another`, async () => {
      const { client, sockets } = await talkingTo((_, socket, connection) =>
        socket.write(connection === 1 ? bytes : framed(LOCKED)),
      );
      await client.checkLockout('alice').catch((error) => {
        expect(error).to.be.an.instanceOf(ConnectionError).with.property('reason', 'BAD_ANSWER');
        expect(error.message).to.contain('does not speak');
      });
      await until(() => sockets[0]?.destroyed === true, 'the connection is gone');
      expect((await client.checkLockout('alice')).isLocked).to.equal(true);
      expect(sockets).to.have.length(2);
    });
  }

  it('never takes the late answer to a call for the answer to the next', async () => {
    const late: Socket[] = [];
    const { peer, sockets } = await talkingTo((_, socket, connection) => {
      if (connection === 1) late.push(socket);
      else socket.write(framed('{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}'));
    });
    const client = new JsonTcpClient(peer.address, 50);
    atEnd(() => client.close());
    expect(await thrown(client.checkLockout('alice')))
      .to.be.an.instanceOf(ConnectionError)
      .with.property('reason', 'TIMED_OUT');
    const next = client.checkLockout('alice');
    late[0]?.write(framed(LOCKED));
    expect((await next).isLocked).to.equal(false);
    expect(sockets).to.have.length(2);
  });

  it('fails the other calls of a connection that one call is given up on: as lost, not as given up', async () => {
    const { client, pieces } = await talkingTo((_, socket, connection) => {
      if (connection > 1) socket.write(framed(LOCKED));
    });
    const giveUp = new AbortController();
    const first = thrown(client.checkLockout('alice', giveUp));
    const other = thrown(client.checkLockout('bob'));
    await until(() => pieces.length > 0, 'the peer was asked');
    giveUp.abort();
    expect(await first)
      .to.be.an.instanceOf(Fault)
      .with.property('reason', 'CANCELLED');
    expect(await other)
      .to.be.an.instanceOf(ConnectionError)
      .with.property('reason', 'UNREACHABLE');
    expect((await client.checkLockout('bob')).isLocked).to.equal(true);
  });

  it('forgets the signal and the time of a call that was answered', async () => {
    const timeouts = holdTimeouts(12_345);
    atEnd(timeouts.restore);
    const waiting: Socket[] = [];
    const { peer, sockets } = await talkingTo((piece, socket) => {
      if (piece.includes('bob')) waiting.push(socket);
      else socket.write(framed(LOCKED));
    });
    const client = new JsonTcpClient(peer.address, 12_345);
    atEnd(() => client.close());
    const giveUp = new AbortController();
    await client.checkLockout('alice', giveUp);
    expect(timeouts.pending()).to.have.length(0);
    const other = client.checkLockout('bob');
    await until(() => waiting.length === 1, 'the peer was asked');
    giveUp.abort();
    waiting[0]?.write(framed(LOCKED));
    expect((await other).isLocked).to.equal(true);
    expect(sockets).to.have.length(1);
  });

  it('does not send what was given up before there was a connection', async () => {
    const { client, pieces } = await talkingTo((_, socket) => socket.write(framed(LOCKED)));
    const giveUp = new AbortController();
    const call = thrown(client.submitBlock('alice', BLOCK, giveUp));
    giveUp.abort();
    expect(await call)
      .to.be.an.instanceOf(Fault)
      .with.property('reason', 'CANCELLED');
    await client.checkLockout('alice');
    expect(Buffer.concat(pieces).toString('latin1')).to.not.contain('SubmitBlock');
  });

  it('connects again where the peer has closed an idle connection, and after it was closed itself', async () => {
    const { client, sockets } = await talkingTo((_, socket) => socket.write(framed(LOCKED)));
    await client.checkLockout('alice');
    sockets[0]?.end();
    await until(() => sockets[0]?.destroyed === true, 'the connection is gone');
    for (let turns = 0; turns < 5; turns++) await turn();
    await client.checkLockout('alice');
    client.close();
    await client.checkLockout('alice');
    expect(sockets).to.have.length(3);
  });
});
