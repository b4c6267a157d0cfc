/** A validator within the test's own process, by the system's clock. */

import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { MemoryStore } from '../../src/store/memory.js';
import { systemClock } from '../../src/time/clock.js';
import { ValidatorNode } from '../../src/validator/node.js';
import { EASY } from './blocks.js';

/** A validator of a new chain, whose first round began some milliseconds ago. */
export async function systemNode(timescale = Timescale.TAI, age = 0n): Promise<ValidatorNode> {
  const clock = systemClock(timescale);
  const store = new MemoryStore();
  await store.begin({ difficulty: EASY, timescale, firstRoundStart: clock.now() - age }, clock.speed);
  return new ValidatorNode(store, clock);
}
