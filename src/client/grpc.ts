/** A validator over gRPC: all that the API has, as the domain's own calls. */

import { type Channel, type Client, ClientError, createChannel, createClientFactory, Status } from 'nice-grpc';
import { errorDetailsClientMiddleware } from 'nice-grpc-error-details';
import type { AcceptedBlock, Block } from '../../gen/hourcoin/v1/block.js';
import {
  ChainServiceDefinition,
  type GetAddressResponse,
  type GetMinerResponse,
  type ListBlocksResponse,
} from '../../gen/hourcoin/v1/chain_service.js';
import {
  type CheckLockoutResponse,
  type GetBlockchainInfoResponse,
  type RoundInfo,
  type SubmitBlockResponse,
  ValidatorServiceDefinition,
} from '../../gen/hourcoin/v1/validator_service.js';
import { cancelled } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { BlockName, CallOptions, ChainValidator, Page } from '../validator/validator.js';
import { type Address, formatAddress } from '../wire/address.js';
import { faultFromGrpc } from '../wire/faults.js';
import { ConnectionError, DEFAULT_TIMEOUT_MS } from './errors.js';

export class GrpcClient implements ChainValidator {
  private readonly channel: Channel;
  private readonly validator: Client<typeof ValidatorServiceDefinition>;
  private readonly chain: Client<typeof ChainServiceDefinition>;

  /** `timeout`: how long a call waits for its answer, milliseconds; streams are not bounded by it. */
  constructor(
    private readonly address: Address,
    private readonly timeout = DEFAULT_TIMEOUT_MS,
  ) {
    this.channel = createChannel(formatAddress(address), undefined, {
      'grpc.max_receive_message_length': LIMITS.answerBytes,
      'grpc.initial_reconnect_backoff_ms': 250,
      'grpc.max_reconnect_backoff_ms': 10_000,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      // A client is one connection: clients of one process do not share theirs.
      'grpc.use_local_subchannel_pool': 1,
    });
    const factory = createClientFactory().use(errorDetailsClientMiddleware);
    this.validator = factory.create(ValidatorServiceDefinition, this.channel);
    this.chain = factory.create(ChainServiceDefinition, this.channel);
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

  async *watchRounds(minerId: string, { signal }: CallOptions = {}): AsyncGenerator<RoundInfo, void> {
    const rounds = this.validator.watchRounds({ minerId }, { signal });
    for await (const { roundInfo } of this.stream(rounds, signal)) yield this.present(roundInfo);
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

  async *watchBlocks(fromIndex: number, { signal }: CallOptions = {}): AsyncGenerator<AcceptedBlock, void> {
    const blocks = this.chain.watchBlocks({ fromIndex }, { signal });
    for await (const { block } of this.stream(blocks, signal)) yield this.present(block);
  }

  getAddress(address: string, page: Page = {}, options?: CallOptions): Promise<GetAddressResponse> {
    const { pageSize = 0, pageToken = '' } = page;
    return this.call((signal) => this.chain.getAddress({ address, pageSize, pageToken }, { signal }), options);
  }

  getMiner(minerId: string, options?: CallOptions): Promise<GetMinerResponse> {
    return this.call((signal) => this.chain.getMiner({ minerId }, { signal }), options);
  }

  /** Closes the connection; calls and streams that are open are failed. */
  close(): void {
    this.channel.close();
  }

  private async call<T>(ask: (signal: AbortSignal) => Promise<T>, options?: CallOptions): Promise<T> {
    // One controller, aborted by hand: AbortSignal.any forgets sources that nobody else holds (Node 20).
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    const given = options?.signal;
    if (given?.aborted) throw cancelled();
    given?.addEventListener('abort', abort);
    const timer = setTimeout(abort, this.timeout);
    try {
      return await ask(stop.signal);
    } catch (error) {
      if (stop.signal.aborted && !given?.aborted) {
        throw new ConnectionError(`${formatAddress(this.address)} did not answer within ${this.timeout} ms`);
      }
      throw this.problem(error, given);
    } finally {
      clearTimeout(timer);
      given?.removeEventListener('abort', abort);
    }
  }

  private async *stream<T>(messages: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void> {
    try {
      yield* messages;
    } catch (error) {
      throw this.problem(error, signal);
    }
  }

  private problem(error: unknown, signal: AbortSignal | undefined): Error {
    if (signal?.aborted) return cancelled();
    if (!(error instanceof ClientError)) return error instanceof Error ? error : new Error(String(error));
    const fault = faultFromGrpc(error);
    // The library says UNAVAILABLE too where nobody answers, and CANCELLED where the peer drops a call; the validator's own come with a reason.
    const unreachable = (error.code === Status.UNAVAILABLE || error.code === Status.CANCELLED) && !('extra' in error);
    if (fault !== undefined && !unreachable) return fault;
    const refused = error.details.includes('ECONNREFUSED');
    const details = refused ? 'nobody listens there' : error.details.replace(/\.? Resolution note: ?\.?$/, '');
    return new ConnectionError(`cannot reach ${formatAddress(this.address)}: ${details}`);
  }

  private present<T>(value: T | undefined): T {
    if (value === undefined)
      throw new ConnectionError(`${formatAddress(this.address)} sent an answer without its content`);
    return value;
  }
}
