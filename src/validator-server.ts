/** A whole validator: the store, the clock, the node and its servers, put together. What `hourcoin validator` runs, and a library's door. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Timescale } from '../gen/hourcoin/v1/validator_service.js';
import { DEFAULT_DATA, DEFAULT_GRACE_MS } from './defaults.js';
import { cannotListen, type DoorOptions, Doors, planDoors, StartError } from './doors.js';
import { MAX_U128 } from './engine/bytes.js';
import { DEFAULT_DIFFICULTY, formatDifficulty } from './engine/difficulty.js';
import { messageOf } from './engine/fault.js';
import type { ChainParameters } from './engine/state.js';
import { Outside } from './outside.js';
import { checkLeapSeconds, outsideTime, type TimeOptions } from './outside-time.js';
import { type CommandServer, serveCommands } from './server/control.js';
import type { Log } from './server/log.js';
import type { RequestObserver } from './server/meter.js';
import { damaged, unusable } from './store/folder.js';
import { LmdbStore } from './store/lmdb.js';
import { DamageError, type Store, type StoredChain, StoreError } from './store/store.js';
import { acceleratedClock, type Clock, systemClock, systemTime } from './time/clock.js';
import type { TimeStatus, TimeSync } from './time/time-sync.js';
import type { Observer, ValidatorEvent } from './validator/events.js';
import { Keys } from './validator/keys.js';
import { ValidatorNode } from './validator/node.js';
import type { ChainValidator } from './validator/validator.js';
import { logEvent } from './validator-log.js';
import type { Address, Endpoint } from './wire/address.js';
import { TIMESCALE_NAMES } from './wire/answers.js';

/** How a validator is run. What is not given has the default that is named. */
export interface ValidatorOptions extends DoorOptions, TimeOptions {
  /** What a block's hash must meet, 1 to 2^128 − 1. The data folder's, or 0x and 30 F in a new one. */
  readonly difficulty?: bigint | undefined;
  /** How time is counted, `tai` or `utc`. The data folder's, or `tai` in a new one. */
  readonly timescale?: 'tai' | 'utc' | undefined;
  /** How many times as fast as real time the clock runs, for trials. The data folder's, or 1 in a new one. */
  readonly clockSpeed?: number | undefined;
  /** The data folder; it is made where there is none. ./hourcoin-data. */
  readonly data?: string | undefined;
  /** Start although the system's clock stands before the stored time: the validator's time stands still until it is caught up. */
  readonly allowClockBehind?: boolean | undefined;
  /** Where metrics and probes are served over HTTP, HOST:PORT, or `off`. `off`. */
  readonly http?: string | undefined;
  /** How long stopping may take until everybody is cut off, milliseconds. 4,000. */
  readonly grace?: number | undefined;
  /** Where to log; a pino logger will do. Nowhere. */
  readonly log?: Log | undefined;
  /** Hears what happens. Must not throw. */
  readonly onEvent?: Observer | undefined;
  /** Hears of each request that has ended, but for those that could not be read. Must not throw. */
  readonly onRequest?: RequestObserver | undefined;
}

/** Where a validator listens, with its real ports. */
export interface Listening {
  /** The address of JSON/TCP. */
  readonly jsonTcp: Address;
  /** The address of gRPC; undefined where it is off. */
  readonly grpc: Address | undefined;
  /** The address of metrics and probes; undefined where they are off. */
  readonly http: Address | undefined;
  /** The further addresses, in the order in which they were given. */
  readonly listen: readonly Endpoint[];
}

/** A clock that stands at most this long before the stored time is waited for, milliseconds. */
const WAIT_FOR_CLOCK_MS = 5_000n;

const NO_LOG: Log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * A validator, started and stopped once: what `hourcoin validator` runs.
 *
 * @example
 * ```ts
 * import { ValidatorServer } from 'hourcoin';
 *
 * const server = new ValidatorServer({
 *   address: '127.0.0.1:8080', // JSON/TCP; port 0 for any free one
 *   grpc: 'off',
 *   difficulty: 0x00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFn,
 *   data: './my-chain',
 *   onEvent: (event) => {
 *     if (event.type === 'block') console.log(`${event.height} blocks`);
 *   },
 * });
 * const { jsonTcp } = await server.start();
 * console.log(`listening on ${jsonTcp.host}:${jsonTcp.port}`);
 * await server.stop();
 * ```
 */
export class ValidatorServer {
  /**
   * Rejects with a StoreError when the store fails: the validator takes nothing any more, and should be stopped. It never resolves, and nobody
   * needs to listen.
   */
  readonly failed: Promise<never>;
  private readonly log: Log;
  private reportFailure: (error: unknown) => void = () => {};
  private store: Store | undefined;
  private node: ValidatorNode | undefined;
  private doors: Doors | undefined;
  private commands: CommandServer | undefined;
  private settled: StoredChain | undefined;
  /** The outside time that it goes by. */
  private time: TimeSync | undefined;
  private readonly outside: Outside;

  /** Opens nothing yet. Throws a RangeError where the difficulty or the clock's speed is not one. */
  constructor(private readonly options: ValidatorOptions = {}) {
    this.log = options.log ?? NO_LOG;
    const { difficulty, clockSpeed } = options;
    if (difficulty !== undefined && (difficulty < 1n || difficulty > MAX_U128)) {
      throw new RangeError('the difficulty is 1 to 2^128 − 1');
    }
    if (clockSpeed !== undefined && !(clockSpeed > 0 && clockSpeed <= 1_000_000)) {
      throw new RangeError('the clock speed is above 0 and at most 1,000,000');
    }
    const { http = 'off', onRequest } = options;
    const time = () => this.timeStatus;
    this.outside = new Outside({ http, onRequest, data: this.folder, log: this.log, time });
    this.failed = new Promise((_, reject) => {
      this.reportFailure = reject;
    });
    // Nobody needs to listen.
    this.failed.catch(() => {});
  }

  /** What the chain was begun with: the data folder's. Throws an Error before it is started. */
  get chain(): StoredChain {
    if (this.settled === undefined) throw new Error('the validator has not started');
    return this.settled;
  }

  /** What is known of the time; undefined where it goes by the system's clock. */
  get timeStatus(): TimeStatus | undefined {
    return this.time?.status;
  }

  /**
   * The validator itself, in this process: its calls throw a Fault, and its streams end when it stops. Throws an Error before it is started.
   *
   * @example
   * ```ts
   * import { ValidatorServer } from 'hourcoin';
   *
   * const server = new ValidatorServer({ address: '127.0.0.1:0', grpc: 'off', data: './my-other-chain' });
   * await server.start();
   * console.log((await server.validator.getRoundInfo('')).difficulty, server.chain.clockSpeed);
   * await server.stop();
   * ```
   */
  get validator(): ChainValidator {
    if (this.node === undefined) throw new Error('the validator has not started');
    return this.node;
  }

  /**
   * Opens the data folder and listens. Resolves to where. `signal` gives up the waits for outside time and for a clock that stands behind,
   * which are a few seconds at most.
   *
   * Throws a {@link StartError} or a {@link StoreError} that says what to do; nothing is left running then, and no chain is begun.
   *
   * @example
   * ```ts
   * import { MinerClient, StartError, StoreError, ValidatorServer } from 'hourcoin';
   *
   * const server = new ValidatorServer({ address: '127.0.0.1:0', grpc: '127.0.0.1:0', data: './my-network' });
   * try {
   *   const { grpc } = await server.start();
   *   const miner = new MinerClient({ minerId: 'alice', validator: `grpc://127.0.0.1:${grpc?.port}` });
   *   console.log((await miner.mineAndSubmit()).message);
   *   miner.close();
   *   await server.stop();
   * } catch (error) {
   *   if (!(error instanceof StartError || error instanceof StoreError)) throw error;
   *   console.log(error.message);
   * }
   * ```
   */
  async start(signal?: AbortSignal): Promise<Listening> {
    if (this.store !== undefined) throw new StartError('the validator has been started already');
    const plan = planDoors(this.options, this.log);
    try {
      const store = LmdbStore.open(this.folder, (text) => this.log.info(text));
      this.store = store;
      const http = await this.outside.open();
      if (store.stored === undefined) await mustBeFree(plan.endpoints);
      const keys = new Keys(store);
      this.time = outsideTime(this.options, store.stored, this.log);
      await this.time?.start(signal);
      signal?.throwIfAborted();
      this.settled = await this.settle(store);
      const clock = await this.clockFor(this.settled, signal);
      const node = new ValidatorNode(store, clock, (event) => this.tell(event), plan.limits);
      this.node = node;
      this.doors = new Doors(plan, this.options, node, keys, this.log, this.outside.meter);
      const opened = await this.doors.open();
      this.commands = await this.takeCommands(keys);
      this.outside.started(node, this.doors, clock);
      const [jsonTcp] = opened;
      const grpc = this.options.grpc === 'off' ? undefined : opened[1];
      return { jsonTcp: jsonTcp as Address, grpc, http, listen: opened.slice(grpc === undefined ? 1 : 2) };
    } catch (error) {
      await this.stop();
      throw error instanceof DamageError ? damaged(this.folder, error.message) : error;
    }
  }

  /**
   * Says that it is not ready, ends streams, answers what was taken, ends connections, closes the data folder: within the grace, but that what is being
   * written is always written.
   */
  async stop(): Promise<void> {
    const { grace = DEFAULT_GRACE_MS } = this.options;
    const deadline = performance.now() + grace;
    this.outside.stopping();
    this.commands?.close();
    this.doors?.stopTaking();
    const stopped = this.node?.stop();
    await Promise.race([stopped, sleep(grace, undefined, { ref: false })]);
    await this.doors?.close(Math.max(0, deadline - performance.now()));
    await stopped;
    this.time?.stop();
    await this.store?.close();
    this.store = undefined;
    this.outside.close();
  }

  /** The door for `hourcoin key`, in the data folder. Without it keys can still be changed while the validator is stopped. */
  private async takeCommands(keys: Keys): Promise<CommandServer | undefined> {
    const commands = {
      'add-key': (minerId: string) => keys.add(minerId),
      'list-keys': () => keys.list(),
      'revoke-key': (id: string) => keys.revoke(id),
    };
    return serveCommands(this.folder, commands).catch((error: Error) => {
      this.log.warn(`Keys cannot be changed while the validator runs: ${error.message}`);
      return undefined;
    });
  }

  /** What the folder holds, or begins. Asking for something else than what it holds is an error. */
  private async settle(store: Store): Promise<StoredChain> {
    const { difficulty, timescale, clockSpeed } = this.options;
    const { stored } = store;
    if (stored === undefined) {
      const scale = timescale === 'utc' ? Timescale.UTC : Timescale.TAI;
      const firstRoundStart = this.time?.now() ?? systemTime(scale);
      const parameters: ChainParameters = {
        difficulty: difficulty ?? DEFAULT_DIFFICULTY,
        timescale: scale,
        firstRoundStart,
      };
      await store.begin(parameters, clockSpeed ?? 1).catch((error) => {
        throw unusable(this.folder, error);
      });
      return { parameters, clockSpeed: clockSpeed ?? 1, stamp: firstRoundStart };
    }
    const { parameters } = stored;
    this.mustAgree('difficulty', formatDifficulty(parameters.difficulty), difficulty && formatDifficulty(difficulty));
    this.mustAgree('timescale', TIMESCALE_NAMES[parameters.timescale], timescale);
    this.mustAgree('clock speed', stored.clockSpeed, clockSpeed);
    return stored;
  }

  private mustAgree<T>(what: string, stored: T, given: T | undefined): void {
    if (given === undefined || given === stored) return;
    throw new StartError(
      `the chain in ${this.folder} has ${what} ${stored}, not ${given}: leave it out, or start another chain with another --data`,
    );
  }

  /** The clock for a chain: never behind a time that was already used. */
  private async clockFor({ parameters, clockSpeed, stamp }: StoredChain, signal?: AbortSignal): Promise<Clock> {
    const now = this.time?.now() ?? systemTime(parameters.timescale);
    checkLeapSeconds(parameters.timescale, this.time, now, this.log);
    if (clockSpeed !== 1) return acceleratedClock(now > stamp ? now : stamp, clockSpeed);
    const behind = stamp - now;
    if (behind > WAIT_FOR_CLOCK_MS && !this.options.allowClockBehind) {
      throw new StartError(
        `${this.clockName} stands ${seconds(behind)} before the last time that this chain has used: set the clock, or start with ` +
          "--allow-clock-behind (the validator's time then stands still until the clock has caught up). Where that last time is itself wrong, " +
          "'hourcoin export' the chain (--to its last block of a right time) and 'hourcoin import' it into a new folder",
      );
    }
    if (behind > 0n && behind <= WAIT_FOR_CLOCK_MS) {
      this.log.warn(
        `${capitalized(this.clockName)} stands ${seconds(behind)} before the last time that this chain has used: waiting for it`,
      );
      await sleep(Number(behind), undefined, { signal });
    }
    return this.time ?? systemClock(parameters.timescale);
  }

  private get clockName(): string {
    return this.time?.status.state === 'synchronized' ? 'the outside time' : "the system's clock";
  }

  private tell(event: ValidatorEvent): void {
    logEvent(event, this.log);
    this.outside.hear(event);
    this.options.onEvent?.(event);
    if (event.type !== 'failure') return;
    const { error } = event;
    this.reportFailure(
      error instanceof DamageError
        ? damaged(this.folder, error.message)
        : new StoreError(`the data in ${this.folder} could not be written or read: ${messageOf(error)}`),
    );
  }

  private get folder(): string {
    return this.options.data ?? DEFAULT_DATA;
  }
}

/** A chain is not begun where its validator could not listen: what it was to be would be remembered. */
async function mustBeFree(endpoints: readonly Endpoint[]): Promise<void> {
  const probes = [];
  try {
    // Held until all are there: two that are the same are not free.
    for (const { host, port, ...rest } of endpoints) {
      const probe = createServer();
      await once(probe.listen({ host, port }), 'listening').catch((error) =>
        cannotListen({ host, port, ...rest }, error),
      );
      probes.push(probe);
    }
  } finally {
    await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  }
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function seconds(ms: bigint): string {
  return `${Number(ms) / 1_000} s`;
}
