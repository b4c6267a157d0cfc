/** Fills a store with the blocks of a chain, each judged again by the rules, in batches of bounded size. */

import { LIMITS } from '../engine/limits.js';
import type { OutputStatus } from '../engine/rules.js';
import type { Change, State, StoredBlock } from '../engine/state.js';
import type { Store } from '../store/store.js';
import { replay } from './replay.js';

/** A commit forgets a thousand lockouts that are over: it makes no more of them. */
const BATCH_BLOCKS = 1_000;

export class ChainImport {
  private readonly state: State;
  private changes: Change[] = [];
  private blocks = 0;
  private stamp: bigint;
  /** What the batch in hand has done to outputs: the store does not show it yet. */
  private readonly outputs = new Map<string, OutputStatus>();

  /** Into a store that has just begun. */
  constructor(private readonly store: Store) {
    if (store.stored === undefined) throw new Error('the chain has not begun');
    this.stamp = store.stored.stamp;
    this.state = store.loadState();
  }

  /** Takes the next block. Returns what is wrong with it, if anything: it is not taken then, nor may any other be. */
  add(accepted: StoredBlock): string | undefined {
    const { changes, change, flaws } = replay(this.state, accepted, (id) => this.lookup(id));
    const [flaw] = flaws;
    if (flaw !== undefined || change === undefined) return flaw?.what ?? 'it is not accepted';
    this.changes.push(...changes);
    this.blocks++;
    this.stamp = accepted.acceptedAt;
    for (const { id } of change.outputs.made) this.outputs.set(id.toString('latin1'), 'unspent');
    for (const { id } of change.outputs.spent) this.outputs.set(id.toString('latin1'), 'spent');
    return undefined;
  }

  /** Whether the batch in hand is to be committed before there are more. */
  get isFull(): boolean {
    return this.blocks >= BATCH_BLOCKS || this.outputs.size >= LIMITS.batchOutputs;
  }

  /** Makes what was taken durable. */
  async commit(): Promise<void> {
    if (this.blocks === 0) return;
    await this.store.commit(this.changes, this.stamp);
    this.changes = [];
    this.blocks = 0;
    this.outputs.clear();
  }

  private lookup(id: Buffer): OutputStatus {
    return this.outputs.get(id.toString('latin1')) ?? this.store.lookup(id);
  }
}
