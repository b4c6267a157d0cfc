/** Running validators whose chains grow. */

import type { Block, Transaction } from '../../gen/hourcoin/v1/block.js';
import type { ValidatorNode } from '../../src/validator/node.js';
import { winning } from './blocks.js';
import type { TestClock } from './clock.js';

/** Adds good blocks, each by a miner of its own and a minute or more after the one before. Returns them. */
export async function grow(
  { node, clock }: { node: ValidatorNode; clock: TestClock },
  count: number,
  further: readonly Transaction[] = [],
): Promise<Block[]> {
  const blocks: Block[] = [];
  for (let i = 0; i < count; i++) {
    clock.advance(61_000);
    const round = await node.getRoundInfo('');
    const block = winning(round, 'wallet', further);
    const { message } = await node.submitBlock(`miner of #${round.nextIndex}`, block);
    if (!message.startsWith('Block accepted')) throw new Error(`a block was not accepted: ${message}`);
    blocks.push(block);
  }
  return blocks;
}
