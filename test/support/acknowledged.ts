/** What a validator has acknowledged under load, to be held against what it has later. */

import { expect } from 'chai';
import { type SubmitBlockResponse, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../../src/client/errors.js';
import type { GrpcClient } from '../../src/client/grpc.js';
import { Fault } from '../../src/engine/fault.js';
import type { Validator } from '../../src/validator/validator.js';
import { winning } from './blocks.js';
import { overGrpc, overJsonTcp } from './clients.js';
import type { RunningValidator } from './programs.js';
import type { Choose } from './seeded.js';
import { present } from './stores.js';

/** What the validator has acknowledged: each miner submits once. */
export interface Acknowledged {
  readonly blocks: { readonly minerId: string; readonly index: number; readonly hash: string }[];
  /** Attempts that were used up, in the round of a height. */
  readonly attempts: { readonly minerId: string; readonly height: number }[];
}

/** Before anything is. */
export function nothingTold(): Acknowledged {
  return { blocks: [], attempts: [] };
}

/** Submits blocks in ever new names, good ones and such that use the attempt up, until the validator is gone. */
export async function submit(
  validator: RunningValidator,
  number: number,
  name: string,
  choose: Choose,
  told: Acknowledged,
): Promise<void> {
  const client = number % 2 === 0 ? overJsonTcp(validator) : overGrpc(validator);
  try {
    for (let blocks = 0; ; blocks++) {
      const minerId = `${name}/${blocks}`;
      const good = winning(await (client as Validator).getRoundInfo(minerId), minerId);
      const block = choose(24) === 0 ? good : { ...good, hash: Buffer.alloc(32) };
      const verdict = await client.submitBlock(minerId, block);
      if (verdict.result === SubmitResult.ACCEPTED) {
        told.blocks.push({ minerId, index: block.index, hash: block.hash.toString('hex') });
      } else if (usesUp(verdict)) told.attempts.push({ minerId, height: block.index });
    }
  } catch (error) {
    if (!(error instanceof ConnectionError || error instanceof Fault)) throw error;
  } finally {
    client.close();
  }
}

/** Whether a verdict is one of those that cost the attempt of a miner who had one. */
function usesUp({ result }: SubmitBlockResponse): boolean {
  return (
    result === SubmitResult.REJECTED_INVALID_HASH ||
    result === SubmitResult.REJECTED_INVALID_TIMESTAMP ||
    result === SubmitResult.REJECTED_TONCE_CHALLENGE
  );
}

/** Acknowledged blocks stand in the chain, and their miners are in lockout. */
export async function expectBlocks(client: GrpcClient, blocks: Acknowledged['blocks']): Promise<void> {
  for (const { minerId, index, hash } of blocks) {
    const accepted = await client.getBlock({ index });
    expect(present(accepted.block).hash.toString('hex'), `block #${index}`).to.equal(hash);
    expect(accepted.minerId).to.equal(minerId);
    expect(await client.checkLockout(minerId), minerId).to.include({ isLocked: true });
  }
}

/** Acknowledged attempts hold while their round is in force. Returns how many are. */
export async function expectAttempts(client: GrpcClient, attempts: Acknowledged['attempts']): Promise<number> {
  const { nextIndex, attemptedMiners } = await client.getRoundInfo('');
  const inForce = attempts.filter(({ height }) => height === nextIndex);
  for (const { minerId } of inForce) {
    expect(await client.getMiner(minerId), minerId).to.include({ hasAttempted: true });
  }
  expect(attemptedMiners >= BigInt(inForce.length)).to.equal(true);
  return inForce.length;
}
