/**
 * The validator that runs: one queue below every transport. It stamps each input as it takes it from the queue, judges a batch in order,
 * makes the batch durable in one transaction, and only then answers (design: group commit). While a batch is being made durable, the next
 * one gathers. Reads stand in the same queue, so that no answer shows what a crash could take back.
 */

import type { AcceptedBlock, Block } from '../../gen/hourcoin/v1/block.js';
import type { GetAddressResponse, GetMinerResponse, ListBlocksResponse } from '../../gen/hourcoin/v1/chain_service.js';
import type {
  CheckLockoutResponse,
  GetBlockchainInfoResponse,
  RoundInfo,
  SubmitBlockResponse,
} from '../../gen/hourcoin/v1/validator_service.js';
import { blockchainInfo, lockoutStatus, roundInfo } from '../engine/answers.js';
import { cancelled, Fault } from '../engine/fault.js';
import { DEFAULT_OPERATOR_LIMITS, LIMITS, type OperatorLimits } from '../engine/limits.js';
import type { OutputStatus } from '../engine/rules.js';
import { apply, type Change, lockoutRemaining, type State } from '../engine/state.js';
import { passRounds, step } from '../engine/step.js';
import type { Store, Visit } from '../store/store.js';
import type { Clock } from '../time/clock.js';
import type { Observer } from './events.js';
import { type Figures, figuresOf } from './figures.js';
import { type Input, Queue } from './queue.js';
import { addressPage, blockPage, namedBlock, storedBlock } from './reads.js';
import { Sources } from './sources.js';
import { Streams } from './streams.js';
import type { BlockName, CallOptions, ChainValidator, Page, SubmitOptions } from './validator.js';

/** How often the last stamp is stored while only reads are answered, milliseconds of real time. */
const STAMP_EVERY_MS = 1_000;

/** Judges or reads at a stamp. What it changes is added to the changes and applied to the state. */
type Judge<T> = (now: bigint, changes: Change[]) => T;

export class ValidatorNode implements ChainValidator {
  private readonly state: State;
  private readonly queue = new Queue();
  private committing: Promise<void> | undefined;
  private draining = false;
  private stopping = false;
  private failure: Fault | undefined;
  private lastStamp: bigint;
  private storedStamp: bigint;
  private answeredStamp = 0n;
  private clockIsBehind = false;
  private durableHeight: number;
  private readonly streams: Streams;
  /** What the batch in hand has done to outputs: the store does not show it yet. */
  private readonly batchOutputs = new Map<string, OutputStatus>();
  /** The round and the chain as they were told last, unless something has changed since. */
  private told: { round?: RoundInfo; chain?: GetBlockchainInfoResponse } = {};
  private readonly sources: Sources;
  /** What the batch in hand adds to them. */
  private batchVisits: Visit[] = [];
  private readonly timers: NodeJS.Timeout[];

  /** Runs the chain of a store that has begun. The store stays the caller's to close, after `stop`. */
  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly observe: Observer = () => {},
    limits: OperatorLimits = DEFAULT_OPERATOR_LIMITS,
  ) {
    if (store.stored === undefined) throw new Error('the chain has not begun');
    this.lastStamp = store.stored.stamp;
    this.storedStamp = this.lastStamp;
    this.state = store.loadState();
    this.durableHeight = this.state.height;
    this.sources = new Sources(limits, clock.speed, store.visits());
    this.streams = new Streams({
      isStopping: () => this.stopping,
      height: () => this.durableHeight,
      admit: () => this.admit(),
      round: (options) => this.roundNow(options),
      block: (index) => this.read(() => storedBlock(this.store, index)),
    });
    // An idle round ends by itself, on a fast clock soon.
    const tickMs = Math.min(1_000, Math.max(20, 1_000 / clock.speed));
    this.timers = [
      setInterval(() => this.tick(), tickMs).unref(),
      setInterval(() => this.storeStamp(), STAMP_EVERY_MS).unref(),
    ];
  }

  getRoundInfo(minerId: string, options?: CallOptions): Promise<RoundInfo> {
    this.observe({ type: 'request', minerId, call: 'GetRoundInfo' });
    return this.roundNow(options);
  }

  submitBlock(minerId: string, block: Block, options?: SubmitOptions): Promise<SubmitBlockResponse> {
    const weight = block.transactions.reduce((sum, { inputs, outputs }) => sum + inputs.length + outputs.length, 0);
    this.observe({ type: 'submission', minerId, index: block.index });
    const verdict = this.enqueue(
      (now, changes) => this.judge(minerId, block, options?.network, now, changes),
      options,
      weight,
    );
    verdict.then(
      (verdict) => this.observe({ type: 'verdict', minerId, index: block.index, verdict }),
      () => {},
    );
    return verdict;
  }

  checkLockout(minerId: string, options?: CallOptions): Promise<CheckLockoutResponse> {
    this.observe({ type: 'request', minerId, call: 'CheckLockout' });
    return this.enqueue((now) => lockoutStatus(this.state, minerId, now), options);
  }

  getBlockchainInfo(options?: CallOptions): Promise<GetBlockchainInfoResponse> {
    return this.enqueue(() => (this.told.chain ??= blockchainInfo(this.state)), options);
  }

  watchRounds(minerId: string, options?: CallOptions): AsyncGenerator<RoundInfo, void> {
    this.observe({ type: 'request', minerId, call: 'GetRoundInfo' });
    return this.streams.rounds(options);
  }

  async getBlock(name: BlockName): Promise<AcceptedBlock> {
    return this.read(() => namedBlock(this.store, name));
  }

  async listBlocks(fromIndex: number, page: Page = {}): Promise<ListBlocksResponse> {
    return this.read(() => blockPage(this.store, this.durableHeight, fromIndex, page));
  }

  watchBlocks(fromIndex: number, options?: CallOptions): AsyncGenerator<AcceptedBlock, void> {
    return this.streams.blocks(fromIndex, options);
  }

  async getAddress(address: string, page: Page = {}): Promise<GetAddressResponse> {
    return this.read(() => addressPage(this.store, address, page));
  }

  getMiner(minerId: string, options?: CallOptions): Promise<GetMinerResponse> {
    return this.enqueue((now) => {
      const lockoutRemainingMs = lockoutRemaining(this.state, minerId, now);
      const isLocked = lockoutRemainingMs > 0n;
      const hasAttempted = this.state.round.attempts.has(minerId);
      // Counted when it is answered: a block of the same batch is in the store by then.
      return () => ({ minerId, isLocked, lockoutRemainingMs, hasAttempted, ...this.store.miner(minerId) });
    }, options).then((answer) => this.read(answer));
  }

  /** How it stands: what waits to be judged, what is watched, and the chain and its round. */
  figures(): Figures & { readonly height: number; readonly queued: number; readonly streams: number } {
    const { durableHeight: height, queue, streams } = this;
    let now = this.clock.now();
    if (now < this.lastStamp) now = this.lastStamp;
    return { height, queued: queue.length, streams: streams.count, ...figuresOf(this.state, now) };
  }

  /** Takes nothing more, answers what was taken, ends every stream and stores the last stamp. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers) clearInterval(timer);
    this.streams.close();
    while (this.committing !== undefined) await this.committing;
    this.storeStamp();
    await this.committing;
  }

  private roundNow(options?: CallOptions): Promise<RoundInfo> {
    return this.enqueue((now) => this.roundAt(now), options);
  }

  /** The round as a stamp finds it: the same answer for all who ask within a millisecond. */
  private roundAt(now: bigint): RoundInfo {
    if (this.told.round?.serverTime !== now) this.told.round = roundInfo(this.state, now, this.clock.speed);
    return this.told.round;
  }

  private judge(
    minerId: string,
    block: Block,
    network: string | undefined,
    now: bigint,
    changes: Change[],
  ): SubmitBlockResponse {
    const doubt = this.clock.doubt?.();
    if (doubt !== undefined) throw new Fault('UNAVAILABLE', doubt);
    if (network !== undefined) this.sources.check(network, minerId, now);
    const judgement = step(this.state, { minerId, block }, now, (id) => this.lookup(id));
    // A good block is always taken: it clears the attempts. What would only add to them is not.
    const last = judgement.changes.at(-1);
    if (last?.type === 'attempt' && this.state.round.attempts.size >= LIMITS.attempts) {
      throw new Fault('OVERLOADED', 'too many miners have used up their attempt in this round');
    }
    for (const change of judgement.changes) this.change(change, changes);
    if (network !== undefined && last !== undefined) {
      const visit = { at: now, network, minerId, accepted: last.type === 'block' };
      this.sources.add(visit);
      this.batchVisits.push(visit);
    }
    return judgement.verdict;
  }

  private change(change: Change, changes: Change[]): void {
    apply(this.state, change);
    changes.push(change);
    this.told = {};
    if (change.type !== 'block') return;
    for (const { id } of change.outputs.made) this.batchOutputs.set(id.toString('latin1'), 'unspent');
    for (const { id } of change.outputs.spent) this.batchOutputs.set(id.toString('latin1'), 'spent');
  }

  private lookup(id: Buffer): OutputStatus {
    return this.batchOutputs.get(id.toString('latin1')) ?? this.store.lookup(id);
  }

  /** Reads what is durable, straight from the store. */
  private read<T>(query: () => T): T {
    this.admit();
    try {
      return query();
    } catch (error) {
      throw error instanceof Fault ? error : this.fail(error);
    }
  }

  private admit(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.stopping) throw new Fault('UNAVAILABLE', 'the validator is stopping');
  }

  private enqueue<T>(judge: Judge<T>, options?: CallOptions, weight = 0): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.admit();
      this.queue.push({
        signal: options?.signal,
        weight,
        refuse: reject,
        run(now, changes) {
          try {
            const answer = judge(now, changes);
            return () => resolve(answer);
          } catch (error) {
            if (!(error instanceof Fault)) throw error;
            return () => reject(error);
          }
        },
      });
      this.drain();
    });
  }

  /** Judges what waits, a batch at a time, until a batch has to be made durable. */
  private drain(): void {
    if (this.draining) return;
    this.draining = true;
    while (this.queue.length > 0 && this.committing === undefined) {
      const batch = this.queue.takeBatch();
      const changes: Change[] = [];
      const answers: (() => void)[] = [];
      try {
        for (const input of batch) {
          if (input.signal?.aborted) {
            input.refuse(cancelled());
            continue;
          }
          const now = this.advance(changes);
          this.answeredStamp = now;
          answers.push(input.run(now, changes));
        }
      } catch (error) {
        const fault = this.fail(error);
        for (const input of batch) input.refuse(fault);
        break;
      }
      if (changes.length > 0) this.commit(changes, batch, answers);
      else for (const answer of answers) answer();
    }
    this.draining = false;
  }

  /** Makes changes durable, then answers the inputs that led to them. */
  private commit(
    changes: readonly Change[],
    inputs: readonly Input[] = [],
    answers: readonly (() => void)[] = [],
  ): void {
    const stamp = this.lastStamp;
    const visits = this.batchVisits;
    this.batchVisits = [];
    const began = performance.now();
    this.committing = this.store.commit(changes, stamp, visits).then(
      () => {
        this.storedStamp = stamp;
        this.durableHeight = this.state.height;
        this.batchOutputs.clear();
        this.committing = undefined;
        this.observe({ type: 'commit', ms: performance.now() - began });
        for (const answer of answers) answer();
        this.tell(changes);
        this.drain();
      },
      (error) => {
        this.committing = undefined;
        const fault = this.fail(error);
        for (const input of inputs) input.refuse(fault);
      },
    );
  }

  private tell(changes: readonly Change[]): void {
    let newRound = false;
    let newest: AcceptedBlock | undefined;
    for (const change of changes) {
      if (change.type === 'attempt') continue;
      newRound = true;
      if (change.type === 'block') {
        const { accepted } = change;
        newest = accepted;
        this.observe({ type: 'block', accepted, height: accepted.block.index + 1 });
        this.observe({ type: 'round', number: accepted.round + 1n });
      } else {
        this.observe({ type: 'round', number: change.number });
      }
    }
    if (newRound && this.streams.count > 0) this.tellStreams(newest);
  }

  /** Tells those who watch of a new round, and of its block. Nothing waits to be written: the stamp is as good as one from the queue. */
  private tellStreams(newest: AcceptedBlock | undefined): void {
    const changes: Change[] = [];
    const now = this.advance(changes);
    // That round is over already: the next is told once it is durable.
    if (changes.length > 0) return this.commit(changes);
    this.answeredStamp = now;
    this.streams.tell(this.roundAt(now), newest);
  }

  /** Ends the rounds that are over while nothing comes in. */
  private tick(): void {
    if (this.queue.length > 0 || this.committing !== undefined) return;
    const changes: Change[] = [];
    this.advance(changes);
    if (changes.length > 0) this.commit(changes);
  }

  /** Brings the state to the next stamp, and returns it. */
  private advance(changes: Change[]): bigint {
    const now = this.stamp();
    const passed = passRounds(this.state, now);
    if (passed !== undefined) this.change(passed, changes);
    return now;
  }

  /** The time of an input: the clock's, but never before an earlier stamp. */
  private stamp(): bigint {
    const now = this.clock.now();
    if (now >= this.lastStamp) {
      this.clockIsBehind = false;
      this.lastStamp = now;
    } else if (!this.clockIsBehind) {
      this.clockIsBehind = true;
      this.observe({ type: 'clock-behind', by: this.lastStamp - now });
    }
    return this.lastStamp;
  }

  /** Stores the last stamp where only reads were answered with it: after a restart none is answered from before them. */
  private storeStamp(): void {
    if (this.storedStamp >= this.answeredStamp || this.committing !== undefined || this.failure !== undefined) return;
    this.commit([]);
  }

  /** Stops taking anything: what is in memory can no longer be made durable. */
  private fail(error: unknown): Fault {
    if (this.failure !== undefined) return this.failure;
    this.failure = new Fault('UNAVAILABLE', 'the validator cannot write to its store');
    for (const timer of this.timers) clearInterval(timer);
    this.streams.close();
    this.queue.refuse(this.failure);
    this.observe({ type: 'failure', error });
    return this.failure;
  }
}
