/** What the gRPC API answers (spec, section 8; the comments of proto/hourcoin/v1): verdicts, faults with their details, pages, cancellation. */

import { type ServiceError, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import * as chain from '../../gen/hourcoin/v1/chain_service.js';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import { NO_HASH, outputId } from '../../src/engine/bytes.js';
import { Fault } from '../../src/engine/fault.js';
import { LIMITS } from '../../src/engine/limits.js';
import type { Log } from '../../src/server/log.js';
import { output, sealed, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { grow } from '../support/growth.js';
import { detailsOf, grpcFramed, Http2Client, RawGrpc } from '../support/grpc.js';
import { heldNode } from '../support/held-store.js';
import { memoryNode, NO_LOG, type TestNode } from '../support/nodes.js';
import { delimited, nested, tag } from '../support/protobuf-bytes.js';
import { intercepted, serveGrpc } from '../support/servers.js';
import { proxyTo } from '../support/sockets.js';
import { SUBMISSION_LIMITS } from '../support/submissions.js';
import { BROKEN, FOUNDER, found } from '../support/verdicts.js';
import { until } from '../support/wait.js';

const HOUR = 3_600_000n;

const { SubmitResult, ChainCode } = service;

/** The error of a call that must fail. */
function failure(call: Promise<unknown>): Promise<ServiceError> {
  return call.then(
    () => {
      throw new Error('the call was answered');
    },
    (error: ServiceError) => error,
  );
}

describe('gRPC', () => {
  const atEnd = cleanup();
  let test: TestNode;
  let grpc: RawGrpc;

  async function clientOf(instead: Parameters<typeof intercepted>[1] = {}, log: Log = NO_LOG) {
    const calls = intercepted(test.node, instead);
    const { address, close } = await serveGrpc(calls.validator, undefined, log);
    atEnd(close);
    const grpc = new RawGrpc(address);
    atEnd(() => grpc.close());
    return { grpc, calls, address };
  }

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    ({ grpc } = await clientOf());
  });

  const roundInfo = async (): Promise<service.RoundInfo | undefined> => {
    const request = service.GetRoundInfoRequest.encode({ minerId: 'alice' }).finish();
    return service.GetRoundInfoResponse.decode(await grpc.unary('ValidatorService/GetRoundInfo', request)).roundInfo;
  };
  const submit = async (minerId: string, block: Block, to = grpc): Promise<service.SubmitBlockResponse> => {
    const request = service.SubmitBlockRequest.encode({ minerId, block }).finish();
    return service.SubmitBlockResponse.decode(await to.unary('ValidatorService/SubmitBlock', request));
  };
  const list = async (request: chain.ListBlocksRequest): Promise<chain.ListBlocksResponse> => {
    const bytes = await grpc.unary('ChainService/ListBlocks', chain.ListBlocksRequest.encode(request).finish());
    return chain.ListBlocksResponse.decode(bytes);
  };
  const address = async (request: chain.GetAddressRequest): Promise<chain.GetAddressResponse> => {
    const bytes = await grpc.unary('ChainService/GetAddress', chain.GetAddressRequest.encode(request).finish());
    return chain.GetAddressResponse.decode(bytes);
  };
  const block = async (request: chain.GetBlockRequest): Promise<chain.GetBlockResponse> => {
    const bytes = await grpc.unary('ChainService/GetBlock', chain.GetBlockRequest.encode(request).finish());
    return chain.GetBlockResponse.decode(bytes);
  };
  const miner = async (minerId: string): Promise<chain.GetMinerResponse> => {
    const bytes = await grpc.unary('ChainService/GetMiner', chain.GetMinerRequest.encode({ minerId }).finish());
    return chain.GetMinerResponse.decode(bytes);
  };
  const good = async (): Promise<Block> => winning(await test.node.getRoundInfo(''), 'alice');

  describe('ValidatorService', () => {
    const START = 1_762_800_000_000n;

    it('GetRoundInfo: the round with all that is needed to make a block', async () => {
      const empty: service.RoundInfo = {
        roundStart: START,
        tonce: 15,
        challengeSecondsRemaining: 60n,
        attemptedMiners: 0n,
        activeLockouts: 0n,
        difficulty: '0x10000000000000000000000000000000',
        round: 1n,
        nextIndex: 0,
        prevBlockHash: NO_HASH,
        tipTimestamp: undefined,
        serverTime: START,
        timescale: service.Timescale.TAI,
        windowPastMs: 300_000n,
        windowFutureMs: 500n,
        lockoutMs: HOUR,
        clockSpeed: 1,
      };
      expect(await roundInfo()).to.deep.equal(empty);
      const { timestamp } = await found(test);
      test.clock.advance(60_000);
      expect(await roundInfo()).to.deep.equal({
        ...empty,
        tonce: 1,
        challengeSecondsRemaining: 0n,
        activeLockouts: 1n,
        round: 2n,
        nextIndex: 1,
        prevBlockHash: (await test.node.getBlockchainInfo()).tipHash,
        tipTimestamp: timestamp,
        serverTime: START + 61_000n,
      });
    });

    it('CheckLockout', async () => {
      const request = service.CheckLockoutRequest.encode({ minerId: FOUNDER }).finish();
      const check = async () =>
        service.CheckLockoutResponse.decode(await grpc.unary('ValidatorService/CheckLockout', request));
      expect(await check()).to.deep.equal({ isLocked: false, secondsRemaining: 0n });
      await found(test);
      expect(await check()).to.deep.equal({ isLocked: true, secondsRemaining: 3_599n });
    });

    it('GetBlockchainInfo: no tip before the first block', async () => {
      const info = async () =>
        service.GetBlockchainInfoResponse.decode(await grpc.unary('ValidatorService/GetBlockchainInfo', Buffer.of()));
      const difficulty = '0x10000000000000000000000000000000';
      expect(await info()).to.deep.equal({ blockCount: 0n, difficulty, tipHash: undefined });
      const [first] = await grow(test, 1);
      expect(await info()).to.deep.equal({ blockCount: 1n, difficulty, tipHash: first?.hash });
    });

    it('SubmitBlock: accepted, and when the miner may submit again', async () => {
      expect(await submit('alice', await good())).to.deep.equal({
        result: SubmitResult.ACCEPTED,
        message: 'Block accepted! You are now in 1-hour lockout.',
        code: ChainCode.UNSPECIFIED,
        retryAfterMs: HOUR,
      });
      test.clock.advance(1_500);
      expect(await submit('alice', await good())).to.deep.equal({
        result: SubmitResult.REJECTED_MINER_IN_LOCKOUT,
        message: 'Miner in lockout. 3598 seconds remaining.',
        code: ChainCode.UNSPECIFIED,
        retryAfterMs: HOUR - 1_500n,
      });
    });

    it('SubmitBlock: the attempt is used up until the round ends', async () => {
      await submit('alice', { ...(await good()), hash: NO_HASH });
      test.clock.advance(600_000);
      expect(await submit('alice', await good())).to.deep.equal({
        result: SubmitResult.REJECTED_MINER_ALREADY_ATTEMPTED,
        message: 'Already attempted this round',
        code: ChainCode.UNSPECIFIED,
        retryAfterMs: HOUR - 600_000n,
      });
    });

    for (const { name, result, code, message, usesUp, block } of BROKEN) {
      it(`SubmitBlock: a rejection is an answer: ${name}`, async () => {
        const unspent = await found(test);
        const round = await test.node.getRoundInfo('');
        expect(await submit('alice', block(round, unspent))).to.deep.equal({
          result,
          code,
          message,
          retryAfterMs: usesUp ? round.roundStart + HOUR - test.clock.time : 0n,
        });
      });
    }
  });

  describe('ChainService', () => {
    it('GetBlock: by index and by hash, with what was known when it was accepted', async () => {
      const [first, second] = await grow(test, 2);
      const byIndex = await block({ by: { $case: 'index', value: 1 } });
      expect(byIndex.block).to.deep.include({
        block: second,
        minerId: 'miner of #1',
        acceptedAt: test.clock.time,
        round: 2n,
        tonce: 1,
        difficulty: '0x10000000000000000000000000000000',
      });
      expect(byIndex.block?.contentHash).to.have.length(32);
      expect(await block({ by: { $case: 'hash', value: second?.hash ?? NO_HASH } })).to.deep.equal(byIndex);
      expect((await block({ by: { $case: 'index', value: 0 } })).block?.block).to.deep.equal(first);
    });

    it('ListBlocks: pages with stable tokens while the chain grows', async () => {
      await grow(test, 7);
      const first = await list({ pageSize: 3, pageToken: '', fromIndex: 1 });
      expect(indexes(first)).to.deep.equal([1, 2, 3]);
      await grow(test, 2);
      const second = await list({ pageSize: 4, pageToken: first.nextPageToken, fromIndex: 1 });
      expect(indexes(second)).to.deep.equal([4, 5, 6, 7]);
      const third = await list({ pageSize: 4, pageToken: second.nextPageToken, fromIndex: 1 });
      expect(indexes(third)).to.deep.equal([8]);
      expect(third.nextPageToken).to.equal('');
      expect(await list({ pageSize: 4, pageToken: second.nextPageToken, fromIndex: 1 })).to.deep.equal(third);
    });

    it('ListBlocks: 100 blocks unless it is said, and nothing beyond the end', async () => {
      await grow(test, 101);
      const page = await list({ pageSize: 0, pageToken: '', fromIndex: 0 });
      expect(page.blocks).to.have.length(100);
      expect(indexes(await list({ pageSize: 0, pageToken: page.nextPageToken, fromIndex: 0 }))).to.deep.equal([100]);
      const whole = await list({ pageSize: 1_000, pageToken: '', fromIndex: 0 });
      expect(whole.blocks).to.have.length(101);
      expect(whole.nextPageToken).to.equal('');
      for (const fromIndex of [101, 0xffff_ffff]) {
        const none = { blocks: [], nextPageToken: '' };
        expect(await list({ pageSize: 0, pageToken: '', fromIndex })).to.deep.equal(none);
      }
    });

    it('ListBlocks: a page of large blocks ends at about 1 MiB, and fits an answer', async () => {
      const large = (from: number) => [
        { inputs: [], outputs: Array.from({ length: 9_000 }, (_, i) => output(`${from + i}`.padEnd(60, 'x'), 0, 0n)) },
      ];
      for (let i = 0; i < 3; i++) await grow(test, 1, large(i * 9_000));
      const first = await list({ pageSize: 0, pageToken: '', fromIndex: 0 });
      expect(indexes(first)).to.deep.equal([0, 1, 2].slice(0, first.blocks.length));
      expect(first.blocks.length).to.be.below(3);
      const rest = await list({ pageSize: 0, pageToken: first.nextPageToken, fromIndex: 0 });
      expect([...indexes(first), ...indexes(rest)]).to.deep.equal([0, 1, 2]);
    });

    it('GetAddress: balance and unspent outputs, oldest first, with tokens that stay good while outputs come and go', async () => {
      const blocks = await grow(test, 4);
      const coins = blocks.map(({ transactions }) => transactions[0]?.outputs[0] ?? output('', 0, 0n));
      const first = await address({ address: 'wallet', pageSize: 2, pageToken: '' });
      expect(first).to.deep.include({ address: 'wallet', balance: 8, unspentCount: 4n });
      expect(first.unspentOutputs).to.deep.equal(
        coins.slice(0, 2).map((coin, i) => ({ output: coin, outputId: outputId(coin), blockIndex: i })),
      );
      // The last one shown and the next one are spent, and another is made.
      await grow(test, 1, [{ inputs: coins.slice(1, 3), outputs: [output('shop', 4, test.clock.time + 61_000n)] }]);
      const second = await address({ address: 'wallet', pageSize: 2, pageToken: first.nextPageToken });
      expect(second).to.deep.include({ balance: 6, unspentCount: 3n, nextPageToken: '' });
      expect(second.unspentOutputs.map(({ blockIndex }) => blockIndex)).to.deep.equal([3, 4]);
      expect(await address({ address: 'shop', pageSize: 0, pageToken: '' })).to.deep.include({
        balance: 4,
        unspentCount: 1n,
      });
    });

    it('Pages of more than 1,000 entries have 1,000', async () => {
      const outputs = Array.from({ length: 1_001 }, (_, i) => output('many', 0, BigInt(i)));
      await grow(test, 1, [{ inputs: [], outputs }]);
      const most = await address({ address: 'many', pageSize: 0x7fff_ffff, pageToken: '' });
      expect(most.unspentOutputs).to.have.length(1_000);
      const last = await address({ address: 'many', pageSize: 1_001, pageToken: most.nextPageToken });
      expect(last.unspentOutputs).to.have.length(1);
      expect(indexes(await list({ pageSize: 1_001, pageToken: '', fromIndex: 0 }))).to.deep.equal([0]);
    });

    it('GetAddress: an address that was never used has a balance of 0', async () => {
      for (const unused of ['nobody', '', 'é'.repeat(128)]) {
        expect(await address({ address: unused, pageSize: 0, pageToken: '' })).to.deep.equal({
          address: unused,
          balance: 0,
          unspentCount: 0n,
          unspentOutputs: [],
          nextPageToken: '',
        });
      }
    });

    it('GetMiner: before its first block, with its attempt used up, in lockout, and after that', async () => {
      const unknown = {
        minerId: 'alice',
        isLocked: false,
        lockoutRemainingMs: 0n,
        hasAttempted: false,
        blockCount: 0n,
        lastBlockIndex: undefined,
      };
      expect(await miner('alice')).to.deep.equal(unknown);
      await submit('alice', { ...(await good()), hash: NO_HASH });
      expect(await miner('alice')).to.deep.equal({ ...unknown, hasAttempted: true });
      await grow(test, 1);
      await submit('alice', await good());
      test.clock.advance(1);
      const after = { ...unknown, blockCount: 1n, lastBlockIndex: 1 };
      expect(await miner('alice')).to.deep.equal({ ...after, isLocked: true, lockoutRemainingMs: HOUR - 1n });
      test.clock.advance(HOUR);
      expect(await miner('alice')).to.deep.equal(after);
    });
  });

  describe('Faults are statuses with details', () => {
    const text = (field: number, value: string): Buffer => delimited(field, Buffer.from(value));
    const invalid = status.INVALID_ARGUMENT;
    const faults: { what: string; method: string; request: Buffer; code: status; reason: string; field?: string }[] = [
      {
        what: 'a submission without miner',
        method: 'ValidatorService/SubmitBlock',
        request: delimited(2, Buffer.of()),
        code: invalid,
        reason: 'MALFORMED',
        field: 'miner_id',
      },
      {
        what: 'a submission without block',
        method: 'ValidatorService/SubmitBlock',
        request: text(1, 'alice'),
        code: invalid,
        reason: 'MALFORMED',
        field: 'block',
      },
      {
        what: 'a lockout of nobody',
        method: 'ValidatorService/CheckLockout',
        request: Buffer.of(),
        code: invalid,
        reason: 'MALFORMED',
        field: 'miner_id',
      },
      {
        what: 'a lockout of too long an id',
        method: 'ValidatorService/CheckLockout',
        request: text(1, 'a'.repeat(257)),
        code: invalid,
        reason: 'LIMIT_EXCEEDED',
        field: 'miner_id',
      },
      {
        what: 'a round for too long an id',
        method: 'ValidatorService/GetRoundInfo',
        request: text(1, 'a'.repeat(257)),
        code: invalid,
        reason: 'LIMIT_EXCEEDED',
        field: 'miner_id',
      },
      {
        what: 'a block without name',
        method: 'ChainService/GetBlock',
        request: Buffer.of(),
        code: invalid,
        reason: 'MALFORMED',
      },
      {
        what: 'a block by a hash of 31 bytes',
        method: 'ChainService/GetBlock',
        request: delimited(2, Buffer.alloc(31)),
        code: invalid,
        reason: 'MALFORMED',
        field: 'hash',
      },
      {
        what: 'a block beyond the tip',
        method: 'ChainService/GetBlock',
        request: Buffer.concat([tag(1, 0), Buffer.of(0)]),
        code: status.NOT_FOUND,
        reason: 'NOT_FOUND',
      },
      {
        what: 'a block of an unknown hash',
        method: 'ChainService/GetBlock',
        request: delimited(2, Buffer.alloc(32, 1)),
        code: status.NOT_FOUND,
        reason: 'NOT_FOUND',
      },
      {
        what: 'a page of -1 blocks',
        method: 'ChainService/ListBlocks',
        request: Buffer.from(chain.ListBlocksRequest.encode({ pageSize: -1, pageToken: '', fromIndex: 0 }).finish()),
        code: invalid,
        reason: 'MALFORMED',
        field: 'page_size',
      },
      {
        what: 'a page of blocks after a made-up token',
        method: 'ChainService/ListBlocks',
        request: text(2, 'next'),
        code: invalid,
        reason: 'MALFORMED',
        field: 'page_token',
      },
      {
        what: 'a page of -1 outputs',
        method: 'ChainService/GetAddress',
        request: Buffer.from(chain.GetAddressRequest.encode({ address: 'a', pageSize: -1, pageToken: '' }).finish()),
        code: invalid,
        reason: 'MALFORMED',
        field: 'page_size',
      },
      {
        what: 'a page of outputs after a made-up token',
        method: 'ChainService/GetAddress',
        request: text(3, '-1'),
        code: invalid,
        reason: 'MALFORMED',
        field: 'page_token',
      },
      {
        what: 'too long an address',
        method: 'ChainService/GetAddress',
        request: text(1, 'a'.repeat(257)),
        code: invalid,
        reason: 'LIMIT_EXCEEDED',
        field: 'address',
      },
      {
        what: 'a miner without id',
        method: 'ChainService/GetMiner',
        request: Buffer.of(),
        code: invalid,
        reason: 'MALFORMED',
        field: 'miner_id',
      },
    ];
    for (const { what, method, request, code, reason, field } of faults) {
      it(`${what}: ${status[code]}, ${reason}${field ? `, ${field}` : ''}`, async () => {
        const error = await failure(grpc.unary(method, request));
        expect(error.code).to.equal(code);
        const info = { 'google.rpc.ErrorInfo': { reason, domain: 'hourcoin' } };
        const bad = { 'google.rpc.BadRequest': { fieldViolations: [{ field, description: error.details }] } };
        expect(detailsOf(error)).to.deep.equal(field === undefined ? info : { ...info, ...bad });
        expect(await roundInfo(), 'the next call is answered').to.not.equal(undefined);
      });
    }

    for (const { what, limit, field, of } of SUBMISSION_LIMITS) {
      it(`a submission of ${limit + 1} ${what}: INVALID_ARGUMENT, ${field}, and nothing is used up`, async () => {
        const { minerId, block } = of(limit + 1);
        const error = await failure(submit(minerId, block));
        expect(error.code).to.equal(status.INVALID_ARGUMENT);
        expect(detailsOf(error)).to.deep.equal({
          'google.rpc.ErrorInfo': { reason: 'LIMIT_EXCEEDED', domain: 'hourcoin' },
          'google.rpc.BadRequest': { fieldViolations: [{ field, description: error.details }] },
        });
        expect((await roundInfo())?.attemptedMiners).to.equal(0n);
      });
    }

    const bytes: readonly (readonly [string, string, Buffer])[] = [
      ['a varint without an end', 'ValidatorService/GetRoundInfo', Buffer.alloc(12, 0xff)],
      ['field number 0', 'ValidatorService/GetRoundInfo', Buffer.of(0, 0)],
      ['a length beyond the end', 'ValidatorService/GetRoundInfo', Buffer.of(0x0a, 5, 0x61)],
      ['text that is not UTF-8', 'ValidatorService/GetRoundInfo', delimited(1, Buffer.of(0xff))],
      ['a group', 'ValidatorService/GetBlockchainInfo', Buffer.of(0x0b, 0x0c)],
      [
        'an address that is not UTF-8, deep inside',
        'ValidatorService/SubmitBlock',
        Buffer.concat([delimited(1, Buffer.from('m')), nested([2, 6, 2, 1], Buffer.of(0xc0, 0xaf))]),
      ],
      [
        'a block that is cut off',
        'ValidatorService/SubmitBlock',
        Buffer.concat([delimited(1, Buffer.from('m')), delimited(2, Buffer.of(0x08))]),
      ],
    ];
    for (const [what, method, request] of bytes) {
      it(`what is not protobuf: ${what}: INVALID_ARGUMENT, MALFORMED`, async () => {
        const error = await failure(grpc.unary(method, request));
        expect(error.code).to.equal(status.INVALID_ARGUMENT);
        expect(detailsOf(error)).to.deep.equal({ 'google.rpc.ErrorInfo': { reason: 'MALFORMED', domain: 'hourcoin' } });
        expect(await roundInfo()).to.not.equal(undefined);
      });
    }

    it('a message of more than 1 MiB: RESOURCE_EXHAUSTED, and the connection lives on', async () => {
      const fits = delimited(15, Buffer.alloc(LIMITS.messageBytes - 5));
      await grpc.unary('ValidatorService/GetRoundInfo', fits);
      const error = await failure(
        grpc.unary('ValidatorService/GetRoundInfo', Buffer.concat([fits, Buffer.of(0x10, 1)])),
      );
      expect(error.code).to.equal(status.RESOURCE_EXHAUSTED);
      expect(await roundInfo()).to.not.equal(undefined);
    });

    it('a message that is more than 1 MiB once it is inflated: RESOURCE_EXHAUSTED', async () => {
      const { address } = await clientOf();
      const gzip = new RawGrpc(address, { 'grpc.default_compression_algorithm': 2 });
      atEnd(() => gzip.close());
      const inflated = delimited(15, Buffer.alloc(20 * LIMITS.messageBytes));
      const error = await failure(gzip.unary('ValidatorService/GetRoundInfo', inflated));
      expect(error.code).to.equal(status.RESOURCE_EXHAUSTED);
    });

    for (const [what, request] of [
      ['no message', Buffer.of()],
      ['two messages', Buffer.concat([grpcFramed(Buffer.of()), grpcFramed(Buffer.of())])],
    ] as const) {
      it(`a request of ${what}, where one is asked for: UNIMPLEMENTED`, async () => {
        const { address, calls } = await clientOf();
        const http2 = new Http2Client(address);
        atEnd(() => http2.close());
        const call = http2.begin('ValidatorService/GetBlockchainInfo', request);
        call.end(Buffer.of());
        call.resume();
        await until(() => call.status() !== undefined, 'it ends');
        expect(call.status()).to.equal(status.UNIMPLEMENTED);
        expect(calls.count('getBlockchainInfo')).to.equal(0);
      });
    }

    it('a call that is not there: UNIMPLEMENTED', async () => {
      expect((await failure(grpc.unary('ValidatorService/GetNothing', Buffer.of()))).code).to.equal(
        status.UNIMPLEMENTED,
      );
    });

    for (const [reason, code] of [
      ['OVERLOADED', status.RESOURCE_EXHAUSTED],
      ['UNAVAILABLE', status.UNAVAILABLE],
    ] as const) {
      it(`a validator that is ${reason}: ${status[code]}, and when to ask again`, async () => {
        const refuse = async (): Promise<never> => {
          throw new Fault(reason, 'later');
        };
        const { grpc } = await clientOf({ submitBlock: refuse });
        const error = await failure(submit('alice', await good(), grpc));
        expect(error.code).to.equal(code);
        expect(error.details).to.equal('later');
        expect(detailsOf(error)).to.deep.equal({
          'google.rpc.ErrorInfo': { reason, domain: 'hourcoin' },
          'google.rpc.RetryInfo': { retryDelay: { seconds: 1 } },
        });
      });
    }

    it('a defect: INTERNAL without a word of it, which is in the log', async () => {
      const errors: string[] = [];
      const log = { ...NO_LOG, error: (text: string) => void errors.push(text) };
      const { grpc } = await clientOf(
        {
          getRoundInfo: async () => {
            throw new TypeError('something is undefined');
          },
        },
        log,
      );
      const error = await failure(grpc.unary('ValidatorService/GetRoundInfo', Buffer.of()));
      expect(error.code).to.equal(status.INTERNAL);
      expect(error.details).to.equal('internal error');
      expect(errors.join()).to.contain('something is undefined');
    });
  });

  describe('A SubmitBlock that is given up before it is judged uses nothing up', () => {
    /** bob's block is not judged yet: a block of alice is being made durable before it. It would use bob's attempt up. */
    async function waiting(options: { deadline?: number }, signal?: AbortSignal) {
      const { node, store } = await heldNode();
      atEnd(() => node.stop());
      const calls = intercepted(node);
      const { address, close } = await serveGrpc(calls.validator);
      atEnd(close);
      const proxy = await proxyTo(address);
      atEnd(proxy.close);
      const grpc = new RawGrpc(proxy.address);
      atEnd(() => grpc.close());
      const first = winning(await node.getRoundInfo(''), 'alice');
      store.hold();
      atEnd(() => store.release());
      const accepted = node.submitBlock('alice', first);
      const next = sealed({ ...first, index: 1, prevBlockHash: first.hash, timestamp: first.timestamp + 1n });
      const request = service.SubmitBlockRequest.encode({ minerId: 'bob', block: { ...next, hash: NO_HASH } }).finish();
      const call = grpc.unary('ValidatorService/SubmitBlock', request, options, signal);
      call.catch(() => {});
      await until(() => calls.count('submitBlock') === 1, 'the block has arrived');
      const letGo = async (): Promise<boolean> => {
        store.release();
        await accepted;
        return (await node.getMiner('bob')).hasAttempted;
      };
      return { call, calls, letGo, breakOff: proxy.dropAll };
    }

    it('(one that is not is judged)', async () => {
      const { call, letGo } = await waiting({});
      expect(await letGo()).to.equal(true);
      await call;
    });

    it('by cancelling', async () => {
      const cancel = new AbortController();
      const { call, calls, letGo } = await waiting({}, cancel.signal);
      cancel.abort();
      expect((await failure(call)).code).to.equal(status.CANCELLED);
      await until(() => calls.lastSignal()?.aborted === true, 'the validator knows');
      expect(await letGo()).to.equal(false);
    });

    it('by its deadline', async () => {
      const { call, calls, letGo } = await waiting({ deadline: Date.now() + 1_000 });
      expect((await failure(call)).code).to.equal(status.DEADLINE_EXCEEDED);
      await until(() => calls.lastSignal()?.aborted === true, 'the validator knows');
      expect(await letGo()).to.equal(false);
    });

    it('by breaking the connection', async () => {
      const { call, calls, breakOff, letGo } = await waiting({});
      breakOff();
      expect((await failure(call)).code).to.equal(status.UNAVAILABLE);
      await until(() => calls.lastSignal()?.aborted === true, 'the validator knows');
      expect(await letGo()).to.equal(false);
    });
  });
});

function indexes({ blocks }: chain.ListBlocksResponse): (number | undefined)[] {
  return blocks.map(({ block }) => block?.index);
}
