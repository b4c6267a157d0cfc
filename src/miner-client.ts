/** A miner: a client of a validator with the mining loop. What `hourcoin miner` runs, and a library's door. */

import type { Block } from '../gen/hourcoin/v1/block.js';
import type {
  CheckLockoutResponse,
  GetBlockchainInfoResponse,
  RoundInfo,
  SubmitBlockResponse,
} from '../gen/hourcoin/v1/validator_service.js';
import { connectTo } from './client/connect.js';
import type { Credentials } from './client/credentials.js';
import type { GrpcClient } from './client/grpc.js';
import type { JsonTcpClient } from './client/json-tcp.js';
import { DEFAULT_JSON_TCP } from './defaults.js';
import { cancelled } from './engine/fault.js';
import { LIMITS } from './engine/limits.js';
import { MOST_THREADS } from './miner/effort.js';
import { Miner, type MiningOptions } from './miner/miner.js';
import { systemTimer } from './time/timer.js';
import type { CallOptions } from './validator/validator.js';

/** Who mines, and where. */
export interface MinerClientOptions {
  /** Attempts and lockouts are counted by it: 1 to 256 bytes of UTF-8. */
  readonly minerId: string;
  /** `host:port` or `tls://host:port` for JSON/TCP, `grpc://host:port` or `grpcs://host:port` for gRPC. 127.0.0.1:8080 unless it is given. */
  readonly validator?: string | undefined;
  /** How long a call waits for its answer, milliseconds. 10,000 unless it is given. */
  readonly timeout?: number | undefined;
  /** Whom it trusts over TLS, and what it shows of itself: a certificate, an API key. */
  readonly credentials?: Credentials | undefined;
}

/** The verdict on a block that was made and submitted, with the block. */
export interface Submitted extends SubmitBlockResponse {
  /** The block as it was submitted. */
  readonly block: Block;
}

/** No block was made for the round, and nothing was submitted: no timestamp met the tonce, or a new round came first. Try again. */
export class NoBlockError extends Error {
  /** Always this. */
  override readonly name = 'NoBlockError';
  /** Always this, and no other error's. */
  readonly reason = 'NO_BLOCK';
}

/**
 * A miner's connection to a validator. The connection is made when it is needed, and made again after it broke.
 *
 * Calls throw a {@link Fault} where the validator does not answer them, and a {@link ConnectionError} where no answer came: `reason` tells them
 * apart.
 *
 * @example
 * ```ts
 * import { MinerClient, SubmitResult } from 'hourcoin';
 *
 * const miner = new MinerClient({ minerId: 'carol', validator: 'grpc://127.0.0.1:50051' });
 * const { tonce, difficulty } = await miner.getRoundInfo();
 * console.log(`tonce ${tonce}, difficulty ${difficulty}`);
 * const { result, message, block } = await miner.mineAndSubmit({ rewardAddress: 'carol_rewards' });
 * if (result === SubmitResult.ACCEPTED) console.log(`won block #${block.index}`);
 * else console.log(message);
 * miner.close();
 * ```
 */
export class MinerClient {
  private readonly validator: JsonTcpClient | GrpcClient;
  private readonly minerId: string;

  /**
   * Throws a TypeError where the validator's address is not one or the credentials cannot be used there, a RangeError where the miner id is empty or
   * too long. Connects to nothing yet.
   *
   * @example
   * ```ts
   * import { readFileSync } from 'node:fs';
   * import { MinerClient } from 'hourcoin';
   *
   * // What `hourcoin tls init tls --client alice` has made.
   * const credentials = {
   *   ca: readFileSync('tls/ca.pem'),
   *   cert: readFileSync('tls/alice.pem'),
   *   key: readFileSync('tls/alice-key.pem'),
   * };
   * const miner = new MinerClient({ minerId: 'alice', validator: 'tls://127.0.0.1:8443', credentials });
   * console.log((await miner.getRoundInfo()).tonce);
   * miner.close();
   * ```
   */
  constructor({ minerId, validator = DEFAULT_JSON_TCP, timeout, credentials }: MinerClientOptions) {
    mustFit('minerId', minerId);
    this.minerId = minerId;
    this.validator = connectTo(validator, timeout, credentials);
  }

  /**
   * The round in force. Times are milliseconds since the Unix epoch on the validator's timescale.
   *
   * @example
   * ```ts
   * import { MinerClient } from 'hourcoin';
   *
   * const miner = new MinerClient({ minerId: 'carol', validator: '127.0.0.1:8080' });
   * const { serverTime, roundStart } = await miner.getRoundInfo();
   * console.log(`the round began ${serverTime - roundStart} ms ago`);
   * miner.close();
   * ```
   */
  getRoundInfo(options?: CallOptions): Promise<RoundInfo> {
    return this.validator.getRoundInfo(this.minerId, options);
  }

  /**
   * Whether this miner is in lockout, and for how many whole seconds of the validator's clock, rounded down.
   *
   * @example
   * ```ts
   * import { MinerClient } from 'hourcoin';
   *
   * const miner = new MinerClient({ minerId: 'carol', validator: '127.0.0.1:8080' });
   * const { isLocked, secondsRemaining } = await miner.checkLockout();
   * if (isLocked) console.log(`wait for ${secondsRemaining} s`);
   * miner.close();
   * ```
   */
  checkLockout(options?: CallOptions): Promise<CheckLockoutResponse> {
    return this.validator.checkLockout(this.minerId, options);
  }

  /**
   * The chain's height (a count of blocks), the tip's hash (32 bytes; undefined before the first block) and the difficulty.
   *
   * @example
   * ```ts
   * import { MinerClient } from 'hourcoin';
   *
   * const miner = new MinerClient({ minerId: 'carol', validator: '127.0.0.1:8080' });
   * console.log((await miner.getBlockchainInfo()).blockCount);
   * miner.close();
   * ```
   */
  getBlockchainInfo(options?: CallOptions): Promise<GetBlockchainInfoResponse> {
    return this.validator.getBlockchainInfo(options);
  }

  /**
   * Makes one block for the round in force and submits it, whatever the verdict: a rejection is an answer. It does not wait for a lockout.
   *
   * Beyond what every call throws: a {@link NoBlockError} where there was no block to submit, a RangeError where the reward address is empty or too
   * long, or the number of threads is none.
   * Of the options only `rewardAddress`, `maxAttempts`, `index`, `prevHash`, `threads`, `signal` and `onEvent` count.
   *
   * @example
   * ```ts
   * import { MinerClient, SubmitResult } from 'hourcoin';
   *
   * const miner = new MinerClient({ minerId: 'dave', validator: '127.0.0.1:8080' });
   * const { block, result, message } = await miner.mineAndSubmit({ rewardAddress: 'dave_rewards' });
   * console.log(block.hash.toString('hex'), SubmitResult[result], message);
   * miner.close();
   * ```
   */
  async mineAndSubmit(options: MiningOptions = {}): Promise<Submitted> {
    mustFit('rewardAddress', options.rewardAddress);
    mustBeThreads(options.threads);
    const { signal } = options;
    try {
      const info = await this.getRoundInfo({ signal });
      const block = await new Miner(this.validator, this.minerId, options).makeOne({ info, at: systemTimer.now() });
      if (block === undefined) throw new NoBlockError('no block was made for this round: try again');
      return { ...(await this.validator.submitBlock(this.minerId, block, { signal })), block };
    } catch (error) {
      // Whatever was interrupted tells the signal in its own words.
      throw signal?.aborted ? cancelled() : error;
    }
  }

  /**
   * Mines until it is stopped by `signal` or has made its `blocks`: waits for lockouts and rounds, connects again, goes on whatever falls over.
   * Resolves to the number of blocks that were accepted, also where it is stopped.
   *
   * Throws a RangeError where the reward address is empty or too long or the number of threads is none, and a ConnectionError: BAD_ANSWER where the
   * validator's difficulty cannot be read, UNTRUSTED where it and the validator do not trust each other at first (later on it waits until
   * somebody has renewed the certificates).
   *
   * @example
   * ```ts
   * import { MinerClient } from 'hourcoin';
   *
   * const miner = new MinerClient({ minerId: 'erin', validator: 'grpc://127.0.0.1:50051' });
   * const stop = new AbortController();
   * process.once('SIGINT', () => stop.abort());
   * const accepted = await miner.startMining({
   *   blocks: 1, // for ever, unless it is given
   *   signal: stop.signal,
   *   onEvent: (event) => {
   *     if (event.type === 'disconnected') console.log(`${event.error.message}: again in ${event.retryMs} ms`);
   *   },
   * });
   * console.log(`${accepted} blocks`);
   * miner.close();
   * ```
   */
  async startMining(options: MiningOptions = {}): Promise<number> {
    mustFit('rewardAddress', options.rewardAddress);
    mustBeThreads(options.threads);
    return new Miner(this.validator, this.minerId, options).run();
  }

  /** Closes the connection. Calls that wait throw a ConnectionError, CLOSED. */
  close(): void {
    this.validator.close();
  }
}

/** What no validator takes is told at once. */
function mustFit(name: string, text: string | undefined): void {
  if (text === undefined || (text !== '' && Buffer.byteLength(text) <= LIMITS.addressBytes)) return;
  throw new RangeError(`${name} has 1 to ${LIMITS.addressBytes} bytes of UTF-8`);
}

function mustBeThreads(threads = 1): void {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS) return;
  throw new RangeError(`threads is a whole number from 1 to ${MOST_THREADS}`);
}
