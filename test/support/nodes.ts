/** Validators within the test's own process: a memory store, and a clock that the test moves. */

import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { MemoryStore } from '../../src/store/memory.js';
import { ValidatorNode } from '../../src/validator/node.js';
import { EASY } from './blocks.js';
import { TestClock } from './clock.js';

export interface TestNode {
  readonly node: ValidatorNode;
  readonly clock: TestClock;
  readonly store: MemoryStore;
}

/** A validator of a new chain, whose first round begins at the clock's time. */
export async function memoryNode(difficulty = EASY, clock = new TestClock()): Promise<TestNode> {
  const store = new MemoryStore();
  await store.begin({ difficulty, timescale: Timescale.TAI, firstRoundStart: clock.time }, clock.speed);
  return { node: new ValidatorNode(store, clock), clock, store };
}

/** A log that is not kept. */
export const NO_LOG = { debug() {}, info() {}, warn() {}, error() {} };
