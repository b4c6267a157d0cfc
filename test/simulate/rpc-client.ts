/** The client of rpc.ts: one connection at a time, calls and streams over it, as our gRPC client has them. */

import type { Socket } from 'node:net';
import { ClientError as GrpcError, type Status } from 'nice-grpc';
import type { AcceptedBlock, Block } from '../../gen/hourcoin/v1/block.js';
import * as chain from '../../gen/hourcoin/v1/chain_service.js';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError, DEFAULT_TIMEOUT_MS } from '../../src/client/errors.js';
import { errorFromGrpc } from '../../src/client/grpc-errors.js';
import { watch } from '../../src/client/watch.js';
import { cancelled } from '../../src/engine/fault.js';
import type { BlockName, CallOptions, ChainValidator, Page, WatchOptions } from '../../src/validator/validator.js';
import { Kind, onFrames, send } from './rpc.js';

/** How often a connection is asked whether it still is one: as our gRPC client has it, milliseconds. */
const PING_EVERY_MS = 30_000;

const VALIDATOR = service.ValidatorServiceDefinition.fullName;
const CHAIN = chain.ChainServiceDefinition.fullName;

/** A call that waits for its answers. */
interface Call {
  answer(body: Buffer): void;
  end(): void;
  fail(error: Error): void;
}

interface Connection {
  readonly socket: Socket;
  readonly calls: Map<number, Call>;
}

export class RpcClient implements ChainValidator {
  private connection: Connection | undefined;
  private ids = 0;

  constructor(
    private readonly name: string,
    private readonly dial: () => Socket,
  ) {}

  async getRoundInfo(minerId: string, options?: CallOptions): Promise<service.RoundInfo> {
    const request = service.GetRoundInfoRequest.encode({ minerId }).finish();
    const answer = await this.call(VALIDATOR, 'GetRoundInfo', request, options);
    return present(service.GetRoundInfoResponse.decode(answer).roundInfo);
  }

  async submitBlock(minerId: string, block: Block, options?: CallOptions): Promise<service.SubmitBlockResponse> {
    const request = service.SubmitBlockRequest.encode({ minerId, block }).finish();
    return service.SubmitBlockResponse.decode(await this.call(VALIDATOR, 'SubmitBlock', request, options));
  }

  async checkLockout(minerId: string, options?: CallOptions): Promise<service.CheckLockoutResponse> {
    const request = service.CheckLockoutRequest.encode({ minerId }).finish();
    return service.CheckLockoutResponse.decode(await this.call(VALIDATOR, 'CheckLockout', request, options));
  }

  async getBlockchainInfo(options?: CallOptions): Promise<service.GetBlockchainInfoResponse> {
    const answer = await this.call(VALIDATOR, 'GetBlockchainInfo', new Uint8Array(), options);
    return service.GetBlockchainInfoResponse.decode(answer);
  }

  async getBlock(name: BlockName, options?: CallOptions): Promise<AcceptedBlock> {
    const by =
      'index' in name
        ? ({ $case: 'index', value: name.index } as const)
        : ({ $case: 'hash', value: name.hash } as const);
    const answer = await this.call(CHAIN, 'GetBlock', chain.GetBlockRequest.encode({ by }).finish(), options);
    return present(chain.GetBlockResponse.decode(answer).block);
  }

  async listBlocks(fromIndex: number, { pageSize = 0, pageToken = '' }: Page = {}): Promise<chain.ListBlocksResponse> {
    const request = chain.ListBlocksRequest.encode({ fromIndex, pageSize, pageToken }).finish();
    return chain.ListBlocksResponse.decode(await this.call(CHAIN, 'ListBlocks', request));
  }

  async getAddress(address: string, { pageSize = 0, pageToken = '' }: Page = {}): Promise<chain.GetAddressResponse> {
    const request = chain.GetAddressRequest.encode({ address, pageSize, pageToken }).finish();
    return chain.GetAddressResponse.decode(await this.call(CHAIN, 'GetAddress', request));
  }

  async getMiner(minerId: string, options?: CallOptions): Promise<chain.GetMinerResponse> {
    const request = chain.GetMinerRequest.encode({ minerId }).finish();
    return chain.GetMinerResponse.decode(await this.call(CHAIN, 'GetMiner', request, options));
  }

  watchRounds(minerId: string, options?: WatchOptions): AsyncIterable<service.RoundInfo> {
    const request = service.WatchRoundsRequest.encode({ minerId }).finish();
    return this.watch(
      (signal) => this.stream(VALIDATOR, 'WatchRounds', request, signal),
      (body) => present(service.WatchRoundsResponse.decode(body).roundInfo),
      options,
    );
  }

  watchBlocks(fromIndex: number, options?: WatchOptions): AsyncIterable<AcceptedBlock> {
    let next = fromIndex;
    const request = () => chain.WatchBlocksRequest.encode({ fromIndex: next }).finish();
    return this.watch(
      (signal) => this.stream(CHAIN, 'WatchBlocks', request(), signal),
      (body) => {
        next++;
        return present(chain.WatchBlocksResponse.decode(body).block);
      },
      options,
    );
  }

  private watch<T>(
    open: (signal: AbortSignal) => AsyncIterable<Buffer>,
    take: (body: Buffer) => T,
    options?: WatchOptions,
  ): AsyncIterable<T> {
    const closing = new AbortController().signal;
    const problem = (error: unknown): Error => (options?.signal?.aborted ? cancelled() : (error as Error));
    return watch({ name: this.name, open, take, problem, closing }, options);
  }

  private call(name: string, method: string, request: Uint8Array, options?: CallOptions): Promise<Buffer> {
    const signal = options?.signal;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(cancelled());
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
      };
      const giveUp = (error: Error): void => {
        cancel();
        fail(error);
      };
      const abort = (): void => giveUp(cancelled());
      const late = `${this.name} did not answer within ${DEFAULT_TIMEOUT_MS} ms`;
      const timer = setTimeout(() => giveUp(new ConnectionError('TIMED_OUT', late)), DEFAULT_TIMEOUT_MS);
      signal?.addEventListener('abort', abort);
      let answered: Buffer | undefined;
      const cancel = this.begin(`/${name}/${method}`, request, {
        answer: (body) => {
          answered = body;
        },
        end: () => {
          settle();
          if (answered === undefined) reject(new ConnectionError('BAD_ANSWER', 'an end without an answer'));
          else resolve(answered);
        },
        fail,
      });
    });
  }

  private async *stream(
    name: string,
    method: string,
    request: Uint8Array,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer, void> {
    const waiting: (Buffer | Error | undefined)[] = [];
    let wake = (): void => {};
    const tell = (message: Buffer | Error | undefined): void => {
      waiting.push(message);
      wake();
    };
    const abort = (): void => tell(cancelled());
    signal.addEventListener('abort', abort);
    const call = { answer: tell, end: () => tell(undefined), fail: tell };
    const cancel = this.begin(`/${name}/${method}`, request, call);
    try {
      for (;;) {
        while (waiting.length === 0)
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        const message = waiting.shift();
        if (message === undefined) return;
        if (message instanceof Error) throw message;
        yield message;
      }
    } finally {
      signal.removeEventListener('abort', abort);
      cancel();
    }
  }

  /** Begins a call. Returns what cancels it. */
  private begin(path: string, request: Uint8Array, call: Call): () => void {
    this.connection ??= this.connect();
    const { socket, calls } = this.connection;
    const id = ++this.ids;
    calls.set(id, call);
    send(socket, id, Kind.REQUEST, Buffer.concat([Buffer.of(path.length), Buffer.from(path), request]));
    return () => {
      if (calls.delete(id)) send(socket, id, Kind.CANCEL);
    };
  }

  private connect(): Connection {
    const socket = this.dial();
    const connection: Connection = { socket, calls: new Map() };
    const { calls } = connection;
    socket.setKeepAlive(true, PING_EVERY_MS);
    // The close that follows says all there is to say.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.connection === connection) this.connection = undefined;
      for (const { fail } of calls.values()) fail(new ConnectionError('UNREACHABLE', `cannot reach ${this.name}`));
      calls.clear();
    });
    onFrames(socket, (id, kind, body) => {
      const call = calls.get(id);
      if (kind === Kind.ANSWER) return call?.answer(body);
      calls.delete(id);
      if (kind === Kind.END) call?.end();
      if (kind === Kind.STATUS) call?.fail(this.errorOf(body));
    });
    return connection;
  }

  /** A status as our client has it where the validator gives its reason. */
  private errorOf(body: Buffer): Error {
    const error = new GrpcError('', body.readUInt8(0) as Status, body.toString('utf8', 1));
    return errorFromGrpc(Object.assign(error, { extra: [] }), this.name, undefined);
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new ConnectionError('BAD_ANSWER', 'an answer without its content');
  return value;
}
