/** Checks a data folder: every block is replayed through the engine, and everything kept beside the blocks is held against them. */

import { outputId } from '../engine/bytes.js';
import { exactUnits } from '../engine/exact.js';
import type { OutputStatus } from '../engine/rules.js';
import { apply, type Change, initialState, type State, type StoredBlock } from '../engine/state.js';
import { passRounds, stepAndApply } from '../engine/step.js';
import type { LmdbStore } from '../store/lmdb.js';
import { NOT_SPENT, type OutputRecord, textKey } from '../store/records.js';
import { StoreError } from '../store/store.js';

/** What a verification found. */
export interface Verification {
  /** Blocks that were replayed. */
  readonly blocks: number;
  readonly outputs: bigint;
  readonly unspent: bigint;
  /** What is wrong, the first first; empty where the chain is sound. */
  readonly problems: readonly string[];
}

/** Hears how far it is: so many blocks of so many are replayed; then, so many unspent outputs of so many are found where they must be. */
export type Report = (what: 'blocks' | 'unspent outputs', done: number, of: number) => void;

/** Blocks, or outputs, between two reports. */
const REPORT_EVERY = 1_000;

/** More is not looked for. */
const MOST_PROBLEMS = 1_000;

/**
 * Verifies a chain, in one go: LMDB shows one moment of a folder that a validator may be writing to. Memory grows with the miners who have
 * a block, not with the blocks or their outputs.
 */
export function verify(store: LmdbStore, report: Report = () => {}): Verification {
  const problems: string[] = [];
  let replay: Replay | undefined;
  try {
    replay = new Replay(store, problems);
    replay.blocks(report);
    if (problems.length === 0) {
      replay.leftovers();
      replay.balances(report);
      replay.minerRecords();
      replay.state();
    }
  } catch (error) {
    // A record that cannot be read at all ends the replay where it stands.
    if (!(error instanceof StoreError || error instanceof RangeError)) throw error;
    problems.push(`${replay?.at ?? ''}${error.message}`);
  }
  const { sound: blocks, made: outputs, spent } = replay ?? { sound: 0, made: 0n, spent: 0n };
  return { blocks, outputs, unspent: outputs - spent, problems };
}

class Replay {
  /** The blocks that were found sound. */
  sound = 0;
  made = 0n;
  spent = 0n;
  private readonly stored: State;
  private readonly replayed: State;
  /** What each miner has to its name. */
  private readonly miners = new Map<string, { blocks: number; last: number }>();
  /** What is kept of the outputs that were looked up for a block, by the very ids that its changes name. */
  private readonly lookedUp = new Map<Buffer, OutputRecord>();

  constructor(
    private readonly store: LmdbStore,
    private readonly problems: string[],
  ) {
    this.stored = store.loadState();
    this.replayed = initialState(this.stored.parameters);
  }

  /** Judges every block again, at the time at which it was accepted, on the chain before it. */
  blocks(report: Report): void {
    const { height } = this.stored;
    while (this.sound < height) {
      if (this.sound % REPORT_EVERY === 0) report('blocks', this.sound, height);
      const accepted = this.store.blockAsIs(this.sound);
      if (accepted === undefined) this.amiss('it is missing');
      else this.block(accepted);
      if (this.problems.length > 0) return;
      this.sound++;
    }
    report('blocks', height, height);
  }

  /** Where the replay stands, to begin a problem with. */
  get at(): string {
    return this.sound < this.stored.height ? `block #${this.sound}: ` : '';
  }

  private block(accepted: StoredBlock): void {
    const { sound } = this;
    const { block, minerId, acceptedAt } = accepted;
    this.mustHold(acceptedAt >= this.replayed.round.start, () => 'it was accepted before the block before it');
    this.lookedUp.clear();
    const { verdict, changes } = stepAndApply(this.replayed, { minerId, block }, acceptedAt, (id) => this.before(id));
    const change = changes.find((one): one is Extract<Change, { type: 'block' }> => one.type === 'block');
    if (change === undefined) return this.amiss(`it is not accepted: ${verdict.message}`);
    const judged = change.accepted;
    this.mustHold(judged.round === accepted.round, () => `it has round ${accepted.round}, not ${judged.round}`);
    this.mustHold(judged.tonce === accepted.tonce, () => `it has tonce ${accepted.tonce}, not ${judged.tonce}`);
    this.mustHold(judged.difficulty === accepted.difficulty, () => `it has difficulty ${accepted.difficulty}`);
    this.mustHold(judged.contentHash.equals(accepted.contentHash), () => 'it has another content hash');
    this.mustHold(this.store.indexOf(block.hash) === sound, () => 'it is not found by its hash');
    for (const { id } of change.outputs.made) {
      const record = this.outputRecord(id);
      const holds = record?.madeIn === sound && record.place === this.made;
      this.mustHold(holds, () => `output ${id.toString('hex')} is amiss`);
      this.made++;
    }
    for (const { id } of change.outputs.spent) {
      const holds = this.outputRecord(id)?.spentIn === sound;
      this.mustHold(holds, () => `spent output ${id.toString('hex')} is amiss`);
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
    const { height } = this.stored;
    this.mustHold(this.store.count('B') === height, () => 'there are blocks beyond the height');
    this.mustHold(this.store.count('H') === height, () => 'there are hashes of no block');
    // Nothing of the chain says what these are to be: that they can be read is all.
    this.store.visits();
    this.store.keys();
    this.mustHold(BigInt(this.store.count('O')) === this.made, () => 'there are outputs that no block has made');
    this.mustHold(
      this.store.outputCount === this.made,
      () => `${this.store.outputCount} outputs are counted, not ${this.made}`,
    );
  }

  /** Every unspent output belongs to its address, and every balance is their sum. */
  balances(report: Report): void {
    const sums = this.sums(report);
    let unspent = 0n;
    let owner = sums.next();
    for (const { addressHash, balance } of this.store.balances()) {
      let expected = { units: 0n, count: 0n };
      if (!owner.done && owner.value.addressHash === addressHash) {
        expected = owner.value;
        owner = sums.next();
      }
      const holds = balance.units === expected.units && balance.count === expected.count;
      this.mustHold(
        holds,
        () => `the balance of the address with SHA-256 ${addressHash} is not the sum of its outputs`,
      );
      unspent += expected.count;
    }
    this.mustHold(owner.done === true, () => 'there are unspent outputs of an address without a balance');
    const left = this.made - this.spent;
    this.mustHold(unspent === left, () => `${unspent} outputs are unspent, not ${left}`);
  }

  /** The unspent outputs of each address, summed, in the order of the addresses' keys. */
  private *sums(report: Report): Generator<{ addressHash: string; units: bigint; count: bigint }> {
    let current: { addressHash: string; units: bigint; count: bigint } | undefined;
    let address: { text: string; hash: string } | undefined;
    const unspent = Number(this.made - this.spent);
    let seen = 0;
    for (const { addressHash, owned } of this.store.ownedOutputs()) {
      if (seen % REPORT_EVERY === 0) report('unspent outputs', seen, unspent);
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
      this.mustHold(holds, () => `unspent output ${id.toString('hex')} is amiss`);
      if (current !== undefined && current.addressHash !== addressHash) {
        yield current;
        current = undefined;
      }
      current ??= { addressHash, units: 0n, count: 0n };
      current.units += exactUnits(output.value);
      current.count++;
    }
    report('unspent outputs', unspent, unspent);
    if (current !== undefined) yield current;
  }

  /** Every miner's record counts its blocks. */
  minerRecords(): void {
    this.mustHold(this.store.count('M') === this.miners.size, () => 'there are miners who have no block');
    for (const [minerId, { blocks, last }] of this.miners) {
      const kept = this.store.miner(minerId);
      const holds = kept.blockCount === BigInt(blocks) && kept.lastBlockIndex === last;
      this.mustHold(holds, () => `the record of miner '${minerId}' does not count its blocks`);
    }
  }

  /** The state that the replay ends with, brought to the last stamp, is the one that is stored. */
  state(): void {
    const stamp = this.store.stored?.stamp ?? 0n;
    this.mustHold(stamp >= this.replayed.round.start, () => 'the last stamp lies before the newest block');
    const passed = passRounds(this.replayed, stamp);
    if (passed !== undefined) apply(this.replayed, passed);
    const { round, lockouts } = this.replayed;
    this.mustHold(
      round.number === this.stored.round.number && round.start === this.stored.round.start,
      () =>
        `the round is ${this.stored.round.number} from ${this.stored.round.start}, not ${round.number} from ${round.start}`,
    );
    const inForce = [...lockouts].filter(([, end]) => end > stamp);
    const same =
      inForce.length === this.stored.lockouts.size &&
      inForce.every(([id, end]) => this.stored.lockouts.get(id) === end);
    this.mustHold(same, () => 'the lockouts are not those of the accepted blocks');
  }

  private mustHold(holds: boolean, problem: () => string): void {
    if (!holds) this.amiss(problem());
  }

  private amiss(problem: string): void {
    if (this.problems.length === MOST_PROBLEMS) throw new StoreError('there is more amiss than this');
    this.problems.push(`${this.at}${problem}`);
  }
}
