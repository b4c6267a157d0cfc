/** A validator over gRPC: all that the API has, as the domain's own calls. */

import { setMaxListeners } from 'node:events';
import {
  type Channel,
  type Client,
  createChannel,
  createClientFactory,
  ClientError as GrpcError,
  Metadata,
} from 'nice-grpc';
import { errorDetailsClientMiddleware } from 'nice-grpc-error-details';
import type { AcceptedBlock, Block } from '../../gen/hourcoin/v1/block.js';
import {
  ChainServiceDefinition,
  type GetAddressResponse,
  type GetMinerResponse,
  type ListBlocksResponse,
  type WatchBlocksResponse,
} from '../../gen/hourcoin/v1/chain_service.js';
import {
  type CheckLockoutResponse,
  type GetBlockchainInfoResponse,
  type RoundInfo,
  type SubmitBlockResponse,
  ValidatorServiceDefinition,
  type WatchRoundsResponse,
} from '../../gen/hourcoin/v1/validator_service.js';
import { cancelled, Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { BlockName, CallOptions, ChainValidator, Page, WatchOptions } from '../validator/validator.js';
import { type Address, type Endpoint, formatAddress, isLoopback } from '../wire/address.js';
import type { Credentials } from './credentials.js';
import { type ClientError, ConnectionError, closed, DEFAULT_TIMEOUT_MS } from './errors.js';
import { errorFromGrpc } from './grpc-errors.js';
import { GrpcTls } from './grpc-tls.js';
import { tlsAt } from './tls.js';
import { type Source, type Watch, watch } from './watch.js';

/**
 * A validator over gRPC: the round, submissions, the chain, and streams that go on by themselves. It connects when a call needs it, and again
 * after the connection broke. {@link connectToGrpc} makes one.
 *
 * Where a call has no answer it throws a {@link Fault} or a {@link ConnectionError}, which `reason` tells apart.
 *
 * @example
 * ```ts
 * import { connectToGrpc } from 'hourcoin';
 *
 * const validator = connectToGrpc('grpc://127.0.0.1:50051');
 * const { blockCount } = await validator.getBlockchainInfo();
 * console.log(`the chain has ${blockCount} blocks`);
 * validator.close();
 * ```
 */
export class GrpcClient implements ChainValidator {
  private readonly name: string;
  private readonly tls: GrpcTls | undefined;
  private readonly channel: Channel;
  private readonly validator: Client<typeof ValidatorServiceDefinition>;
  private readonly chain: Client<typeof ChainServiceDefinition>;
  private readonly closing = new AbortController();

  /**
   * `address`: over TLS where its `isSecure` says so. `timeout`: how long a call waits for its answer, milliseconds, 10,000 unless it is given; streams
   * are not bounded by it. Throws a TypeError where the credentials cannot be used there.
   */
  constructor(
    address: Address | Endpoint,
    private readonly timeout = DEFAULT_TIMEOUT_MS,
    credentials: Credentials = {},
  ) {
    this.name = formatAddress(address);
    const tls = tlsAt({ isSecure: false, ...address, wire: 'grpc' }, credentials);
    this.tls = tls && new GrpcTls(tls, this.name);
    // Every watch listens, and there may be many.
    setMaxListeners(0, this.closing.signal);
    this.channel = createChannel(this.name, this.tls, {
      'grpc.max_receive_message_length': LIMITS.answerBytes,
      'grpc.initial_reconnect_backoff_ms': 250,
      'grpc.max_reconnect_backoff_ms': 10_000,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      // This very machine is not asked for through a proxy, which would see an API key.
      'grpc.enable_http_proxy': isLoopback(address.host) ? 0 : 1,
      // A client is one connection: clients of one process do not share theirs.
      'grpc.use_local_subchannel_pool': 1,
    });
    const { apiKey } = credentials;
    const metadata = Metadata(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` });
    const factory = createClientFactory().use(errorDetailsClientMiddleware);
    this.validator = factory.create(ValidatorServiceDefinition, this.channel, { '*': { metadata } });
    this.chain = factory.create(ChainServiceDefinition, this.channel, { '*': { metadata } });
  }

  async getRoundInfo(minerId: string, options?: CallOptions): Promise<RoundInfo> {
    const { roundInfo } = await this.call((signal) => this.validator.getRoundInfo({ minerId }, { signal }), options);
    return this.present(roundInfo);
  }

  submitBlock(minerId: string, block: Block, options?: CallOptions): Promise<SubmitBlockResponse> {
    return this.call((signal) => this.validator.submitBlock({ minerId, block }, { signal }), options);
  }

  checkLockout(minerId: string, options?: CallOptions): Promise<CheckLockoutResponse> {
    return this.call((signal) => this.validator.checkLockout({ minerId }, { signal }), options);
  }

  getBlockchainInfo(options?: CallOptions): Promise<GetBlockchainInfoResponse> {
    return this.call((signal) => this.validator.getBlockchainInfo({}, { signal }), options);
  }

  /**
   * The round in force at once, then every new one; a slow reader gets the newest. `minerId` is only logged: at most 256 bytes of UTF-8.
   *
   * The stream goes on by itself over a lost connection, a validator that stops or restarts, and faults that pass (UNAVAILABLE, OVERLOADED): after
   * waits that grow from 250 ms to 10 s, and tells the round in force then, unless it told that one last. It ends when its reader leaves, and
   * throws where its signal aborts (a Fault, CANCELLED), the client is closed (a ConnectionError, CLOSED), or another fault or BAD_ANSWER
   * comes. Nothing is opened before the first round is asked for.
   *
   * @example
   * ```ts
   * import { connectToGrpc } from 'hourcoin';
   *
   * const validator = connectToGrpc('grpc://127.0.0.1:50051');
   * for await (const { round, nextIndex } of validator.watchRounds('alice')) {
   *   console.log(`round ${round} is for block #${nextIndex}`);
   *   break;
   * }
   * validator.close();
   * ```
   */
  watchRounds(minerId: string, options?: WatchOptions<ClientError>): Watch<RoundInfo> {
    let last: RoundInfo | undefined;
    const open = (signal: AbortSignal) => this.validator.watchRounds({ minerId }, { signal });
    const take = ({ roundInfo }: WatchRoundsResponse): RoundInfo | undefined => {
      const round = this.present(roundInfo);
      if (last !== undefined && isSame(round, last)) return undefined;
      last = round;
      return round;
    };
    return this.watch({ open, take }, options);
  }

  async getBlock(name: BlockName, options?: CallOptions): Promise<AcceptedBlock> {
    const by =
      'index' in name
        ? ({ $case: 'index', value: name.index } as const)
        : ({ $case: 'hash', value: name.hash } as const);
    return this.present((await this.call((signal) => this.chain.getBlock({ by }, { signal }), options)).block);
  }

  listBlocks(fromIndex: number, page: Page = {}, options?: CallOptions): Promise<ListBlocksResponse> {
    const { pageSize = 0, pageToken = '' } = page;
    return this.call((signal) => this.chain.listBlocks({ fromIndex, pageSize, pageToken }, { signal }), options);
  }

  /**
   * Every block from an index on, then each new one: once, in order, with no gap. From above the height it waits for that block.
   *
   * The stream goes on by itself over a lost connection, a validator that stops or restarts, and faults that pass (UNAVAILABLE, OVERLOADED): after
   * waits that grow from 250 ms to 10 s, and from the block after the last one that was told. It ends when its reader leaves, and throws
   * where its signal aborts (a Fault, CANCELLED), the client is closed (a ConnectionError, CLOSED), or another fault or BAD_ANSWER comes.
   * Where the validator that comes back does not have the block that was told last, or a block does not follow the one before, it throws a
   * ConnectionError, OTHER_CHAIN. Nothing is opened before the first block is asked for.
   *
   * @example
   * ```ts
   * import { connectToGrpc } from 'hourcoin';
   *
   * const validator = connectToGrpc('grpc://127.0.0.1:50051');
   * const blocks = validator.watchBlocks(0, {
   *   onInterrupted: (error, retryMs) => console.log(`${error.reason}: again in ${retryMs} ms`),
   * });
   * for await (const { block, minerId } of blocks) {
   *   console.log(`#${block?.index} by ${minerId}`);
   *   if (block?.index === 0) break; // or go on for ever
   * }
   * validator.close();
   * ```
   */
  watchBlocks(fromIndex: number, options?: WatchOptions<ClientError>): Watch<AcceptedBlock> {
    let last: Block | undefined;
    const open = (signal: AbortSignal) =>
      last === undefined ? this.blocks(fromIndex, signal) : this.blocksAfter(last, signal);
    const take = ({ block: accepted }: WatchBlocksResponse): AcceptedBlock => {
      const told = this.present(accepted);
      const block = this.present(told.block);
      this.mustFollow(block, last, fromIndex);
      last = block;
      return told;
    };
    return this.watch({ open, take }, options);
  }

  getAddress(address: string, page: Page = {}, options?: CallOptions): Promise<GetAddressResponse> {
    const { pageSize = 0, pageToken = '' } = page;
    return this.call((signal) => this.chain.getAddress({ address, pageSize, pageToken }, { signal }), options);
  }

  getMiner(minerId: string, options?: CallOptions): Promise<GetMinerResponse> {
    return this.call((signal) => this.chain.getMiner({ minerId }, { signal }), options);
  }

  /** Closes the connection, for good: calls and streams that are open, and later ones, throw a ConnectionError, CLOSED. */
  close(): void {
    this.closing.abort();
    this.channel.close();
  }

  private async call<T>(ask: (signal: AbortSignal) => Promise<T>, options?: CallOptions): Promise<T> {
    // One controller, aborted by hand: AbortSignal.any forgets sources that nobody else holds (Node 20).
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    const given = options?.signal;
    if (given?.aborted) throw cancelled();
    if (this.closing.signal.aborted) throw closed();
    given?.addEventListener('abort', abort);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      abort();
    }, this.timeout);
    try {
      return await ask(stop.signal);
    } catch (error) {
      if (!late) throw this.problem(error, given);
      throw new ConnectionError('TIMED_OUT', `${this.name} did not answer within ${this.timeout} ms`);
    } finally {
      clearTimeout(timer);
      given?.removeEventListener('abort', abort);
    }
  }

  private watch<Message, T>(
    stream: Pick<Source<Message, T>, 'open' | 'take'>,
    options?: WatchOptions<ClientError>,
  ): Watch<T> {
    const problem = (error: unknown): Error => this.problem(error, options?.signal);
    return watch({ ...stream, name: this.name, problem, closing: this.closing.signal }, options);
  }

  private blocks(fromIndex: number, signal: AbortSignal): AsyncIterable<WatchBlocksResponse> {
    return this.chain.watchBlocks({ fromIndex }, { signal });
  }

  /** The blocks after one that was told. A validator without that one would let a watcher of later ones wait for another chain's. */
  private async *blocksAfter({ index, hash }: Block, signal: AbortSignal): AsyncGenerator<WatchBlocksResponse, void> {
    try {
      await this.getBlock({ hash }, { signal });
    } catch (error) {
      if (!(error instanceof Fault && error.reason === 'NOT_FOUND')) throw error;
      throw this.otherChain(`it does not have block #${index}`);
    }
    yield* this.blocks(index + 1, signal);
  }

  private mustFollow({ index, prevBlockHash }: Block, last: Block | undefined, fromIndex: number): void {
    const next = last === undefined ? fromIndex : last.index + 1;
    if (index !== next) {
      throw new ConnectionError('BAD_ANSWER', `${this.name} sent block #${index} where #${next} was to come`);
    }
    if (last === undefined || prevBlockHash.equals(last.hash)) return;
    throw this.otherChain(`its block #${index} does not follow block #${last.index}`);
  }

  private otherChain(why: string): ConnectionError {
    return new ConnectionError('OTHER_CHAIN', `${this.name} has another chain than the one that was watched: ${why}`);
  }

  private problem(error: unknown, signal: AbortSignal | undefined): Error {
    if (signal?.aborted) return cancelled();
    if (this.closing.signal.aborted) return closed();
    if (error instanceof GrpcError) return errorFromGrpc(error, this.name, this.tls);
    return error instanceof Error ? error : new Error(String(error));
  }

  private present<T>(value: T | undefined): T {
    if (value === undefined) throw new ConnectionError('BAD_ANSWER', `${this.name} sent an answer without its content`);
    return value;
  }
}

/** Whether a round is the same one, told again. */
function isSame(one: RoundInfo, other: RoundInfo): boolean {
  const { round, roundStart, nextIndex, prevBlockHash } = one;
  if (round !== other.round || roundStart !== other.roundStart || nextIndex !== other.nextIndex) return false;
  return prevBlockHash.equals(other.prevBlockHash);
}
