/** The validator that runs: one queue, stamps that never go back, and no answer before what it says is durable. */

import { expect } from 'chai';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import { ChainCode, type RoundInfo, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { Fault, type FaultReason } from '../../src/engine/fault.js';
import { LIMITS } from '../../src/engine/limits.js';
import { type Change, ROUND_MS } from '../../src/engine/state.js';
import { MemoryStore } from '../../src/store/memory.js';
import { DamageError } from '../../src/store/store.js';
import type { ValidatorEvent } from '../../src/validator/events.js';
import { ValidatorNode } from '../../src/validator/node.js';
import { coinbaseTo, mined, output, winning } from '../support/blocks.js';
import { TestClock } from '../support/clock.js';
import { PARAMETERS, present } from '../support/stores.js';
import { turn, until } from '../support/wait.js';

/** A commit that the test ends. */
interface HeldCommit {
  readonly changes: readonly Change[];
  readonly stamp: bigint;
  succeed(): void;
  fail(error: Error): void;
}

describe('ValidatorNode', () => {
  let clock: TestClock;
  let store: MemoryStore;
  let node: ValidatorNode;
  let events: ValidatorEvent[];
  let held: HeldCommit[];
  let letGo: boolean;

  beforeEach(async () => {
    held = [];
    letGo = false;
    clock = new TestClock();
    store = new MemoryStore();
    await store.begin({ ...PARAMETERS, firstRoundStart: clock.time }, 1);
    restart();
  });
  afterEach(async () => {
    // A test that has failed leaves commits behind, which a stop would wait for.
    letGo = true;
    for (const { succeed } of held) succeed();
    await node.stop();
  });

  /** A node on what the store holds, as after a crash of the one before. */
  function restart(speed = 1): void {
    events = [];
    node = new ValidatorNode(store, { speed, now: () => clock.now() }, (event) => events.push(event));
  }

  /** From now on every commit waits for the test, and is counted. */
  function holdCommits(): HeldCommit[] {
    const commit = store.commit.bind(store);
    store.commit = (changes, stamp) =>
      letGo
        ? commit(changes, stamp)
        : new Promise((resolve, reject) => {
            held.push({ changes, stamp, succeed: () => resolve(commit(changes, stamp)), fail: reject });
          });
    return held;
  }

  /** A commit by its number, once it is begun. */
  async function commitOf(commits: HeldCommit[], number: number): Promise<HeldCommit> {
    await until(() => commits.length >= number, `commit ${number} was begun`);
    return present(commits[number - 1]);
  }

  /** A block on the tip that costs its miner the attempt: its claimed hash is another. */
  function failing(round: RoundInfo): Block {
    return { ...winning(round, 'x'), hash: Buffer.alloc(32) };
  }

  async function win(minerId: string, toAddr = minerId): Promise<Block> {
    const block = winning(await node.getRoundInfo(minerId), toAddr);
    expect((await node.submitBlock(minerId, block)).result).to.equal(SubmitResult.ACCEPTED);
    return block;
  }

  describe('durability', () => {
    it('Nothing is answered before the commit resolves, reads included', async () => {
      const block = winning(await node.getRoundInfo('alice'), 'alice');
      const commits = holdCommits();
      const submitted = node.submitBlock('alice', block);
      const asked = Promise.all([
        node.getRoundInfo('bob'),
        node.checkLockout('alice'),
        node.getBlockchainInfo(),
        node.getMiner('alice'),
      ]);
      const answered = counted([submitted, asked]);
      for (let turns = 0; turns < 20; turns++) await turn();
      expect(answered()).to.equal(0);

      // What is read straight from the store is what a crash would leave.
      expect(await fault(node.getBlock({ index: 0 }))).to.equal('NOT_FOUND');
      expect((await node.listBlocks(0, { pageSize: 0, pageToken: '' })).blocks).to.deep.equal([]);
      expect((await node.getAddress('alice', { pageSize: 0, pageToken: '' })).unspentCount).to.equal(0n);
      expect(events.filter(({ type }) => type !== 'request')).to.deep.equal([
        { type: 'submission', minerId: 'alice', index: 0 },
      ]);

      (await commitOf(commits, 1)).succeed();
      expect((await submitted).result).to.equal(SubmitResult.ACCEPTED);
      const [round, lockout, info, miner] = await asked;
      expect(round.nextIndex).to.equal(1);
      expect(lockout.isLocked).to.equal(true);
      expect(info.tipHash).to.deep.equal(block.hash);
      expect(miner).to.include({ isLocked: true, hasAttempted: false, blockCount: 1n, lastBlockIndex: 0 });
      expect((await node.getBlock({ hash: block.hash })).block).to.deep.equal(block);
      expect((await node.getAddress('alice', { pageSize: 0, pageToken: '' })).balance).to.equal(2);
      expect(events.map(({ type }) => type).slice(-3)).to.have.members(['verdict', 'block', 'round']);
    });

    it('A read that is judged with a submission waits for its commit too', async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const first = node.submitBlock('a', failing(round));
      const second = node.submitBlock('b', failing(round));
      const read = node.getRoundInfo('c');
      const answered = counted([read]);
      (await commitOf(commits, 1)).succeed();
      await first;
      await commitOf(commits, 2);
      for (let turns = 0; turns < 20; turns++) await turn();
      expect(answered()).to.equal(0);
      present(commits[1]).succeed();
      expect((await read).attemptedMiners).to.equal(2n);
      await second;
    });

    it('A miner that is asked for in the batch of its block is told of it', async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const first = node.submitBlock('a', failing(round));
      const block = node.submitBlock('b', winning(round, 'b'));
      const miner = node.getMiner('b');
      for (const number of [1, 2]) (await commitOf(commits, number)).succeed();
      await Promise.all([first, block]);
      expect(await miner).to.include({ isLocked: true, blockCount: 1n, lastBlockIndex: 0 });
    });

    it('While a commit runs the next batch gathers, and is made durable in one commit', async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const names = Array.from({ length: 20 }, (_, n) => `m${n}`);
      const verdicts = names.map((name) => node.submitBlock(name, failing(round)));
      (await commitOf(commits, 1)).succeed();
      (await commitOf(commits, 2)).succeed();
      const results = (await Promise.all(verdicts)).map(({ result }) => result);
      expect(new Set(results)).to.deep.equal(new Set([SubmitResult.REJECTED_INVALID_HASH]));
      expect(commits.map(({ changes }) => changes)).to.deep.equal(
        [names.slice(0, 1), names.slice(1)].map((batch) => batch.map((minerId) => ({ type: 'attempt', minerId }))),
      );
    });

    it(`A batch holds at most ${LIMITS.batchInputs} inputs`, async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const block = failing(round);
      const verdicts = Array.from({ length: LIMITS.batchInputs + 2 }, (_, n) => node.submitBlock(`m${n}`, block));
      for (const number of [1, 2, 3]) (await commitOf(commits, number)).succeed();
      await Promise.all(verdicts);
      expect(commits.map(({ changes }) => changes.length)).to.deep.equal([1, LIMITS.batchInputs, 1]);
    });

    it('A batch ends once its blocks hold more inputs and outputs than the limit', async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const transaction = {
        ...coinbaseTo('x', 0n),
        inputs: Array(LIMITS.batchOutputs / 2).fill(coinbaseTo('x', 0n).outputs[0]),
      };
      const large = { ...failing(round), transactions: [transaction] };
      const verdicts = Array.from({ length: 6 }, (_, n) => node.submitBlock(`m${n}`, large));
      for (const number of [1, 2, 3, 4]) (await commitOf(commits, number)).succeed();
      await Promise.all(verdicts);
      expect(commits.map(({ changes }) => changes.length)).to.deep.equal([1, 2, 2, 1]);
    });

    it('What earlier blocks of the same batch made and spent is seen', async () => {
      // The challenge is over, and a block may be older than the clock: one after the other fits the window.
      clock.advance(300_000);
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const first = node.submitBlock('first', failing(round));
      const at = (n: number): bigint => clock.time - 200_000n + BigInt(n);
      const paid = coinbaseTo('alice', at(0));
      const a = mined({ timestamp: at(0), transactions: [paid] });
      const spend = { inputs: paid.outputs, outputs: [{ ...present(paid.outputs[0]), toAddr: 'bob' }] };
      const b = mined({
        index: 1,
        prevBlockHash: a.hash,
        timestamp: at(1),
        transactions: [coinbaseTo('b', at(1)), spend],
      });
      const next = { index: 2, prevBlockHash: b.hash, timestamp: at(2) };
      const again = mined({ ...next, transactions: [coinbaseTo('c', at(2)), spend] });
      const remade = mined({ ...next, transactions: [paid] });
      const onward = mined({
        ...next,
        transactions: [coinbaseTo('e', at(2)), { inputs: spend.outputs, outputs: [] }],
      });
      const verdicts = Promise.all([
        node.submitBlock('a', a),
        node.submitBlock('b', b),
        node.submitBlock('c', again),
        node.submitBlock('d', remade),
        node.submitBlock('e', onward),
      ]);
      (await commitOf(commits, 1)).succeed();
      (await commitOf(commits, 2)).succeed();
      await first;
      expect(
        (await verdicts).map(({ result, code }) => (result === SubmitResult.ACCEPTED ? 'accepted' : code)),
      ).to.deep.equal(['accepted', 'accepted', ChainCode.INVALID_INPUT, ChainCode.DUPLICATE_OUTPUT, 'accepted']);
      expect(commits.length).to.equal(2);
      expect((await node.getAddress('bob', { pageSize: 0, pageToken: '' })).unspentCount).to.equal(0n);
    });
  });

  describe('a store that fails', () => {
    it('What waits and all that comes later is not taken: UNAVAILABLE; the failure is told once, and streams end', async () => {
      await win('alice');
      const rounds = collected(node.watchRounds('w'));
      const blocks = collected(node.watchBlocks(0));
      await until(() => rounds.seen.length === 1 && blocks.seen.length === 1, 'both streams have begun');
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const waiting = [
        node.submitBlock('a', failing(round)),
        node.submitBlock('b', failing(round)),
        node.getRoundInfo('c'),
        node.checkLockout('c'),
        node.getMiner('c'),
      ];
      const full = new Error('the disk is full');
      (await commitOf(commits, 1)).fail(full);
      expect(await Promise.all(waiting.map(fault))).to.deep.equal(waiting.map(() => 'UNAVAILABLE'));
      await Promise.all([rounds.end, blocks.end]);

      const later: Promise<unknown>[] = [
        node.submitBlock('d', failing(round)),
        node.getRoundInfo('d'),
        node.checkLockout('d'),
        node.getBlockchainInfo(),
        node.getMiner('d'),
        node.getBlock({ index: 0 }),
        node.listBlocks(0, { pageSize: 0, pageToken: '' }),
        node.getAddress('alice', { pageSize: 0, pageToken: '' }),
        collected(node.watchRounds('d')).end,
        collected(node.watchBlocks(0)).end,
      ];
      expect(await Promise.all(later.map(fault))).to.deep.equal(later.map(() => 'UNAVAILABLE'));
      expect(events.filter(({ type }) => type === 'failure')).to.deep.equal([{ type: 'failure', error: full }]);

      await node.stop();
      expect(commits.length).to.equal(1);
    });

    it('After a failed commit the store is as it was, and a restart goes on from there', async () => {
      const round = await node.getRoundInfo('');
      const { commit } = store;
      store.commit = () => Promise.reject(new Error('the disk is full'));
      expect(await fault(node.submitBlock('alice', winning(round, 'alice')))).to.equal('UNAVAILABLE');
      store.commit = commit;
      restart();
      expect((await node.getMiner('alice')).isLocked).to.equal(false);
      await win('alice');
    });

    it('A damaged record that judging needs fails the whole batch, answered submissions apart', async () => {
      await win('alice');
      clock.advance(60_000);
      const round = await node.getRoundInfo('');
      const input = { toAddr: 'nobody', value: 1, timestamp: 0n };
      const spending = winning(round, 'b', [{ inputs: [input], outputs: [] }]);
      const commits = holdCommits();
      const first = node.submitBlock('a', failing(round));
      const batch = [node.submitBlock('b', spending), node.checkLockout('c')];
      store.lookup = () => {
        throw new DamageError('record O: is damaged');
      };
      (await commitOf(commits, 1)).succeed();
      expect((await first).result).to.equal(SubmitResult.REJECTED_INVALID_HASH);
      expect(await Promise.all(batch.map(fault))).to.deep.equal(['UNAVAILABLE', 'UNAVAILABLE']);
      expect(commits.length).to.equal(1);
    });

    it('A damaged record that is asked for fails the validator', async () => {
      await win('alice');
      store.block = () => {
        throw new DamageError('record B: is damaged');
      };
      expect(await fault(node.getBlock({ index: 0 }))).to.equal('UNAVAILABLE');
      expect(await fault(node.getRoundInfo(''))).to.equal('UNAVAILABLE');
      expect(events.filter(({ type }) => type === 'failure').length).to.equal(1);
    });
  });

  describe('time', () => {
    it('Stamps never go back when the clock does, and go on when it has caught up', async () => {
      const start = clock.time;
      clock.advance(10_000);
      expect((await node.getRoundInfo('')).serverTime).to.equal(start + 10_000n);
      clock.advance(-ROUND_MS);
      await win('alice');
      expect((await node.getRoundInfo('')).serverTime).to.equal(start + 10_000n);
      expect((await node.getBlock({ index: 0 })).acceptedAt).to.equal(start + 10_000n);
      expect(events.filter(({ type }) => type === 'clock-behind')).to.deep.equal([
        { type: 'clock-behind', by: ROUND_MS },
      ]);
      clock.time = start + 10_001n;
      expect((await node.getRoundInfo('')).serverTime).to.equal(start + 10_001n);
      clock.advance(-1);
      await node.getRoundInfo('');
      expect(events.filter(({ type }) => type === 'clock-behind').at(-1)).to.deep.equal({
        type: 'clock-behind',
        by: 1n,
      });
    });

    it('They do not go back over a restart either: the last one is stored when it stops', async () => {
      clock.advance(12_345);
      const { serverTime } = await node.getRoundInfo('');
      await node.stop();
      expect(store.stored?.stamp).to.equal(serverTime);
      clock.advance(-10_000);
      restart();
      expect((await node.getRoundInfo('')).serverTime).to.equal(serverTime);
    });

    it('The last stamp is stored now and then while only reads come in', async () => {
      const commits = holdCommits();
      clock.advance(1);
      const { serverTime } = await node.getRoundInfo('');
      const commit = await commitOf(commits, 1);
      expect(commit).to.deep.include({ changes: [], stamp: serverTime });
      commit.succeed();
    });

    it('A stop with nothing new to store stores nothing', async () => {
      await win('alice');
      const commits = holdCommits();
      await node.stop();
      expect(commits).to.deep.equal([]);
    });

    it('Hours that have passed end their rounds before an input is judged or read, durably', async () => {
      const { roundStart } = await node.getRoundInfo('');
      await node.submitBlock('a', failing(await node.getRoundInfo('')));
      clock.advance(2n * ROUND_MS + 1n);
      const round = await node.getRoundInfo('');
      expect(round).to.include({ round: 3n, roundStart: roundStart + 2n * ROUND_MS, attemptedMiners: 0n });
      expect(store.loadState().round.number).to.equal(3n);
      expect((await node.getMiner('a')).hasAttempted).to.equal(false);
    });

    it('An hour that passes with nothing coming in ends the round all the same', async () => {
      await node.stop();
      restart(1_000);
      const rounds = collected(node.watchRounds('w'));
      await until(() => rounds.seen.length === 1, 'the stream has begun');
      clock.advance(ROUND_MS);
      await until(() => rounds.seen.length === 2, 'a new round is told');
      expect(rounds.seen.map(({ round }) => round)).to.deep.equal([1n, 2n]);
      expect(events.at(-1)).to.deep.equal({ type: 'round', number: 2n });
      expect(store.loadState().round.number).to.equal(2n);
    });
  });

  describe('calls that are given up, and limits', () => {
    it('A block whose call is given up before it is judged uses nothing up', async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const first = node.submitBlock('a', failing(round));
      const gone = new AbortController();
      const given = [
        node.submitBlock('b', winning(round, 'b'), { signal: gone.signal }),
        node.getRoundInfo('b', { signal: gone.signal }),
      ];
      gone.abort();
      (await commitOf(commits, 1)).succeed();
      expect(await Promise.all(given.map(fault))).to.deep.equal(['CANCELLED', 'CANCELLED']);
      await first;
      expect(await node.getMiner('b')).to.include({ hasAttempted: false, isLocked: false });
      expect((await node.getBlockchainInfo()).blockCount).to.equal(0n);
    });

    it('A block whose call is given up after it was judged is answered', async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const gone = new AbortController();
      const verdict = node.submitBlock('a', winning(round, 'a'), { signal: gone.signal });
      gone.abort();
      (await commitOf(commits, 1)).succeed();
      expect((await verdict).result).to.equal(SubmitResult.ACCEPTED);
    });

    it(`More than ${LIMITS.queuedInputs} waiting inputs: OVERLOADED, until some are answered`, async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const first = node.submitBlock('a', failing(round));
      const waiting = Array.from({ length: LIMITS.queuedInputs }, () => node.getBlockchainInfo());
      expect(await fault(node.getBlockchainInfo())).to.equal('OVERLOADED');
      expect(await fault(node.submitBlock('b', failing(round)))).to.equal('OVERLOADED');
      (await commitOf(commits, 1)).succeed();
      await first;
      await Promise.all(waiting);
      expect(await node.getMiner('b')).to.include({ hasAttempted: false });
    });

    it(`More than ${LIMITS.queuedOutputs} inputs and outputs of waiting blocks: OVERLOADED, but for blocks without any and reads`, async () => {
      const round = await node.getRoundInfo('');
      const commits = holdCommits();
      const first = node.submitBlock('a', failing(round));
      const outputs = Array.from({ length: LIMITS.outputs }, () => output('a', 2, 0n));
      const large = { ...failing(round), index: 7, transactions: [{ inputs: [], outputs }] };
      const waiting = Array.from({ length: LIMITS.queuedOutputs / LIMITS.outputs }, () => node.submitBlock('b', large));
      expect(await fault(node.submitBlock('c', large))).to.equal('OVERLOADED');
      const others = [node.submitBlock('c', { ...large, transactions: [] }), node.getBlockchainInfo()];
      (await commitOf(commits, 1)).succeed();
      await Promise.all([first, ...waiting, ...others]);
      expect((await node.submitBlock('c', large)).code, 'there is room again').to.equal(ChainCode.MISMATCHED_INDEX);
    });

    it(`More than ${LIMITS.attempts} attempts in a round: OVERLOADED and nothing used up, but a good block is taken`, async () => {
      await node.stop();
      const names = Array.from({ length: LIMITS.attempts }, (_, n) => `m${n}`);
      await store.commit(
        names.map((minerId): Change => ({ type: 'attempt', minerId })),
        clock.time,
      );
      restart();
      const round = await node.getRoundInfo('');
      expect(round.attemptedMiners).to.equal(BigInt(LIMITS.attempts));
      expect(await fault(node.submitBlock('new', failing(round)))).to.equal('OVERLOADED');
      expect(await node.getMiner('new')).to.include({ hasAttempted: false });
      const { result } = await node.submitBlock('m7', winning(round, 'm7'));
      expect(result).to.equal(SubmitResult.REJECTED_MINER_ALREADY_ATTEMPTED);
      await win('new');
      expect((await node.getRoundInfo('')).attemptedMiners).to.equal(0n);
    });

    it(`More than ${LIMITS.watchers} streams: OVERLOADED, until one ends`, async () => {
      const leave = new AbortController();
      const streams = Array.from({ length: LIMITS.watchers }, (_, n) =>
        collected(node.watchBlocks(0, n === 0 ? { signal: leave.signal } : {})),
      );
      expect(await fault(collected(node.watchBlocks(0)).end)).to.equal('OVERLOADED');
      expect(await fault(collected(node.watchRounds('w')).end)).to.equal('OVERLOADED');
      leave.abort();
      expect(await fault(present(streams[0]).end)).to.equal('CANCELLED');
      const last = collected(node.watchRounds('w'));
      await until(() => last.seen.length === 1, 'another stream is taken');
      await node.stop();
      await Promise.all([last, ...streams.slice(1)].map(({ end }) => end));
    });
  });

  describe('streams', () => {
    it('WatchRounds tells the round in force at once, then every new one', async () => {
      const rounds = collected(node.watchRounds('w'));
      for (const name of ['', 'alice', 'bob', 'carol']) {
        const told = rounds.seen.length;
        if (name !== '') await win(name);
        await until(() => rounds.seen.length > told, 'the round in force is told');
      }
      expect(rounds.seen.map(({ round }) => round)).to.deep.equal([1n, 2n, 3n, 4n]);
      expect(rounds.seen.map(({ nextIndex }) => nextIndex)).to.deep.equal([0, 1, 2, 3]);
    });

    it('A slow reader of rounds gets the newest', async () => {
      const rounds = node.watchRounds('w');
      expect((await rounds.next()).value?.round).to.equal(1n);
      for (const name of ['alice', 'bob', 'carol']) await win(name);
      expect((await rounds.next()).value?.round).to.equal(4n);
      await rounds.return();
    });

    it('All who wait are told the same round and the same block: each is made once', async () => {
      const rounds = [1, 2, 3].map(() => collected(node.watchRounds('w')));
      const blocks = [1, 2, 3].map(() => collected(node.watchBlocks(0)));
      await until(() => rounds.every(({ seen }) => seen.length === 1), 'the streams have begun');
      await win('alice');
      await until(() => rounds.every(({ seen }) => seen.length === 2), 'all are told of the round');
      await until(() => blocks.every(({ seen }) => seen.length === 1), 'all are told of the block');
      expect(new Set(rounds.map(({ seen }) => seen[1])).size).to.equal(1);
      expect(new Set(blocks.map(({ seen }) => seen[0])).size).to.equal(1);
      expect(blocks[0]?.seen[0]).to.deep.equal(await node.getBlock({ index: 0 }));
    });

    it('A slow reader of rounds is told the time of its own answer, not of theirs who waited', async () => {
      const waits = collected(node.watchRounds('w'));
      const slow = node.watchRounds('w');
      expect((await slow.next()).value?.round).to.equal(1n);
      await win('alice');
      await until(() => waits.seen.length === 2, 'who waits is told');
      const told = clock.time;
      clock.advance(5_000);
      expect((await slow.next()).value).to.include({ round: 2n, serverTime: told + 5_000n });
      expect(waits.seen[1]).to.include({ round: 2n, serverTime: told });
      await slow.return();
    });

    it('A round that is over before it could be told is passed over, and no block with it', async () => {
      const rounds = collected(node.watchRounds('w'));
      const blocks = collected(node.watchBlocks(0));
      await until(() => rounds.seen.length === 1, 'the streams have begun');
      const block = winning(await node.getRoundInfo(''), 'alice');
      const commits = holdCommits();
      const accepted = node.submitBlock('alice', block);
      const first = await commitOf(commits, 1);
      clock.advance(Number(ROUND_MS));
      first.succeed();
      (await commitOf(commits, 2)).succeed();
      await accepted;
      await until(() => rounds.seen.length === 2 && blocks.seen.length === 1, 'both are told');
      expect(rounds.seen.map(({ round }) => round)).to.deep.equal([1n, 3n]);
      expect(blocks.seen[0]?.block).to.deep.equal(block);
    });

    it('WatchBlocks tells history, then live, with no gap and no repeat', async () => {
      for (const name of ['a', 'b', 'c']) await win(name);
      const streams = [0, 2, 3, 5].map((from) => collected(node.watchBlocks(from)));
      for (const name of ['d', 'e', 'f']) await win(name);
      await until(() => streams.every(({ seen }) => seen.at(-1)?.block?.index === 5), 'the newest block is told');
      expect(streams.map(({ seen }) => seen.map(({ block }) => block?.index))).to.deep.equal([
        [0, 1, 2, 3, 4, 5],
        [2, 3, 4, 5],
        [3, 4, 5],
        [5],
      ]);
    });

    it('A stream whose signal aborts throws CANCELLED', async () => {
      const leave = new AbortController();
      const rounds = collected(node.watchRounds('w', { signal: leave.signal }));
      const blocks = collected(node.watchBlocks(0, { signal: leave.signal }));
      await until(() => rounds.seen.length === 1, 'the stream has begun');
      leave.abort();
      expect(await Promise.all([rounds.end, blocks.end].map(fault))).to.deep.equal(['CANCELLED', 'CANCELLED']);
    });
  });

  describe('stop', () => {
    it('What was taken is answered, what comes later is not taken, and streams end', async () => {
      const round = await node.getRoundInfo('');
      const rounds = collected(node.watchRounds('w'));
      await until(() => rounds.seen.length === 1, 'the stream has begun');
      const commits = holdCommits();
      const taken = [node.submitBlock('a', failing(round)), node.submitBlock('b', failing(round))];
      const stopped = node.stop();
      expect(await fault(node.submitBlock('c', failing(round)))).to.equal('UNAVAILABLE');
      expect(await fault(node.getBlock({ index: 0 }))).to.equal('UNAVAILABLE');
      (await commitOf(commits, 1)).succeed();
      (await commitOf(commits, 2)).succeed();
      await Promise.all([...taken, rounds.end, stopped]);
      expect(store.loadState().round.attempts).to.deep.equal(new Set(['a', 'b']));
    });

    it('A node does not run a chain that has not begun', () => {
      expect(() => new ValidatorNode(new MemoryStore(), clock)).to.throw('the chain has not begun');
    });
  });
});

/** Counts the promises that have settled. */
function counted(promises: readonly Promise<unknown>[]): () => number {
  let settled = 0;
  for (const promise of promises) {
    promise.finally(() => settled++).catch(() => {});
  }
  return () => settled;
}

/** The reason of the fault that a call throws; what it answers, where it does. */
function fault(call: Promise<unknown>): Promise<FaultReason | unknown> {
  return call.catch((error) => {
    if (error instanceof Fault) return error.reason;
    throw error;
  });
}

/** Reads a stream until it ends. */
function collected<T>(stream: AsyncIterable<T>): { seen: T[]; end: Promise<void> } {
  const seen: T[] = [];
  const end = (async () => {
    for await (const one of stream) seen.push(one);
  })();
  end.catch(() => {});
  return { seen, end };
}
