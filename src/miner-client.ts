/** A miner: a client of a validator with the mining loop. What `hourcoin miner` runs, and a library's door. */

import type { Block } from '../gen/hourcoin/v1/block.js';
import type {
  CheckLockoutResponse,
  GetBlockchainInfoResponse,
  RoundInfo,
  SubmitBlockResponse,
} from '../gen/hourcoin/v1/validator_service.js';
import { connectTo } from './client/connect.js';
import type { GrpcClient } from './client/grpc.js';
import type { JsonTcpClient } from './client/json-tcp.js';
import { DEFAULT_JSON_TCP } from './defaults.js';
import { LIMITS } from './engine/limits.js';
import { Miner, type MiningOptions } from './miner/miner.js';
import { systemTimer } from './time/timer.js';
import type { CallOptions } from './validator/validator.js';

/** Who mines, and where. */
export interface MinerClientOptions {
  /** Attempts and lockouts are counted by it: 1 to 256 bytes of UTF-8. */
  readonly minerId: string;
  /** `host:port` for JSON/TCP, `grpc://host:port` for gRPC. 127.0.0.1:8080 unless it is given. */
  readonly validator?: string | undefined;
  /** How long a call waits for its answer, milliseconds. 10,000 unless it is given. */
  readonly timeout?: number | undefined;
}

/** The verdict on a block that was made and submitted, with the block. */
export interface Submitted extends SubmitBlockResponse {
  readonly block: Block;
}

/**
 * A miner's connection to a validator. Calls throw a Fault where the validator does not answer them, and a ConnectionError where it cannot
 * be reached. The connection is made when it is needed, and made again after it broke.
 */
export class MinerClient {
  private readonly validator: JsonTcpClient | GrpcClient;
  private readonly minerId: string;

  /** Throws a TypeError where the address is not one, a RangeError where the miner id is empty or too long. */
  constructor({ minerId, validator = DEFAULT_JSON_TCP, timeout }: MinerClientOptions) {
    mustFit('minerId', minerId);
    this.minerId = minerId;
    this.validator = connectTo(validator, timeout);
  }

  /** The round in force. */
  getRoundInfo(options?: CallOptions): Promise<RoundInfo> {
    return this.validator.getRoundInfo(this.minerId, options);
  }

  /** Whether this miner is in lockout, and for how long. */
  checkLockout(options?: CallOptions): Promise<CheckLockoutResponse> {
    return this.validator.checkLockout(this.minerId, options);
  }

  /** The chain's height, tip and difficulty. */
  getBlockchainInfo(options?: CallOptions): Promise<GetBlockchainInfoResponse> {
    return this.validator.getBlockchainInfo(options);
  }

  /**
   * Makes one block for the round in force and submits it, whatever the verdict. Throws an Error where no timestamp meets the tonce, or a
   * new round came before the block was done.
   */
  async mineAndSubmit(options: MiningOptions = {}): Promise<Submitted> {
    mustFit('rewardAddress', options.rewardAddress);
    const { signal } = options;
    const info = await this.getRoundInfo({ signal });
    const block = await new Miner(this.validator, this.minerId, options).makeOne({ info, at: systemTimer.now() });
    if (block === undefined) throw new Error('no block was made for this round: try again');
    return { ...(await this.validator.submitBlock(this.minerId, block, { signal })), block };
  }

  /** Mines until it is stopped or has made its blocks, whatever falls over. Resolves to the number of blocks that were accepted. */
  async startMining(options: MiningOptions = {}): Promise<number> {
    mustFit('rewardAddress', options.rewardAddress);
    return new Miner(this.validator, this.minerId, options).run();
  }

  /** Closes the connection. */
  close(): void {
    this.validator.close();
  }
}

/** What no validator takes is told at once. */
function mustFit(name: string, text: string | undefined): void {
  if (text === undefined || (text !== '' && Buffer.byteLength(text) <= LIMITS.addressBytes)) return;
  throw new RangeError(`${name} has 1 to ${LIMITS.addressBytes} bytes of UTF-8`);
}
