/** What may come from an address within an hour of the validator's clock (docs/operations.md, "Limits"): accepted blocks, miner ids that submit. */

import { type ServiceError, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import { Fault } from '../../src/engine/fault.js';
import { DEFAULT_OPERATOR_LIMITS, LIMITS, type OperatorLimits } from '../../src/engine/limits.js';
import type { Change } from '../../src/engine/state.js';
import { LmdbStore } from '../../src/store/lmdb.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { Store, Visit } from '../../src/store/store.js';
import { ValidatorNode } from '../../src/validator/node.js';
import { Sources } from '../../src/validator/sources.js';
import { requestToJson } from '../../src/wire/requests.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { TestClock } from '../support/clock.js';
import { detailsOf } from '../support/grpc.js';
import { ALICES, BOBS, HERE, serveLimited } from '../support/limited.js';
import { heapBytesKept } from '../support/memory.js';
import { temporaryFolder } from '../support/programs.js';
import { HOUR, PARAMETERS } from '../support/stores.js';

const MINUTE = 60_000n;
const START = PARAMETERS.firstRoundStart;
const { ACCEPTED, REJECTED_INVALID_HASH, REJECTED_MINER_IN_LOCKOUT, REJECTED_MINER_ALREADY_ATTEMPTED } =
  service.SubmitResult;

describe('From one address, within any hour', () => {
  const atEnd = cleanup();
  let store: Store;
  let clock: TestClock;
  let node: ValidatorNode;

  beforeEach(async () => {
    store = new MemoryStore();
    await store.begin(PARAMETERS, 1);
    clock = new TestClock(START);
  });

  /** The validator of the store, with some limits of its own. */
  function run(limits: Partial<OperatorLimits>, speed = 1): void {
    const running = Object.assign(Object.create(clock), { speed, now: () => clock.time });
    const made = new ValidatorNode(store, running, undefined, { ...DEFAULT_OPERATOR_LIMITS, ...limits });
    atEnd(() => made.stop());
    node = made;
  }

  /** Time goes on to so long after the start: every challenge is over by then. */
  function at(ms: bigint): void {
    clock.time = START + ms;
  }

  const good = async (): Promise<Block> => winning(await node.getRoundInfo(''), 'somebody');

  /** Submits a good block from a network: its result, or the fault. */
  async function win(minerId: string, network?: string): Promise<service.SubmitResult | Fault> {
    return submit(minerId, await good(), network);
  }

  /** Uses an attempt up. */
  async function fail(minerId: string, network?: string): Promise<service.SubmitResult | Fault> {
    return submit(minerId, { ...(await good()), hash: Buffer.alloc(32) }, network);
  }

  function submit(minerId: string, block: Block, network?: string): Promise<service.SubmitResult | Fault> {
    return node.submitBlock(minerId, block, { network }).then(
      ({ result }) => result,
      (error: unknown) => error as Fault,
    );
  }

  /** It was refused, and may come again after so many milliseconds. */
  function expectRefusal(outcome: service.SubmitResult | Fault, retryMs: number, message?: string): void {
    expect(outcome).to.be.instanceOf(Fault);
    expect(outcome).to.include({ reason: 'OVERLOADED', retryMs });
    if (message !== undefined) expect((outcome as Fault).message).to.equal(message);
  }

  describe('so many blocks are accepted', () => {
    it('and the next one once the first is an hour old, to the millisecond', async () => {
      run({ maxBlocksPerIp: 3 });
      for (const minutes of [2n, 5n, 11n]) {
        at(minutes * MINUTE);
        expect(await win(`miner ${minutes}`, ALICES)).to.equal(ACCEPTED);
      }
      at(20n * MINUTE);
      const message = `blocks accepted from ${ALICES} within an hour: 3 at most; again in ${42 * 60} s`;
      expectRefusal(await win('another', ALICES), 42 * 60_000, message);
      at(2n * MINUTE + HOUR - 1n);
      expectRefusal(await win('another', ALICES), 1);
      at(2n * MINUTE + HOUR);
      expect(await win('another', ALICES)).to.equal(ACCEPTED);
      expectRefusal(await win('one more', ALICES), 3 * 60_000);
      at(5n * MINUTE + HOUR);
      expect(await win('one more', ALICES)).to.equal(ACCEPTED);
    });

    it('whatever comes from elsewhere meanwhile, and as many from there', async () => {
      run({ maxBlocksPerIp: 2 });
      for (const minutes of [2n, 4n]) {
        at(minutes * MINUTE);
        expect(await win(`hers ${minutes}`, ALICES)).to.equal(ACCEPTED);
        at(minutes * MINUTE + MINUTE);
        expect(await win(`his ${minutes}`, BOBS)).to.equal(ACCEPTED);
      }
      at(7n * MINUTE);
      expectRefusal(await win('hers', ALICES), 55 * 60_000);
      expectRefusal(await win('his', BOBS), 56 * 60_000);
      expect(await win('theirs', '2001:db8:1:2::/64')).to.equal(ACCEPTED);
    });

    it('of those that are tried and fail there may be more', async () => {
      run({ maxBlocksPerIp: 1 });
      for (const name of ['one', 'two', 'three']) expect(await fail(name, ALICES)).to.equal(REJECTED_INVALID_HASH);
      at(2n * MINUTE);
      expect(await win('four', ALICES)).to.equal(ACCEPTED);
      at(4n * MINUTE);
      expectRefusal(await fail('five', ALICES), 58 * 60_000);
    });
  });

  describe('so many miner ids submit', () => {
    it('and another once one of them has not for an hour, to the millisecond', async () => {
      run({ maxMinersPerIp: 2 });
      expect(await fail('alice', ALICES)).to.equal(REJECTED_INVALID_HASH);
      at(10n * MINUTE);
      expect(await fail('bob', ALICES)).to.equal(REJECTED_INVALID_HASH);
      const message = `miner ids that submit from ${ALICES} within an hour: 2 at most; again in ${50 * 60} s`;
      expectRefusal(await fail('carol', ALICES), 50 * 60_000, message);
      // A new round: the same ids may try again, and count from then on.
      at(20n * MINUTE);
      expect(await win('dave', BOBS)).to.equal(ACCEPTED);
      at(30n * MINUTE);
      expect(await fail('alice', ALICES)).to.equal(REJECTED_INVALID_HASH);
      at(10n * MINUTE + HOUR - 1n);
      expectRefusal(await fail('carol', ALICES), 1);
      at(10n * MINUTE + HOUR);
      expect(await fail('carol', ALICES)).to.equal(REJECTED_INVALID_HASH);
      expectRefusal(await fail('bob', ALICES), 20 * 60_000);
      expect(await fail('bob', BOBS)).to.equal(REJECTED_INVALID_HASH);
    });

    it('where both bounds are reached, again is when both have room', async () => {
      run({ maxBlocksPerIp: 1, maxMinersPerIp: 1 });
      at(2n * MINUTE);
      expect(await win('alice', ALICES)).to.equal(ACCEPTED);
      expectRefusal(await win('bob', ALICES), 3_600_000);
      at(2n * MINUTE + HOUR);
      expect(await win('bob', ALICES)).to.equal(ACCEPTED);
    });
  });

  describe('what is not taken uses nothing up', () => {
    it('neither an attempt', async () => {
      run({ maxMinersPerIp: 1 });
      expect(await fail('alice', ALICES)).to.equal(REJECTED_INVALID_HASH);
      expectRefusal(await fail('bob', ALICES), 3_600_000);
      expect(await node.getMiner('bob')).to.include({ hasAttempted: false });
      expect(await node.getRoundInfo('')).to.include({ attemptedMiners: 1n });
      at(2n * MINUTE);
      expect(await win('bob', BOBS)).to.equal(ACCEPTED);
    });

    it('nor its place within the hour', async () => {
      run({ maxMinersPerIp: 1 });
      expect(await fail('alice', ALICES)).to.equal(REJECTED_INVALID_HASH);
      for (let minutes = 1n; minutes < 60n; minutes++) {
        at(minutes * MINUTE);
        expectRefusal(await fail('bob', ALICES), Number(60n - minutes) * 60_000);
      }
      at(HOUR);
      expect(await fail('bob', ALICES)).to.equal(REJECTED_INVALID_HASH);
    });
  });

  it('what the rules answer without using anything up is not counted: off the tip, in lockout, tried already', async () => {
    run({ maxMinersPerIp: 1 });
    const offTip = { ...(await good()), index: 7 };
    for (const name of ['a', 'b', 'c']) expect(await submit(name, offTip, ALICES)).not.to.be.instanceOf(Fault);
    at(2n * MINUTE);
    expect(await win('alice', ALICES)).to.equal(ACCEPTED);
    at(32n * MINUTE);
    expect(await win('alice', ALICES)).to.equal(REJECTED_MINER_IN_LOCKOUT);
    at(2n * MINUTE + HOUR);
    expect(await fail('bob', ALICES)).to.equal(REJECTED_INVALID_HASH);
    at(30n * MINUTE + HOUR);
    expect(await fail('bob', ALICES)).to.equal(REJECTED_MINER_ALREADY_ATTEMPTED);
    at(2n * MINUTE + 2n * HOUR);
    expect(await fail('carol', ALICES)).to.equal(REJECTED_INVALID_HASH);
  });

  it('who comes from nowhere, as on this machine, is not counted', async () => {
    run({ maxBlocksPerIp: 1, maxMinersPerIp: 1 });
    for (let minutes = 2n; minutes < 20n; minutes += 2n) {
      at(minutes * MINUTE);
      expect(await win(`miner ${minutes}`)).to.equal(ACCEPTED);
    }
    expect(store.visits()).to.deep.equal([]);
  });

  it('on a fast clock the time to wait is told in real time', async () => {
    run({ maxMinersPerIp: 1 }, 600);
    await fail('alice', ALICES);
    const message = `miner ids that submit from ${ALICES} within an hour: 1 at most; again in 3600 s`;
    expectRefusal(await fail('bob', ALICES), 6_000, message);
  });

  describe('over a restart', () => {
    it('all of it counts on, to the millisecond', async () => {
      const { path, remove } = temporaryFolder();
      atEnd(remove);
      let lmdb = LmdbStore.open(path);
      atEnd(() => lmdb.close());
      await lmdb.begin(PARAMETERS, 1);
      const restart = async (): Promise<void> => {
        await node.stop();
        await lmdb.close();
        store = lmdb = LmdbStore.open(path);
        run({ maxBlocksPerIp: 2, maxMinersPerIp: 3 });
      };
      store = lmdb;
      run({ maxBlocksPerIp: 2, maxMinersPerIp: 3 });
      expect(await fail('unlucky', ALICES)).to.equal(REJECTED_INVALID_HASH);
      for (const minutes of [2n, 5n]) {
        at(minutes * MINUTE);
        expect(await win(`miner ${minutes}`, ALICES)).to.equal(ACCEPTED);
        await restart();
      }
      at(7n * MINUTE);
      expectRefusal(await win('unlucky', ALICES), 55 * 60_000);
      expectRefusal(await win('fourth', ALICES), 55 * 60_000);
      at(2n * MINUTE + HOUR - 1n);
      await restart();
      expectRefusal(await win('fourth', ALICES), 1);
      at(2n * MINUTE + HOUR);
      await restart();
      expect(await win('fourth', ALICES)).to.equal(ACCEPTED);
      expect(await win('elsewhere', BOBS)).not.to.be.instanceOf(Fault);
    }).timeout(30_000);

    it('with lower limits than before, the time that is told is true', async () => {
      run({});
      for (const minutes of [2n, 4n, 6n, 8n]) {
        at(minutes * MINUTE);
        expect(await win(`miner ${minutes}`, ALICES)).to.equal(ACCEPTED);
      }
      run({ maxBlocksPerIp: 2 });
      at(10n * MINUTE);
      expectRefusal(await win('another', ALICES), 56 * 60_000);
      at(6n * MINUTE + HOUR - 1n);
      expectRefusal(await win('another', ALICES), 1);
      at(6n * MINUTE + HOUR);
      expect(await win('another', ALICES)).to.equal(ACCEPTED);
    });

    it('it is durable together with the attempt, in one commit', async () => {
      const commits: { changes: string[]; visits: readonly Visit[] }[] = [];
      const recorded = new (class extends MemoryStore {
        override commit(changes: readonly Change[], stamp: bigint, visits: readonly Visit[] = []): Promise<void> {
          commits.push({ changes: changes.map(({ type }) => type), visits });
          return super.commit(changes, stamp, visits);
        }
      })();
      await recorded.begin(PARAMETERS, 1);
      store = recorded;
      run({});
      at(2n * MINUTE);
      const now = clock.time;
      await Promise.all([fail('bob', BOBS), win('alice', ALICES), win('carol')]);
      expect(commits).to.deep.equal([
        {
          changes: ['attempt'],
          visits: [{ at: now, network: BOBS, minerId: 'bob', accepted: false }],
        },
        {
          changes: ['attempt', 'block'],
          visits: [{ at: now, network: ALICES, minerId: 'alice', accepted: true }],
        },
      ]);
    });
  });

  describe('through the doors', () => {
    it('JSON/TCP answers "Not taken", gRPC RESOURCE_EXHAUSTED with the time to wait; this machine is not counted', async () => {
      run({ maxBlocksPerIp: 1 });
      const { jsonTcp, grpc } = await serveLimited(atEnd, node);
      const submission = async (minerId: string) => ({ minerId, block: await good() });
      const onJson = async (minerId: string, host: string): Promise<string> =>
        (await jsonTcp(host)).ask(requestToJson({ call: 'SubmitBlock', ...(await submission(minerId)) }));
      const onGrpc = async (minerId: string, host: string): Promise<Buffer> => {
        const message = service.SubmitBlockRequest.encode(await submission(minerId)).finish();
        return (await grpc(host)).unary('ValidatorService/SubmitBlock', message);
      };
      at(2n * MINUTE);
      expect(await onJson('alice', ALICES)).to.contain('"Accepted"');
      at(4n * MINUTE);
      const why = `blocks accepted from ${ALICES} within an hour: 1 at most; again in 3480 s`;
      expect(await onJson('another', ALICES)).to.equal(
        `{"BlockResult":{"result":"RejectedBlockchainValidation","message":"Not taken: ${why}"}}`,
      );
      const error = (await onGrpc('another', ALICES).catch((error: unknown) => error)) as ServiceError;
      expect(error).to.include({ code: status.RESOURCE_EXHAUSTED, details: why });
      expect(detailsOf(error)['google.rpc.RetryInfo']).to.deep.equal({ retryDelay: { seconds: 3_480 } });
      expect(service.SubmitBlockResponse.decode(await onGrpc('bob', BOBS)).result).to.equal(ACCEPTED);
      for (let minutes = 6n; minutes < 12n; minutes += 2n) {
        at(minutes * MINUTE);
        expect(await onJson(`here ${minutes}`, HERE)).to.contain('"Accepted"');
      }
    });

    it('this machine is counted where it is asked for', async () => {
      run({ maxBlocksPerIp: 1 });
      const { jsonTcp } = await serveLimited(atEnd, node, {}, { policy: { limitLoopback: true } });
      const client = await jsonTcp(HERE);
      const win = async (minerId: string): Promise<string> =>
        client.ask(requestToJson({ call: 'SubmitBlock', minerId, block: await good() }));
      at(2n * MINUTE);
      expect(await win('alice')).to.contain('"Accepted"');
      at(4n * MINUTE);
      expect(await win('bob')).to.contain('"Not taken: ');
    });
  });

  describe('hundreds of thousands of addresses', () => {
    const NOW = 1_762_800_000_000n;
    const limits = { maxBlocksPerIp: 2, maxMinersPerIp: 2 };
    const from = (n: number): Visit => ({
      at: NOW + BigInt(Math.floor(n / 1_000)),
      network: `2001:db8:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::/64`,
      minerId: 'm',
      accepted: true,
    });

    it('take no more memory than some of them, and keep nobody else from submitting', () => {
      const sources = new Sources(limits, 1, []);
      const fill = (first: number, count: number) => () => {
        for (let n = first; n < first + count; n++) sources.add(from(n));
        return sources;
      };
      const some = heapBytesKept(fill(0, LIMITS.visits / 2));
      expect(heapBytesKept(fill(LIMITS.visits / 2, LIMITS.visits))).to.be.below(some / 2);
      expect(() => sources.check('203.0.113.7', 'alice', NOW + 1_001n)).not.to.throw();
    });

    it('keep nobody from being counted who comes now and then', () => {
      const sources = new Sources(limits, 1, []);
      const counted = { network: ALICES, accepted: true };
      for (const [i, minerId] of ['alice', 'bob'].entries()) {
        for (let n = 0; n < 40_000; n++) sources.add(from(40_000 * i + n));
        sources.add({ ...counted, minerId, at: NOW + 100n });
      }
      expect(() => sources.check(ALICES, 'carol', NOW + 200n)).to.throw(Fault, 'at most; again in 3600 s');
    });
  });
});
