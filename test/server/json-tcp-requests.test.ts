/** What JSON/TCP answers to every kind of request, good and bad (spec, sections 2, 6, 7 and 8). */

import { expect } from 'chai';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import { Fault } from '../../src/engine/fault.js';
import { LIMITS } from '../../src/engine/limits.js';
import type { Log } from '../../src/server/log.js';
import { requestToJson } from '../../src/wire/requests.js';
import { mined, output, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { memoryNode, NO_LOG, type TestNode } from '../support/nodes.js';
import { intercepted, serveJsonTcp } from '../support/servers.js';
import { framed, RawClient } from '../support/sockets.js';
import { SUBMISSION_LIMITS } from '../support/submissions.js';
import { vectors } from '../support/vectors.js';
import { BROKEN, FOUNDER, found, WRONG_GENESIS } from '../support/verdicts.js';
import { until } from '../support/wait.js';

const LOCKOUT = '{"CheckLockout":{"miner_id":"alice"}}';
const NOT_LOCKED = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}';
const ROUND = '{"GetRoundInfo":{"miner_id":"alice"}}';
const INFO = '"GetBlockchainInfo"';

function submission(minerId: string, block: Block): string {
  return requestToJson({ call: 'SubmitBlock', minerId, block });
}

function blockResult(result: string, message: string): string {
  return `{"BlockResult":{"result":"${result}","message":"${message}"}}`;
}

describe('JSON/TCP answers', () => {
  const atEnd = cleanup();
  let test: TestNode;
  let client: RawClient;

  /** A client of the test's validator, with some of its calls replaced. */
  async function clientOf(instead: Parameters<typeof intercepted>[1] = {}, log: Log = NO_LOG) {
    const calls = intercepted(test.node, instead);
    const { address, close } = await serveJsonTcp(calls.validator, undefined, log);
    atEnd(close);
    const connected = async (): Promise<RawClient> => {
      const client = await RawClient.connect(address);
      atEnd(() => client.destroy());
      return client;
    };
    return { calls, client: await connected(), connected };
  }

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    ({ client } = await clientOf());
  });

  /** The block that wins the round in force. */
  async function good(): Promise<Block> {
    return winning(await test.node.getRoundInfo(''), 'alice');
  }

  describe('to questions', () => {
    const START = '1762800000000';
    const ZEROS = '0'.repeat(64);

    it('GetRoundInfo: the round, with the further members after those of the deployed validator', async () => {
      expect(await client.ask(ROUND)).to.equal(
        `{"RoundInfo":{"round_start":${START},"tonce":15,"challenge_seconds_remaining":60,"attempted_miners":0,` +
          '"active_lockouts":0,"difficulty":"0x10000000000000000000000000000000","round":1,"next_index":0,' +
          `"prev_block_hash":"${ZEROS}","tip_timestamp":null,"server_time":${START},"timescale":"tai",` +
          '"window_past_ms":300000,"window_future_ms":500,"lockout_ms":3600000,"clock_speed":1.0}}',
      );
    });

    it('GetRoundInfo on a chain with blocks', async () => {
      const { timestamp } = await found(test);
      test.clock.advance(60_000);
      const { tipHash } = await test.node.getBlockchainInfo();
      expect(await client.ask(ROUND)).to.equal(
        `{"RoundInfo":{"round_start":${START},"tonce":1,"challenge_seconds_remaining":0,"attempted_miners":0,` +
          '"active_lockouts":1,"difficulty":"0x10000000000000000000000000000000","round":2,"next_index":1,' +
          `"prev_block_hash":"${tipHash?.toString('hex')}","tip_timestamp":${timestamp},"server_time":${test.clock.time},` +
          '"timescale":"tai","window_past_ms":300000,"window_future_ms":500,"lockout_ms":3600000,"clock_speed":1.0}}',
      );
    });

    it('CheckLockout: seconds rounded down, and none once the lockout is over', async () => {
      const locked = `{"CheckLockout":{"miner_id":"${FOUNDER}"}}`;
      await found(test);
      expect(await client.ask(locked)).to.equal('{"LockoutStatus":{"is_locked":true,"seconds_remaining":3599}}');
      test.clock.advance(3_598_999);
      expect(await client.ask(locked)).to.equal('{"LockoutStatus":{"is_locked":true,"seconds_remaining":0}}');
      test.clock.advance(1);
      expect(await client.ask(locked)).to.equal(NOT_LOCKED);
    });

    it('GetBlockchainInfo, as a string or with null: the height, the difficulty and the tip', async () => {
      const empty =
        '{"BlockchainInfo":{"block_count":0,"difficulty":"0x10000000000000000000000000000000","tip_hash":null}}';
      expect(await client.ask(INFO)).to.equal(empty);
      expect(await client.ask('{"GetBlockchainInfo":null}')).to.equal(empty);
      await found(test);
      const { tipHash } = await test.node.getBlockchainInfo();
      expect(await client.ask(INFO)).to.equal(
        `{"BlockchainInfo":{"block_count":1,"difficulty":"0x10000000000000000000000000000000","tip_hash":"${tipHash?.toString('hex')}"}}`,
      );
    });

    it('A miner id longer than any may be is asked about like another: a deployed miner exits on an Error', async () => {
      const longId = 'a'.repeat(LIMITS.minerIdBytes + 1);
      expect(await client.ask(`{"CheckLockout":{"miner_id":"${longId}"}}`)).to.equal(NOT_LOCKED);
      expect(await client.ask(`{"GetRoundInfo":{"miner_id":"${longId}"}}`)).to.contain('"RoundInfo"');
    });
  });

  describe('to submissions, in the words of section 2', () => {
    it('Accepted, then RejectedMinerInLockout', async () => {
      const accepted = blockResult('Accepted', 'Block accepted! You are now in 1-hour lockout.');
      expect(await client.ask(submission('alice', await good()))).to.equal(accepted);
      test.clock.advance(500);
      const locked = blockResult('RejectedMinerInLockout', 'Miner in lockout. 3599 seconds remaining.');
      expect(await client.ask(submission('alice', await good()))).to.equal(locked);
    });

    it('RejectedMinerAlreadyAttempted', async () => {
      const bad = mined({ ...(await good()), timestamp: test.clock.time + 501n });
      expect(await client.ask(submission('alice', bad))).to.equal(
        blockResult('RejectedInvalidTimestamp', 'Invalid timestamp'),
      );
      expect(await client.ask(submission('alice', await good()))).to.equal(
        blockResult('RejectedMinerAlreadyAttempted', 'Already attempted this round'),
      );
    });

    for (const { name, wire, message, usesUp, block } of BROKEN) {
      it(`${wire}, "${message}": ${name}`, async () => {
        const unspent = await found(test);
        const bad = block(await test.node.getRoundInfo(''), unspent);
        expect(await client.ask(submission('alice', bad))).to.equal(blockResult(wire, message));
        expect((await test.node.getMiner('alice')).hasAttempted).to.equal(usesUp);
      });
    }

    it(`RejectedBlockchainValidation, "${WRONG_GENESIS.message}": ${WRONG_GENESIS.name}`, async () => {
      const { block, message } = WRONG_GENESIS;
      const bad = block(await test.node.getRoundInfo(''), output('', 0, 0n));
      expect(await client.ask(submission('alice', bad))).to.equal(blockResult('RejectedBlockchainValidation', message));
    });

    it('A block whose hash and previous hash have any length is judged', async () => {
      for (const length of [0, 31, 33, 1_000]) {
        const bytes = Buffer.alloc(length, 7);
        const prev = { ...(await good()), prevBlockHash: bytes };
        expect(await client.ask(submission('alice', prev))).to.contain('InvalidGenesisBlockFormat');
        const hash = { ...(await good()), hash: bytes };
        expect(await client.ask(submission(`miner ${length}`, hash))).to.contain('RejectedInvalidHash');
      }
    });
  });

  describe('to what cannot be read: an Error, and the connection lives on', () => {
    const { decode, hex } = vectors<{
      decode: { json: string; accepted: boolean }[];
      hex: { hash: string; prev_block_hash: string; error: string | null }[];
    }>('messages');

    it('every text that a deployed validator refuses', async () => {
      const refused = decode.filter(({ json, accepted }) => !accepted && json !== '').map(({ json }) => json);
      expect(refused.length).to.be.above(50);
      for (const json of refused) {
        expect(await client.ask(json), json).to.match(/^\{"Error":\{"message":"Invalid request: .+"\}\}$/);
      }
      expect(await client.ask(LOCKOUT)).to.equal(NOT_LOCKED);
      expect((await test.node.getRoundInfo('')).attemptedMiners).to.equal(0n);
    });

    const bytes: readonly (readonly [string, Buffer])[] = [
      ['a byte that is not UTF-8', Buffer.from('{"CheckLockout":{"miner_id":"\xff"}}', 'latin1')],
      ['an overlong form', Buffer.from('{"CheckLockout":{"miner_id":"\xc0\xaf"}}', 'latin1')],
      ['a surrogate in UTF-8', Buffer.from('{"CheckLockout":{"miner_id":"\xed\xa0\x80"}}', 'latin1')],
      ['a byte-order mark', Buffer.from(`\ufeff${LOCKOUT}`)],
      ['UTF-16', Buffer.from(LOCKOUT, 'utf16le')],
      ['zeros', Buffer.alloc(1_000)],
      ['deep nesting', Buffer.from('['.repeat(1_000_000))],
      ['deep nesting in an ignored member', Buffer.from(`{"CheckLockout":{"x":${'['.repeat(500_000)}`)],
      [
        'a number without an end',
        Buffer.from(`{"SubmitBlock":{"miner_id":"m","block":{"nonce":${'9'.repeat(900_000)}`),
      ],
      ['a string without an end', Buffer.from(`"${'a'.repeat(1_000_000)}`)],
    ];
    for (const [name, request] of bytes) {
      it(name, async () => {
        expect(await client.ask(request)).to.match(/^\{"Error":\{"message":"Invalid request: .{1,200}"\}\}$/);
        expect(await client.ask(LOCKOUT)).to.equal(NOT_LOCKED);
      });
    }

    for (const { hash, prev_block_hash, error } of hex) {
      it(`the hashes "${hash.slice(0, 8)}" and "${prev_block_hash.slice(0, 8)}": ${error ?? 'are judged'}`, async () => {
        const json = `{"SubmitBlock":{"miner_id":"m","block":{"index":1,"timestamp":1,"hash":"${hash}","prev_block_hash":"${prev_block_hash}","nonce":0,"transactions":[]}}}`;
        const judged = blockResult('RejectedBlockchainValidation', 'Blockchain validation failed: MismatchedIndex');
        expect(await client.ask(json)).to.equal(error === null ? judged : `{"Error":{"message":"${error}"}}`);
        expect(await client.ask(LOCKOUT)).to.equal(NOT_LOCKED);
      });
    }
  });

  describe('to what is beyond a limit: "Not taken", and nothing is used up', () => {
    for (const { what, limit, of } of SUBMISSION_LIMITS) {
      it(`${limit + 1} ${what}; ${limit} are judged`, async () => {
        const { minerId, block } = of(limit + 1);
        expect(await client.ask(submission(minerId, block))).to.match(
          new RegExp(
            `^\\{"BlockResult":\\{"result":"RejectedBlockchainValidation","message":"Not taken: .* at most ${limit} `,
          ),
        );
        const within = of(limit);
        // What is not beyond the limit is well-formed, and not mined.
        expect(await client.ask(submission(within.minerId, within.block))).to.match(
          /RejectedTonceChallenge|RejectedInvalidHash/,
        );
        expect((await test.node.getRoundInfo('')).attemptedMiners).to.equal(1n);
      });
    }

    it('A later block of the same miner is accepted', async () => {
      const block = await good();
      const transactions = Array(LIMITS.transactions + 1).fill({ inputs: [], outputs: [] });
      expect(await client.ask(submission('alice', { ...block, transactions }))).to.equal(
        blockResult('RejectedBlockchainValidation', 'Not taken: a block has at most 1000 transactions'),
      );
      expect(await client.ask(submission('alice', block))).to.contain('"Accepted"');
    });
  });

  describe('of a validator that is overloaded', () => {
    /** Throws so many times, then asks the validator. */
    function overloaded<A extends unknown[], T>(times: number, ask: (...args: A) => Promise<T>) {
      let left = times;
      return async (...args: A): Promise<T> => {
        if (left-- > 0) throw new Fault('OVERLOADED', 'too many requests are waiting');
        return ask(...args);
      };
    }

    it('SubmitBlock: "Not taken", and a later one is judged', async () => {
      const { client } = await clientOf({
        submitBlock: overloaded(1, (minerId, block) => test.node.submitBlock(minerId, block)),
      });
      const block = await good();
      expect(await client.ask(submission('alice', block))).to.equal(
        blockResult('RejectedBlockchainValidation', 'Not taken: too many requests are waiting'),
      );
      expect(await client.ask(submission('alice', block))).to.contain('"Accepted"');
    });

    it('CheckLockout of a client that has gone is not asked again', async () => {
      const asked: string[] = [];
      const { client, connected } = await clientOf({
        async checkLockout(minerId) {
          asked.push(minerId);
          // Who stays is asked for until who has gone would have been, twice over.
          if (minerId === 'stays' && asked.filter((id) => id === 'stays').length > 2) return test.node.checkLockout('');
          throw new Fault('OVERLOADED', 'too many requests are waiting');
        },
      });
      client.socket.write(framed(requestToJson({ call: 'CheckLockout', minerId: 'goes' })));
      await until(() => asked.length === 1, 'it was asked');
      client.socket.resetAndDestroy();
      const staying = await connected();
      expect(await staying.ask(requestToJson({ call: 'CheckLockout', minerId: 'stays' }))).to.equal(NOT_LOCKED);
      expect(asked).to.deep.equal(['goes', 'stays', 'stays', 'stays']);
    });

    it('CheckLockout of a client that has shut its side down is asked again, and answered', async () => {
      const { client } = await clientOf({
        checkLockout: overloaded(2, (minerId) => test.node.checkLockout(minerId)),
      });
      client.socket.write(framed(LOCKOUT));
      client.shutDown();
      expect(await client.answers()).to.deep.equal([NOT_LOCKED]);
    });

    it('CheckLockout and GetRoundInfo are slowed down and then answered, never with an Error', async () => {
      const { calls, client } = await clientOf({
        checkLockout: overloaded(3, (minerId) => test.node.checkLockout(minerId)),
        getRoundInfo: overloaded(2, (minerId) => test.node.getRoundInfo(minerId)),
      });
      client.socket.write(Buffer.concat([framed(LOCKOUT), framed(ROUND), framed(INFO)]));
      expect(await client.answer()).to.equal(NOT_LOCKED);
      expect(await client.answer()).to.contain('"RoundInfo"');
      expect(await client.answer()).to.contain('"BlockchainInfo"');
      expect(calls.count('checkLockout')).to.equal(4);
      expect(calls.count('getRoundInfo')).to.equal(3);
    });
  });

  describe('of a validator that cannot answer', () => {
    const failing = async (): Promise<never> => {
      throw new Fault('UNAVAILABLE', 'the validator cannot write to its store');
    };

    it('SubmitBlock: "Not taken", and the connection lives on', async () => {
      const { client } = await clientOf({ submitBlock: failing });
      expect(await client.ask(submission('alice', await good()))).to.equal(
        blockResult('RejectedBlockchainValidation', 'Not taken: the validator cannot write to its store'),
      );
      expect(await client.ask(LOCKOUT)).to.equal(NOT_LOCKED);
    });

    for (const request of [ROUND, LOCKOUT, INFO]) {
      it(`${request}: closed without a word, after the answers to what came before`, async () => {
        const { client } = await clientOf({
          getRoundInfo: failing,
          checkLockout: failing,
          getBlockchainInfo: failing,
        });
        client.socket.write(Buffer.concat([framed('{}'), framed(request), framed('{}')]));
        expect(await client.answers()).to.have.length(1);
      });
    }

    it('because of a defect: it is logged, that connection is closed, and the next is served', async () => {
      const errors: string[] = [];
      const log = { ...NO_LOG, error: (text: string) => void errors.push(text) };
      const defect = async (): Promise<never> => {
        throw new TypeError('something is undefined');
      };
      const { client, connected } = await clientOf({ getRoundInfo: defect, submitBlock: defect }, log);
      client.socket.write(framed(ROUND));
      expect(await client.answers()).to.deep.equal([]);
      const second = await connected();
      second.socket.write(framed(submission('alice', await good())));
      expect(await second.answers()).to.deep.equal([]);
      expect(errors.join()).to.match(/something is undefined.*something is undefined/s);
      expect(await (await connected()).ask(LOCKOUT)).to.equal(NOT_LOCKED);
    });
  });
});
