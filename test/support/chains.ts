/** Chains for tests of the engine: a state with its outputs, and nothing around them. */

import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { roundInfo } from '../../src/engine/answers.js';
import type { OutputChanges, OutputLookup } from '../../src/engine/rules.js';
import { type ChainParameters, type Change, initialState, type State } from '../../src/engine/state.js';
import { type Judgement, stepAndApply } from '../../src/engine/step.js';
import { requestFromJson } from '../../src/wire/requests.js';
import { winning } from './blocks.js';

/** What an accepted block changes. */
export type BlockChange = Extract<Change, { type: 'block' }>;

/** Every output that was ever made on a chain. */
export class OutputMap {
  private readonly records = new Map<string, { readonly output: Output; spent: boolean }>();

  readonly lookup: OutputLookup = (id) => {
    const record = this.records.get(id.toString('hex'));
    if (record === undefined) return 'absent';
    return record.spent ? 'spent' : 'unspent';
  };

  /** Carries out what a sound block does to outputs. */
  record({ made, spent }: OutputChanges): void {
    for (const { id } of spent) {
      const record = this.records.get(id.toString('hex'));
      if (record === undefined || record.spent) throw new Error(`output ${id.toString('hex')} is not unspent`);
      record.spent = true;
    }
    for (const { id, output } of made) this.records.set(id.toString('hex'), { output, spent: false });
  }

  /** The outputs that can be spent, oldest first. */
  unspent(): Output[] {
    return [...this.records.values()].filter(({ spent }) => !spent).map(({ output }) => output);
  }
}

/** A chain that blocks are submitted to, at times that the test says. */
export class TestChain {
  readonly state: State;
  readonly outputs = new OutputMap();

  constructor(parameters: ChainParameters) {
    this.state = initialState(parameters);
  }

  /** Judges a block and carries the changes out. */
  submit(minerId: string, block: Block, now: bigint): Judgement {
    const judgement = stepAndApply(this.state, { minerId, block }, now, this.outputs.lookup);
    for (const change of judgement.changes) if (change.type === 'block') this.outputs.record(change.outputs);
    return judgement;
  }

  /** A good block at a time, whose coinbase pays `toAddr`. */
  winning(toAddr: string, now: bigint, further: readonly Transaction[] = []): Block {
    return winning(roundInfo(this.state, now, 1), toAddr, further);
  }

  /** Adds a good block, which must be accepted; returns it. */
  extend(minerId: string, now: bigint, further: readonly Transaction[] = []): Block {
    const block = this.winning(minerId, now, further);
    const { verdict } = this.submit(minerId, block, now);
    if (verdict.result !== SubmitResult.ACCEPTED) throw new Error(`the block was not accepted: ${verdict.message}`);
    return block;
  }
}

/** What an accepted block changes, where a judgement has accepted one. */
export function blockChange({ changes }: Judgement): BlockChange | undefined {
  return changes.find((change) => change.type === 'block');
}

/** A block from the JSON of the wire, read as a submission's. */
export function blockFromJson(json: string): Block {
  const request = requestFromJson(Buffer.from(`{"SubmitBlock":{"miner_id":"m","block":${json}}}`));
  if (request.call !== 'SubmitBlock') throw new Error('not a submission');
  return request.block;
}
