/** Checks a data folder: every block is replayed through the engine, and everything kept beside the blocks is held against them. */

import { outputId } from '../engine/bytes.js';
import { exactUnits, nearestDouble } from '../engine/exact.js';
import type { OutputStatus } from '../engine/rules.js';
import { apply, initialState, type State, type StoredBlock } from '../engine/state.js';
import { passRounds } from '../engine/step.js';
import type { LmdbStore } from '../store/lmdb.js';
import { describe, key, NOT_SPENT, type OutputRecord, textKey, u32 } from '../store/records.js';
import { DamageError, StoreError } from '../store/store.js';
import { type Flaw, replay } from './replay.js';

/** What a verification found. */
export interface Verification {
  /** Blocks that are sound: those before the first that is not. */
  readonly blocks: number;
  /** Blocks that the chain has. */
  readonly height: number;
  readonly outputs: bigint;
  readonly unspent: bigint;
  /** The hash of the last sound block. */
  readonly tip: Buffer | undefined;
  /** What is wrong, the first first; empty where the chain is sound. */
  readonly problems: readonly Problem[];
}

/** Something that is wrong. */
export interface Problem extends Flaw {
  /** The block that it is about; undefined where it is about what is kept beside the blocks. */
  readonly block: number | undefined;
  /** That block's hash, as far as it is known: the block itself has it or, where that cannot be read, the block after it. */
  readonly hash: Buffer | undefined;
  /** The record of the data folder, as records.ts names them: `B:00000003`. */
  readonly record: string | undefined;
}

/** How far it is: so many blocks of so many are replayed; then, so many unspent outputs of so many are found where they must be. */
export type Step = readonly [what: 'blocks' | 'unspent outputs', done: number, of: number];

/** Blocks, or outputs, between two steps. */
const STEP = 1_000;

/** More is not looked for. */
const MOST_PROBLEMS = 1_000;

/**
 * Verifies a chain, in one go: LMDB shows one moment of a folder that a validator may be writing to. Memory grows with the miners who have
 * a block, not with the blocks or their outputs.
 */
export function verify(store: LmdbStore, report: (...step: Step) => void = () => {}): Verification {
  const steps = verifySteps(store);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    report(...step.value);
  }
}

/** The same a step at a time, for a folder that nobody writes to meanwhile. */
export function* verifySteps(store: LmdbStore): Generator<Step, Verification> {
  const replay = new Replay(store);
  try {
    yield* replay.blocks();
    if (replay.problems.length === 0) {
      replay.leftovers();
      yield* replay.balances();
      replay.minerRecords();
      replay.state();
    }
  } catch (error) {
    // A record that cannot be read at all ends the replay where it stands.
    if (!(error instanceof StoreError || error instanceof RangeError)) throw error;
    replay.unreadable(error);
  }
  const { sound: blocks, made: outputs, spent, problems, tip } = replay;
  return { blocks, height: store.height, outputs, unspent: outputs - spent, tip, problems };
}

class Replay {
  readonly problems: Problem[] = [];
  /** The blocks that were found sound. */
  sound = 0;
  made = 0n;
  spent = 0n;
  /** The hash of the last of them. */
  tip: Buffer | undefined;
  private readonly height: number;
  private readonly replayed: State;
  /** What each miner has to its name. */
  private readonly miners = new Map<string, { blocks: number; last: number }>();
  /** What is kept of the outputs that were looked up for a block, by the very ids that its changes name. */
  private readonly lookedUp = new Map<Buffer, OutputRecord>();

  constructor(private readonly store: LmdbStore) {
    if (store.stored === undefined) throw new Error('the chain has not begun');
    this.height = store.height;
    this.replayed = initialState(store.stored.parameters);
  }

  /** Judges every block again, at the time at which it was accepted, on the chain before it. */
  *blocks(): Generator<Step, void> {
    const { height } = this;
    while (this.sound < height) {
      if (this.sound % STEP === 0) yield ['blocks', this.sound, height];
      const accepted = this.store.blockAsIs(this.sound);
      if (accepted === undefined) this.amiss({ what: 'it is missing' });
      else this.block(accepted);
      if (this.problems.length > 0) return;
      this.tip = accepted?.block.hash;
      this.sound++;
    }
    yield ['blocks', height, height];
  }

  private block(accepted: StoredBlock): void {
    const { sound } = this;
    const { block, minerId } = accepted;
    this.lookedUp.clear();
    const { change, flaws } = replay(this.replayed, accepted, (id) => this.before(id));
    for (const flaw of flaws) this.amiss(flaw);
    if (change === undefined) return;
    const index = this.store.indexOf(block.hash);
    this.mustHold(index === sound, () => ({
      what: 'it is not found by its hash',
      record: describe(key('H', block.hash)),
      expected: `block #${sound}`,
      found: index === undefined ? 'nothing' : `block #${index}`,
    }));
    for (const { id } of change.outputs.made) {
      const record = this.outputRecord(id);
      const holds = record?.madeIn === sound && record.place === this.made;
      this.mustHold(holds, () => ({
        what: `output ${id.toString('hex')} is amiss`,
        record: describe(key('O', id)),
        expected: `made in block #${sound}, number ${this.made}`,
        found: record === undefined ? 'nothing' : `made in block #${record.madeIn}, number ${record.place}`,
      }));
      this.made++;
    }
    for (const { id } of change.outputs.spent) {
      const record = this.outputRecord(id);
      this.mustHold(record?.spentIn === sound, () => ({
        what: `spent output ${id.toString('hex')} is amiss`,
        record: describe(key('O', id)),
        expected: `spent in block #${sound}`,
        found: shownSpending(record),
      }));
      this.spent++;
    }
    const miner = this.miners.get(minerId);
    if (miner === undefined) this.miners.set(minerId, { blocks: 1, last: sound });
    else {
      miner.blocks++;
      miner.last = sound;
    }
  }

  /** What was known of an output before the block that is replayed. */
  private before(id: Buffer): OutputStatus {
    const record = this.store.outputRecord(id);
    if (record === undefined) return 'absent';
    this.lookedUp.set(id, record);
    if (record.madeIn >= this.sound) return 'absent';
    return record.spentIn < this.sound ? 'spent' : 'unspent';
  }

  /** What is kept of an output that the block makes or spends. */
  private outputRecord(id: Buffer): OutputRecord | undefined {
    return this.lookedUp.get(id) ?? this.store.outputRecord(id);
  }

  /** Nothing is kept that no block has made. */
  leftovers(): void {
    const { height } = this;
    this.mustCount(this.store.count('B'), height, 'there are blocks beyond the height');
    this.mustCount(this.store.count('H'), height, 'there are hashes of no block');
    // Nothing of the chain says what these are to be: that they can be read is all.
    this.store.visits();
    this.store.keys();
    this.mustCount(BigInt(this.store.count('O')), this.made, 'there are outputs that no block has made');
    const counted = this.store.outputCount;
    this.mustCount(counted, this.made, `${counted} outputs are counted, not ${this.made}`, describe(key('S')));
  }

  /** Every unspent output belongs to its address, and every balance is their sum. */
  *balances(): Generator<Step, void> {
    const sums = this.sums();
    let unspent = 0n;
    let owner = yield* nextSum(sums);
    for (const { addressHash, balance } of this.store.balances()) {
      let expected: Sum = { addressHash, units: 0n, count: 0n };
      if (owner?.addressHash === addressHash) {
        expected = owner;
        owner = yield* nextSum(sums);
      }
      const holds = balance.units === expected.units && balance.count === expected.count;
      this.mustHold(holds, () => ({
        what: `the balance of the address with SHA-256 ${addressHash} is not the sum of its outputs`,
        record: `A:${addressHash}`,
        expected: shownBalance(expected),
        found: shownBalance(balance),
      }));
      unspent += expected.count;
    }
    this.mustHold(owner === undefined, () => ({
      what: 'there are unspent outputs of an address without a balance',
      record: `A:${owner?.addressHash}`,
    }));
    const left = this.made - this.spent;
    this.mustCount(unspent, left, `${unspent} outputs are unspent, not ${left}`);
  }

  /** The unspent outputs of each address, summed, in the order of the addresses' keys. */
  private *sums(): Generator<Sum | Step, void> {
    let current: Sum | undefined;
    let address: { text: string; hash: string } | undefined;
    const unspent = Number(this.made - this.spent);
    let seen = 0;
    for (const { addressHash, owned } of this.store.ownedOutputs()) {
      if (seen % STEP === 0) yield ['unspent outputs', seen, unspent];
      seen++;
      const { id, output } = owned;
      // Those of one address follow each other.
      if (address?.text !== output.toAddr) {
        address = { text: output.toAddr, hash: textKey(output.toAddr).toString('hex') };
      }
      const record = this.store.outputRecord(id);
      const holds =
        outputId(output).equals(id) &&
        address.hash === addressHash &&
        record?.place === owned.place &&
        record.madeIn === owned.blockIndex &&
        record.spentIn === NOT_SPENT;
      this.mustHold(holds, () => ({
        what: `unspent output ${id.toString('hex')} is amiss`,
        record: `U:${addressHash}${owned.place.toString(16).padStart(16, '0')}`,
      }));
      if (current !== undefined && current.addressHash !== addressHash) {
        yield current;
        current = undefined;
      }
      current ??= { addressHash, units: 0n, count: 0n };
      current.units += exactUnits(output.value);
      current.count++;
    }
    yield ['unspent outputs', unspent, unspent];
    if (current !== undefined) yield current;
  }

  /** Every miner's record counts its blocks. */
  minerRecords(): void {
    this.mustCount(this.store.count('M'), this.miners.size, 'there are miners who have no block');
    for (const [minerId, { blocks, last }] of this.miners) {
      const kept = this.store.miner(minerId);
      const holds = kept.blockCount === BigInt(blocks) && kept.lastBlockIndex === last;
      this.mustHold(holds, () => ({
        what: `the record of miner '${minerId}' does not count its blocks`,
        record: describe(key('M', textKey(minerId))),
        expected: `${blocks}, the last one #${last}`,
        found: `${kept.blockCount}, the last one #${kept.lastBlockIndex ?? 'none'}`,
      }));
    }
  }

  /** The state that the replay ends with, brought to the last stamp, is the one that is stored. */
  state(): void {
    const stored = this.store.loadState();
    const stamp = this.store.stored?.stamp ?? 0n;
    this.mustHold(stamp >= this.replayed.round.start, () => ({
      what: 'the last stamp lies before the newest block',
      record: describe(key('S')),
      expected: `${this.replayed.round.start} or later`,
      found: `${stamp}`,
    }));
    const passed = passRounds(this.replayed, stamp);
    if (passed !== undefined) apply(this.replayed, passed);
    const { round, lockouts } = this.replayed;
    const [expected, found] = [shownRound(round), shownRound(stored.round)];
    this.mustHold(expected === found, () => ({
      what: `the round is ${found}, not ${expected}`,
      record: describe(key('S')),
      expected,
      found,
    }));
    const inForce = [...lockouts].filter(([, end]) => end > stamp);
    const same =
      inForce.length === stored.lockouts.size && inForce.every(([id, end]) => stored.lockouts.get(id) === end);
    this.mustHold(same, () => ({ what: 'the lockouts are not those of the accepted blocks' }));
    // Those that are over, too, and the attempts, of which no block tells.
    if (this.problems.length === 0) this.store.checkCounts();
  }

  /** What a record that cannot be read is: a problem of the block that the replay stands at, if there is one. */
  unreadable(error: StoreError | RangeError): void {
    this.add({ what: error.message, record: error instanceof DamageError ? error.record : undefined });
  }

  private mustCount<T extends bigint | number>(found: T, expected: T, what: string, record?: string): void {
    this.mustHold(found === expected, () => ({ what, record, expected: `${expected}`, found: `${found}` }));
  }

  private mustHold(holds: boolean, flaw: () => RecordFlaw): void {
    if (!holds) this.amiss(flaw());
  }

  private amiss(flaw: RecordFlaw): void {
    if (this.problems.length === MOST_PROBLEMS) throw new StoreError('there is more amiss than this');
    this.add(flaw);
  }

  private add({ record, ...flaw }: RecordFlaw): void {
    const block = this.sound < this.height ? this.sound : undefined;
    this.problems.push({
      ...flaw,
      block,
      hash: block === undefined ? undefined : this.hashOf(block),
      record: record ?? (block === undefined ? undefined : describe(key('B', u32(block)))),
    });
  }

  private hashOf(index: number): Buffer | undefined {
    const read = (at: number): StoredBlock['block'] | undefined => {
      try {
        return this.store.blockAsIs(at)?.block;
      } catch {
        return undefined;
      }
    };
    return read(index)?.hash ?? read(index + 1)?.prevBlockHash;
  }
}

/** A flaw of a record: where none is named, of the block that the replay stands at. */
interface RecordFlaw extends Flaw {
  readonly record?: string | undefined;
}

/** An address's unspent outputs, summed. */
interface Sum {
  readonly addressHash: string;
  units: bigint;
  count: bigint;
}

/** Passes steps on until there is a sum. */
function* nextSum(sums: Generator<Sum | Step, void>): Generator<Step, Sum | undefined> {
  for (;;) {
    const { done, value } = sums.next();
    if (done === true) return undefined;
    if ('units' in value) return value;
    yield value;
  }
}

function shownSpending(record: OutputRecord | undefined): string {
  if (record === undefined) return 'nothing';
  return record.spentIn === NOT_SPENT ? 'not spent' : `spent in block #${record.spentIn}`;
}

function shownBalance({ units, count }: { readonly units: bigint; readonly count: bigint }): string {
  return `${count} outputs of ${nearestDouble(units)} hours`;
}

function shownRound({ number, start }: State['round']): string {
  return `${number} from ${start}`;
}
