/** A store that forgets everything when the process ends: for tests, and to say what the durable one must do. */

import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import { exactUnits } from '../engine/exact.js';
import { LIMITS } from '../engine/limits.js';
import type { OutputStatus } from '../engine/rules.js';
import { apply, type ChainParameters, type Change, initialState, type State } from '../engine/state.js';
import {
  type Balance,
  type MinerRecord,
  type OwnedOutput,
  type Store,
  type StoredChain,
  type StoredKey,
  VISIT_MS,
  type Visit,
} from './store.js';

interface OutputRecord extends OwnedOutput {
  readonly address: string;
  spent: boolean;
}

export class MemoryStore implements Store {
  private chain: StoredChain | undefined;
  private state: State | undefined;
  private readonly blocks: AcceptedBlock[] = [];
  private readonly indexes = new Map<string, number>();
  private readonly outputs = new Map<string, OutputRecord>();
  private readonly miners = new Map<string, MinerRecord>();
  private readonly visited: Visit[] = [];
  private readonly minerKeys = new Map<string, StoredKey>();

  get stored(): StoredChain | undefined {
    return this.chain;
  }

  async begin(parameters: ChainParameters, clockSpeed: number): Promise<void> {
    this.chain = { parameters, clockSpeed, stamp: parameters.firstRoundStart };
    this.state = initialState(parameters);
  }

  loadState(): State {
    const { round, lockouts, ...rest } = this.begun();
    return { ...rest, round: { ...round, attempts: new Set(round.attempts) }, lockouts: new Map(lockouts) };
  }

  async commit(changes: readonly Change[], stamp: bigint, visits: readonly Visit[] = []): Promise<void> {
    const state = this.begun();
    this.visited.push(...visits);
    for (const change of changes) {
      apply(state, change);
      if (change.type !== 'block') continue;
      const { accepted, outputs } = change;
      const { index, hash } = accepted.block;
      this.blocks.push(accepted);
      this.indexes.set(hash.toString('hex'), index);
      this.miners.set(accepted.minerId, {
        blockCount: this.miner(accepted.minerId).blockCount + 1n,
        lastBlockIndex: index,
      });
      for (const { id, output } of outputs.made) {
        const place = BigInt(this.outputs.size);
        const record = { output, id, blockIndex: index, place, address: output.toAddr, spent: false };
        this.outputs.set(id.toString('hex'), record);
      }
      for (const { id } of outputs.spent) {
        const record = this.outputs.get(id.toString('hex'));
        if (record !== undefined) record.spent = true;
      }
    }
    if (this.chain !== undefined) this.chain = { ...this.chain, stamp };
  }

  lookup(id: Buffer): OutputStatus {
    const record = this.outputs.get(id.toString('hex'));
    if (record === undefined) return 'absent';
    return record.spent ? 'spent' : 'unspent';
  }

  block(index: number): AcceptedBlock | undefined {
    return this.blocks[index];
  }

  indexOf(hash: Buffer): number | undefined {
    return this.indexes.get(hash.toString('hex'));
  }

  balance(address: string): Balance {
    const owned = this.owned(address);
    return {
      units: owned.reduce((total, { output }) => total + exactUnits(output.value), 0n),
      count: BigInt(owned.length),
    };
  }

  outputsOf(address: string, after: bigint | undefined, limit: number): OwnedOutput[] {
    return this.owned(address)
      .filter(({ place }) => after === undefined || place > after)
      .slice(0, limit)
      .map(({ output, id, blockIndex, place }) => ({ output, id, blockIndex, place }));
  }

  miner(minerId: string): MinerRecord {
    return this.miners.get(minerId) ?? { blockCount: 0n, lastBlockIndex: undefined };
  }

  visits(): Visit[] {
    const stamp = this.chain?.stamp ?? 0n;
    return this.visited.filter(({ at }) => at + VISIT_MS > stamp).slice(-LIMITS.visits);
  }

  keys(): StoredKey[] {
    return [...this.minerKeys.values()];
  }

  async putKey(key: StoredKey): Promise<void> {
    this.minerKeys.set(key.hash.toString('hex'), key);
  }

  async removeKey(hash: Buffer): Promise<void> {
    this.minerKeys.delete(hash.toString('hex'));
  }

  async close(): Promise<void> {}

  private owned(address: string): OutputRecord[] {
    return [...this.outputs.values()].filter((record) => record.address === address && !record.spent);
  }

  private begun(): State {
    if (this.state === undefined) throw new Error('the chain has not begun');
    return this.state;
  }
}
