/**
 * Holds the validator against the rules, step by step: every input that reaches its queue, every commit, every answer and every restart. It keeps a
 * chain of its own, which a commit moves on before it is durable, and a crash may move back: but never behind anything that somebody was told.
 */

import type { Block } from '../../gen/hourcoin/v1/block.js';
import type { Change, State } from '../../src/engine/state.js';
import type { Store } from '../../src/store/store.js';
import {
  type Chain,
  type Coin,
  challenge,
  HOUR,
  judge,
  newChain,
  type Ruling,
  roundsOver,
  unitsOf,
  ZEROS,
} from './rules.js';

/** What the validator does wrong: it ends the story. */
export class Problem extends Error {
  /** `check`: which one has found it. */
  constructor(
    readonly check: string,
    what: string,
  ) {
    super(`${check}: ${what}`);
  }
}

/** An input in the validator's queue. */
export interface Input {
  /** The answer that the rules want, as a text, of the chain as it stands when the input's turn has come. */
  readonly expect: (chain: Chain, now: bigint) => string;
  readonly submission?: { readonly minerId: string; readonly block: Block };
  readonly signal?: AbortSignal | undefined;
  /** The answer that the rules want, once its turn has come. */
  expected?: string;
}

/** A commit that is not known to be durable. */
interface Pending {
  readonly what: string;
  readonly undo: (() => void)[];
  /** What somebody was told since. */
  told?: string;
}

/** Blocks at the tip that are looked at after every restart. */
const LOOKED_AT = 20;

export class Auditor {
  chain: Chain | undefined;
  /** When each miner's block was accepted last. */
  readonly acceptedAt = new Map<string, bigint>();
  /** How many attempts of each miner were used up by a block that was not accepted. */
  readonly burnt = new Map<string, number>();
  /** The inputs that wait for their turn. */
  private readonly queue: Input[] = [];
  private readonly pending: Pending[] = [];
  private stamp = 0n;
  private auditedBlocks = 0;
  private auditedSupply = 0n;

  /** A chain is about to begin. */
  begin(difficulty: bigint, firstRoundStart: bigint): void {
    this.chain = newChain(difficulty, firstRoundStart);
    this.stamp = firstRoundStart;
  }

  /** An input is about to join the queue. */
  enqueue(input: Input): void {
    this.queue.push(input);
  }

  /** The validator has looked at its clock. */
  looked(now: bigint): void {
    if (now > this.stamp) this.stamp = now;
  }

  /** The validator has judged what waited, and is about to write it down. Returns what to call once that is durable. */
  commit(changes: readonly Change[], stamp: bigint): () => void {
    const chain = this.begun();
    if (stamp !== this.stamp)
      throw new Problem('time', `a commit is stamped ${stamp}, where the clock has shown ${this.stamp}`);
    this.mustBeAnHourApart(changes);
    const pending: Pending = { what: changes.map(named).join(', ') || 'a stamp', undo: [] };
    const wanted = this.endRounds(chain, stamp, pending);
    // Whatever waits is judged together, in its order.
    for (const input of this.queue.splice(0)) {
      if (input.signal?.aborted) continue;
      input.expected = input.expect(chain, stamp);
      if (input.submission === undefined) continue;
      const { minerId, block } = input.submission;
      const ruling = judge(chain, minerId, block, stamp);
      wanted.push(...this.carryOut(chain, minerId, ruling, block, stamp, pending));
    }
    mustAgree(changes, wanted);
    this.pending.push(pending);
    return () => {
      this.pending.splice(0, this.pending.indexOf(pending) + 1);
    };
  }

  /** The validator answers. */
  answered(input: Input, answer: string): void {
    this.leave(input);
    // Where it has changed nothing, it was judged just now.
    const expected = input.expected ?? input.expect(this.begun(), this.stamp);
    if (answer !== expected)
      throw new Problem('answers', `the answer is "${answer}", where the rules want "${expected}"`);
    const last = this.pending.at(-1);
    if (last !== undefined) last.told = answer;
  }

  /** The validator has not judged an input: nothing may be used up. */
  refused(input: Input): void {
    this.leave(input);
  }

  /** The validator is gone, with what was in its memory. */
  crashed(): void {
    this.queue.length = 0;
  }

  /** The validator is back: what it has found on its disk must hold all that it had told. */
  recovered(store: Store): void {
    const { chain, pending } = this;
    if (chain === undefined || store.stored === undefined) {
      if (chain !== undefined && chain.hashes.length > 0) throw new Problem('durability', 'the chain is gone');
      return;
    }
    const { stamp } = store.stored;
    const state = store.loadState();
    let difference = differenceOf(chain, state, stamp);
    while (difference !== undefined) {
      const last = pending.pop();
      if (last === undefined) throw new Problem('durability', `after a restart ${difference}`);
      if (last.told !== undefined)
        throw new Problem('durability', `"${last.told}" was answered, and ${last.what} is lost: ${difference}`);
      for (const undo of last.undo.reverse()) undo();
      difference = differenceOf(chain, state, stamp);
    }
    pending.length = 0;
    if (stamp < chain.roundStart)
      throw new Problem('time', `the stored time is ${stamp}, and the round began at ${chain.roundStart}`);
    this.stamp = stamp;
    for (const [place, hash] of chain.hashes.slice(-LOOKED_AT).entries()) {
      const index = Math.max(0, chain.hashes.length - LOOKED_AT) + place;
      const found = store.block(index)?.block?.hash.toString('hex');
      if (found !== hash) throw new Problem('durability', `block #${index} is ${found} after a restart, not ${hash}`);
    }
  }

  /** Looks at every block since the last audit, and at every coin there is. */
  audit(store: Store): void {
    const chain = this.begun();
    const owners = new Set<string>();
    for (; this.auditedBlocks < chain.hashes.length; this.auditedBlocks++) {
      const index = this.auditedBlocks;
      const block = store.block(index)?.block;
      if (block?.hash.toString('hex') !== chain.hashes[index])
        throw new Problem('chain', `block #${index} is not there`);
      if (block?.prevBlockHash.toString('hex') !== (chain.hashes[index - 1] ?? ZEROS))
        throw new Problem('chain', `block #${index} does not follow the one before it`);
      for (const { inputs, outputs } of block?.transactions ?? []) {
        for (const { value } of outputs) this.auditedSupply += unitsOf(value);
        for (const { value } of inputs) this.auditedSupply -= unitsOf(value);
        for (const { toAddr } of [...inputs, ...outputs]) owners.add(toAddr);
      }
    }
    // Two hours a block, less the fees.
    if (this.auditedSupply !== chain.supply || this.auditedSupply > unitsOf(2) * BigInt(chain.hashes.length))
      throw new Problem('coins', 'the blocks make more or less than there is');
    let unspent = 0n;
    for (const [id, { units, isSpent }] of chain.outputs) {
      const status = store.lookup(Buffer.from(id, 'hex'));
      if (status !== (isSpent ? 'spent' : 'unspent')) throw new Problem('coins', `output ${id} is ${status}`);
      if (!isSpent) unspent += units;
    }
    if (unspent !== chain.supply) throw new Problem('coins', 'the unspent coins are more or less than there is');
    // A memory store looks through all outputs for each: some are enough.
    for (const owner of [...owners].slice(0, 3)) {
      const owned = [...chain.outputs.values()].filter(({ output, isSpent }) => output.toAddr === owner && !isSpent);
      const units = owned.reduce((total, coin) => total + coin.units, 0n);
      const balance = store.balance(owner);
      if (balance.units !== units || balance.count !== BigInt(owned.length))
        throw new Problem('coins', `the balance of ${owner} is another than what it owns`);
    }
  }

  private begun(): Chain {
    if (this.chain === undefined) throw new Problem('chain', 'the validator runs before its chain has begun');
    return this.chain;
  }

  private leave(input: Input): void {
    const at = this.queue.indexOf(input);
    if (at >= 0) this.queue.splice(at, 1);
  }

  /** One acceptance an hour a miner: by what was accepted, whatever is said of lockouts. */
  private mustBeAnHourApart(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type !== 'block') continue;
      const { minerId, acceptedAt } = change.accepted;
      const last = this.acceptedAt.get(minerId);
      if (last !== undefined && acceptedAt < last + HOUR)
        throw new Problem('lockouts', `${minerId} has two blocks within an hour`);
    }
  }

  /** Ends the rounds that are over. Returns the changes that the rules want. */
  private endRounds(chain: Chain, now: bigint, { undo }: Pending): string[] {
    const over = roundsOver(chain, now);
    if (over === 0n) return [];
    const { round, roundStart, attempts } = chain;
    undo.push(() => Object.assign(chain, { round, roundStart, attempts }));
    chain.round += over;
    chain.roundStart += over * HOUR;
    chain.attempts = new Set();
    return [`round ${chain.round} from ${chain.roundStart}`];
  }

  /** Carries a ruling out. Returns the changes that the rules want. */
  private carryOut(
    chain: Chain,
    minerId: string,
    { burns, accepts }: Ruling,
    block: Block,
    now: bigint,
    { undo }: Pending,
  ): string[] {
    if (!burns) return [];
    const { attempts, tipTimestamp, round, roundStart, supply } = chain;
    attempts.add(minerId);
    undo.push(() => attempts.delete(minerId));
    const attempt = `attempt of ${minerId}`;
    if (accepts === undefined) {
      this.burnt.set(minerId, (this.burnt.get(minerId) ?? 0) + 1);
      return [attempt];
    }
    const { hash, tonce, made, spent } = accepts;
    const lockout = chain.lockouts.get(minerId);
    const last = this.acceptedAt.get(minerId);
    undo.push(() => {
      Object.assign(chain, { tipTimestamp, round, roundStart, attempts, supply });
      chain.hashes.pop();
      for (const [id] of made) chain.outputs.delete(id);
      for (const id of spent) coinOf(chain, id).isSpent = false;
      putBack(chain.lockouts, minerId, lockout);
      putBack(this.acceptedAt, minerId, last);
    });
    for (const [id, output] of made) {
      const units = unitsOf(output.value);
      chain.outputs.set(id, { output, units, isSpent: false });
      chain.supply += units;
    }
    for (const id of spent) {
      const coin = coinOf(chain, id);
      coin.isSpent = true;
      chain.supply -= coin.units;
    }
    chain.hashes.push(hash);
    chain.tipTimestamp = block.timestamp;
    chain.round++;
    chain.roundStart = now;
    chain.attempts = new Set();
    chain.lockouts.set(minerId, now + HOUR);
    this.acceptedAt.set(minerId, now);
    const outputs = `${made.length} made, ${spent.length} spent`;
    return [attempt, `block ${hash} by ${minerId} at ${now} in round ${round}, tonce ${tonce}, ${outputs}`];
  }
}

/** The round as it must be told. */
export function roundText(chain: Chain, now: bigint): string {
  const over = roundsOver(chain, now);
  const { tonce, seconds } = challenge(chain, now);
  let locked = 0;
  for (const [minerId, end] of chain.lockouts) {
    if (end > now) locked++;
    // Long over, by any clock: it need not be counted again.
    else if (end + 24n * HOUR < now) chain.lockouts.delete(minerId);
  }
  return [
    `round ${chain.round + over} from ${chain.roundStart + over * HOUR}`,
    `block #${chain.hashes.length} on ${chain.hashes.at(-1) ?? ZEROS} of ${chain.tipTimestamp}`,
    `tonce ${tonce} for ${seconds} s`,
    `${over > 0n ? 0 : chain.attempts.size} attempts, ${locked} lockouts`,
  ].join(', ');
}

/** Which check a change breaks that the rules do not want. */
const CHECKS = { round: 'rounds', attempt: 'attempts', block: 'chain' } as const;

function mustAgree(changes: readonly Change[], wanted: readonly string[]): void {
  for (const [place, change] of changes.entries()) {
    const found = described(change);
    if (found === wanted[place]) continue;
    const instead = wanted[place] ?? 'nothing';
    throw new Problem(CHECKS[change.type], `the validator has "${found}", where the rules want "${instead}"`);
  }
  const missing = wanted[changes.length];
  if (missing !== undefined) throw new Problem('rules', `"${missing}" is missing`);
}

function described(change: Change): string {
  switch (change.type) {
    case 'round':
      return `round ${change.number} from ${change.start}`;
    case 'attempt':
      return `attempt of ${change.minerId}`;
    case 'block': {
      const { block, minerId, acceptedAt, round, tonce } = change.accepted;
      const hash = block.hash.toString('hex');
      const outputs = `${change.outputs.made.length} made, ${change.outputs.spent.length} spent`;
      return `block ${hash} by ${minerId} at ${acceptedAt} in round ${round}, tonce ${tonce}, ${outputs}`;
    }
  }
}

function named(change: Change): string {
  if (change.type === 'block') return `block #${change.accepted.block.index} by ${change.accepted.minerId}`;
  return change.type === 'round' ? `round ${change.number}` : `an attempt of ${change.minerId}`;
}

/** How what was found on the disk differs from a chain; undefined where it does not. */
function differenceOf(chain: Chain, state: State, stamp: bigint): string | undefined {
  if (state.height !== chain.hashes.length) return `the height is ${state.height}, not ${chain.hashes.length}`;
  if (state.tip?.hash.toString('hex') !== chain.hashes.at(-1)) return 'the tip is another';
  if (state.round.number !== chain.round || state.round.start !== chain.roundStart)
    return `the round is ${state.round.number}, not ${chain.round}`;
  const attempts = [...state.round.attempts].sort().join();
  const wanted = [...chain.attempts].sort().join();
  if (attempts !== wanted) return `the attempts are of ${attempts || 'nobody'}, not of ${wanted || 'nobody'}`;
  for (const [minerId, end] of chain.lockouts) {
    const found = state.lockouts.get(minerId);
    if (end > stamp && found !== end) return `the lockout of ${minerId} ends at ${found}, not at ${end}`;
  }
  return undefined;
}

function coinOf({ outputs }: Chain, id: string): Coin {
  const coin = outputs.get(id);
  if (coin === undefined) throw new Problem('coins', `there is no output ${id}`);
  return coin;
}

function putBack(times: Map<string, bigint>, minerId: string, before: bigint | undefined): void {
  if (before === undefined) times.delete(minerId);
  else times.set(minerId, before);
}
