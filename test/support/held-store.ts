/** A store whose next commit a test holds back: what waits behind it stands in the validator's queue. */

import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import type { Change } from '../../src/engine/state.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { Visit } from '../../src/store/store.js';
import { ValidatorNode } from '../../src/validator/node.js';
import { EASY } from './blocks.js';
import { TestClock } from './clock.js';

export class HeldStore extends MemoryStore {
  /** Commits that wait to be let go. */
  held = 0;
  private gate: Promise<void> | undefined;
  private open: () => void = () => {};

  /** From now on no commit ends. */
  hold(): void {
    this.gate = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  /** Lets every commit go. */
  release(): void {
    this.gate = undefined;
    this.open();
  }

  override async commit(changes: readonly Change[], stamp: bigint, visits: readonly Visit[] = []): Promise<void> {
    if (this.gate !== undefined) {
      this.held++;
      await this.gate;
      this.held--;
    }
    await super.commit(changes, stamp, visits);
  }
}

/** A validator of a new chain on such a store. */
export async function heldNode(): Promise<{ node: ValidatorNode; clock: TestClock; store: HeldStore }> {
  const clock = new TestClock();
  const store = new HeldStore();
  await store.begin({ difficulty: EASY, timescale: Timescale.TAI, firstRoundStart: clock.time }, clock.speed);
  return { node: new ValidatorNode(store, clock), clock, store };
}
