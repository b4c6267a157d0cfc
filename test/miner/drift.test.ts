/** A round that was told a while ago: the miner's timer and the validator's clock have drifted apart since. */

import { expect } from 'chai';
import { Miner } from '../../src/miner/miner.js';
import type { Timer } from '../../src/time/timer.js';
import { cleanup } from '../support/cleanup.js';
import { memoryNode } from '../support/nodes.js';

describe('A miner that makes a block for a round that was told half an hour ago', () => {
  const atEnd = cleanup();

  it('stamps it a thousandth of that time early: behind the validator’s clock is safe, ahead of it is not', async () => {
    const { node, clock } = await memoryNode();
    atEnd(() => node.stop());
    const info = await node.getRoundInfo('alice');
    const passed = 1_800_000;
    const timer: Timer = {
      now: () => passed,
      sleep: (_ms, signal) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    };
    clock.advance(passed);
    const block = await new Miner(node, 'alice', {}, timer).makeOne({ info, at: 0 });
    // The challenge is over: the first timestamp that is tried will do.
    expect(block?.timestamp).to.equal(info.serverTime + BigInt(passed) - 1_800n);
    expect(block && (await node.submitBlock('alice', block)).message).to.match(/^Block accepted!/);
  });
});
