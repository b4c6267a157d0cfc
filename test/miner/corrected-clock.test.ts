/** A validator's clock that does not go on as it was told: it is slewed, or stands still until it is caught up. A miner burns no attempt for it. */

import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import type { MinerEvent } from '../../src/miner/events.js';
import { Miner } from '../../src/miner/miner.js';
import type { Timer } from '../../src/time/timer.js';
import type { ChainValidator } from '../../src/validator/validator.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { Recorder } from '../support/recorder.js';
import { intercepted } from '../support/servers.js';

describe('A miner whose validator’s clock is being corrected', () => {
  const atEnd = cleanup();
  let test: TestNode;
  let events: Recorder<MinerEvent>;
  /** The miner's own time, milliseconds. */
  let passed: number;

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    events = new Recorder();
    passed = 0;
  });

  /** Waits only for what ends its waits. */
  const timer: Timer = {
    now: () => passed,
    sleep: (_ms, signal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true })),
  };

  /** Lets time pass for the miner, and other time for the validator. */
  function pass(miner: number, validator: number): void {
    passed += miner;
    test.clock.advance(validator);
  }

  /** Mines a block on a validator some of whose calls are replaced; `onMined` is called once, when the nonce is found. */
  function mine(instead: Partial<ChainValidator>, onMined: () => unknown = () => {}): Promise<number> {
    const calls = intercepted(test.node, instead);
    let mined = false;
    const onEvent = (event: MinerEvent): void => {
      events.observe(event);
      if (event.type !== 'mined' || mined) return;
      mined = true;
      onMined();
    };
    return new Miner(calls.validator, 'alice', { blocks: 1, onEvent }, timer).run();
  }

  for (const { what, validator } of [
    { what: 'stands still', validator: 0 },
    { what: 'runs a tenth slower', validator: 54_000 },
    { what: 'runs twice as fast', validator: 120_000 },
    { what: 'runs so much faster that the window would be over', validator: 600_000 },
  ]) {
    /** A minute passes before the block is begun: what was told of the round is as old. */
    it(`and ${what}, after the round was told: asks for the time before it stamps a block`, async () => {
      const checkLockout: ChainValidator['checkLockout'] = (...asked) => {
        pass(60_000, validator);
        return test.node.checkLockout(...asked);
      };
      expect(await mine({ checkLockout })).to.equal(1);
      expect(events.types).not.to.include('rejected');
    });

    it(`and ${what}, while it searches: asks again before it submits the block`, async () => {
      const done = mine({}, () => pass(60_000, validator));
      expect(await done).to.equal(1);
      expect(events.types).not.to.include('rejected');
    });
  }

  it('and who is overtaken while it searches does not submit what it has made', async () => {
    let rival: Promise<unknown> = Promise.resolve();
    const submitted: number[] = [];
    const done = mine(
      {
        submitBlock: (minerId, block, options) => {
          submitted.push(block.index);
          return test.node.submitBlock(minerId, block, options);
        },
        getRoundInfo: async (...asked) => {
          await rival;
          return test.node.getRoundInfo(...asked);
        },
      },
      () => {
        rival = test.node.getRoundInfo('rival').then(async (round) => {
          const { result } = await test.node.submitBlock('rival', winning(round, 'rival'));
          expect(result).to.equal(SubmitResult.ACCEPTED);
        });
        pass(1_000, 1_000);
      },
    );
    expect(await done).to.equal(1);
    expect(events.types).to.include('overtaken');
    expect(submitted).to.deep.equal([1]);
  });
});
