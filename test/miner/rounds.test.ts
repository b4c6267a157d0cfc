/** Where a miner over gRPC learns of rounds: it hears of an interruption, and takes nothing from before it for the newest. */

import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import type { ConnectionError } from '../../src/client/errors.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { WatchedRounds } from '../../src/miner/rounds.js';
import { systemTimer } from '../../src/time/timer.js';
import { cleanup } from '../support/cleanup.js';
import { grow } from '../support/growth.js';
import { memoryNode } from '../support/nodes.js';
import { intercepted, serveGrpc } from '../support/servers.js';
import { proxyTo } from '../support/sockets.js';
import { turn, until } from '../support/wait.js';
import { fixedChance } from '../support/watching.js';

describe('The rounds that a miner watches', () => {
  const atEnd = cleanup();

  /** A miner's rounds, the first of which was told, through a proxy that can be cut. */
  async function watched() {
    // A stream that went on by itself would wait for minutes.
    atEnd(fixedChance(1_000));
    const test = await memoryNode();
    atEnd(() => test.node.stop());
    const calls = intercepted(test.node);
    const served = await serveGrpc(calls.validator);
    atEnd(served.close);
    const proxy = await proxyTo(served.address);
    atEnd(proxy.close);
    const client = new GrpcClient(proxy.address);
    atEnd(() => client.close());
    const stop = new AbortController();
    atEnd(() => stop.abort());
    const rounds = new WatchedRounds(client, 'alice', systemTimer, stop.signal);
    const first = await rounds.latest(stop.signal);
    return { test, calls, served, proxy, rounds, first, stop };
  }

  it('whoever waits for the next one hears that the connection was lost', async () => {
    const { proxy, rounds, first, stop } = await watched();
    const next = rounds.after(first, stop.signal).catch((error) => error);
    proxy.dropAll();
    expect(((await next) as ConnectionError).reason).to.equal('UNREACHABLE');
  });

  it('hears that the validator has stopped, or does not take it', async () => {
    const { test, rounds, first, stop } = await watched();
    const next = rounds.after(first, stop.signal).catch((error) => error);
    await test.node.stop();
    expect(((await next) as ConnectionError).message).to.contain('has ended the stream');
    expect(await rounds.latest(stop.signal).catch(({ reason }) => reason)).to.equal('UNAVAILABLE');
  });

  it('after an interruption the round is asked for anew, at once, though it is the same one', async () => {
    const { calls, proxy, rounds, first, stop } = await watched();
    const next = rounds.after(first, stop.signal).catch((error) => error);
    proxy.dropAll();
    await next;
    const again = await rounds.latest(stop.signal);
    expect(again.info).to.deep.equal(first.info);
    expect(again.at).to.be.above(first.at);
    expect(calls.count('watchRounds')).to.equal(2);
  });

  it('the one from before an interruption that nobody waited for is not the newest any more', async () => {
    const { test, calls, proxy, rounds, first, stop } = await watched();
    proxy.dropAll();
    await until(() => calls.lastSignal()?.aborted === true, 'the validator has noticed');
    await grow(test, 1);
    // The miner's end notices a little later, and then another call than the first tells the round.
    await until(() => getEventListeners(stop.signal, 'abort').length === 0, 'the stream was left');
    expect((await rounds.latest(stop.signal)).info).to.deep.include({ round: 2n, nextIndex: 1 });
    expect(first.info.round).to.equal(1n);
    expect(calls.count('watchRounds')).to.equal(2);
  });

  it('nothing goes on by itself after an interruption: no timer, no call', async () => {
    const { calls, proxy, rounds, first, stop } = await watched();
    const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
    const before = timers();
    const next = rounds.after(first, stop.signal).catch((error) => error);
    proxy.dropAll();
    await next;
    await until(() => timers() <= before, 'no timer is left');
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
    expect(calls.count('watchRounds')).to.equal(1);
  });
});
