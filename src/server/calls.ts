/**
 * gRPC calls, answered where grpc-js lets us intercept them: before it makes a stream object of each, and without its wait between an answer and
 * the status that follows. A method answers with a message or a stream of them; what it throws becomes a status.
 */

import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import {
  type Metadata,
  Server,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerOptions,
  status,
} from '@grpc/grpc-js';
import { ServerError } from 'nice-grpc-common';
import { cancelled, Fault, stackOf } from '../engine/fault.js';
import { faultToGrpc, type GrpcStatus } from '../wire/faults.js';
import type { Auth, Wish } from './admission.js';
import { type Caller, type Ends, nameOf } from './caller.js';
import type { Log } from './log.js';
import type { RequestKind, Result } from './meter.js';
import type { Turns } from './turns.js';
import type { Unfinished, UnfinishedRequests } from './unfinished.js';

/** A method, and what answers it. */
export interface Method<Request = unknown, Answer = unknown> {
  /** As in `/hourcoin.v1.ValidatorService/GetRoundInfo`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** Its answers take long to make, or much memory: each has a turn of its own, and none is made for a client that has not read others. */
  readonly isHeavy?: boolean;
  /** Counts its calls, where somebody looks on. */
  readonly kind?: RequestKind | undefined;
  /** Reads a message of the request. Where it throws, the call ends with INTERNAL. */
  read(bytes: Buffer): unknown;
  /**
   * Answers what was read; where the request is a stream, an iterable of that. Throws a Fault or a ServerError: anything else is a defect,
   * which is logged and kept off the wire.
   */
  answer(request: Request, call: Call): Promise<Answer> | AsyncIterable<Answer>;
  /** Writes a message of the answer. */
  write(answer: Answer): Buffer;
}

/** A client's connection. */
export interface Client {
  readonly socket: Socket;
  readonly caller: Caller;
  /** Who has to show a key there. */
  readonly auth: Auth;
  /** Its calls and streams are counted. */
  readonly isLimited: boolean;
  /** What it has not read yet, bytes. */
  unread: number;
  /** Its calls that wait until it has. */
  readonly waiting: Set<() => void>;
}

/** What calls ask of their server. */
export interface Desk {
  readonly log: Log;
  /** The client of a connection, by the connection's name. */
  clientOf(name: string): Client | undefined;
  /** Counts a request. Throws the Fault of one that comes too soon. */
  count(client: Client): void;
  /** Counts a stream: returns what lets go of it. Throws the Fault of one too many. */
  openStream(client: Client): () => void;
  /** Throws the Fault of a call that may not be answered, or not yet. Returns where its submissions are counted. */
  admit(client: Client, wish: Wish): string | undefined;
  /** Throws the Fault of a call that may not be answered any more: its key has been revoked. */
  readmit(client: Client, wish: Wish): unknown;
  /** For heavy answers, of all clients. */
  readonly turns: Turns;
  /** Whether a client has read so much that it may be told more. */
  hasRead(client: Client): boolean;
  /** Counts bytes that a client has yet to read, more or less. */
  hold(client: Client, change: number): void;
}

/** What a method may know of its call. */
export interface Call {
  /** Asks to be answered, in a miner's name or nobody's. Throws a Fault; returns where a submission is counted. */
  admit(minerId?: string, isSubmission?: boolean): string | undefined;
  /** Aborts when nobody waits for the answer any more. Made when it is first asked for: most calls need none, and would feel it. */
  readonly signal: AbortSignal;
}

/** Serves methods: a server that does not listen yet. */
export function serve(
  methods: readonly Method[],
  options: ServerOptions,
  unfinished: UnfinishedRequests,
  desk: Desk,
): Server {
  const byPath = new Map(methods.map((method) => [method.path, method]));
  const interceptor: ServerInterceptor = ({ path }, call) =>
    new ServedCall(call, byPath.get(path) as Method, unfinished, desk);
  const server = new Server({ ...options, interceptors: [interceptor] });
  for (const { path, requestStream, responseStream, read } of methods) {
    const type = requestStream ? 'bidi' : responseStream ? 'serverStream' : 'unary';
    // No call gets as far as its handler.
    server.register(
      path,
      () => {},
      (call: ServedCall) => call.take(),
      read,
      type,
    );
  }
  return server;
}

const OK: GrpcStatus = { code: status.OK, details: 'OK' };

const NOTHING = Buffer.of();

/** The end of a stream of requests. */
const END = Symbol('end');

class ServedCall extends ServerInterceptingCall implements Call, Unfinished {
  /** The request, where it is one message. */
  private request: unknown;
  /** Takes the next message of a stream of requests. */
  private received: ((message: unknown) => void) | undefined;
  /** Hears that the last message of a stream of answers has left, or never will. */
  private left: (() => void) | undefined;
  private over = false;
  /** When it was begun to be answered; 0 where that is not timed. */
  private began = 0;
  private isCounted = false;
  /** All of the request has arrived. */
  private isWhole = false;
  /** The message that is being sent. */
  private outgoing: Buffer = NOTHING;
  private readonly client: Client | undefined;
  private metadata: Metadata | undefined;
  /** What it was admitted for. */
  private wish: Wish | undefined;
  private abort: AbortController | undefined;

  constructor(
    private readonly call: ServerInterceptingCallInterface,
    private readonly method: Method,
    private readonly unfinished: UnfinishedRequests,
    private readonly desk: Desk,
  ) {
    super(call);
    this.client = desk.clientOf(nameOf(call.getConnectionInfo() as Ends));
  }

  admit(minerId?: string, isSubmission = false): string | undefined {
    // Gone while it was read.
    if (this.client === undefined) throw cancelled();
    this.wish = { minerId, isSubmission, token: this.token() };
    return this.desk.admit(this.client, this.wish);
  }

  get signal(): AbortSignal {
    this.abort ??= new AbortController();
    if (this.over) this.abort.abort();
    return this.abort.signal;
  }

  /** Begins to read, instead of the handler that grpc-js would hand the call to. */
  override start(): void {
    this.unfinished.begin(this);
    this.call.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.metadata = metadata;
    if (this.method.requestStream) void this.answer(this.requests());
    else this.call.startRead();
  }

  onReceiveMessage(message: unknown): void {
    if (this.method.requestStream) {
      this.unfinished.begin(this);
      this.received?.(message);
    } else if (this.request === undefined) {
      this.request = message;
      this.call.startRead();
    } else this.notOne();
  }

  onReceiveHalfClose(): void {
    this.isWhole = true;
    this.unfinished.finish(this);
    if (this.method.requestStream) this.received?.(END);
    else if (this.request !== undefined) void this.answer(this.request);
    else this.notOne();
  }

  /** The call is over, in whatever way. */
  onCancel(): void {
    this.over = true;
    this.count('CANCELLED');
    this.unfinished.finish(this);
    this.abort?.abort();
    this.received?.(END);
    if (this.left !== undefined) this.client?.waiting.delete(this.left);
    this.left?.();
  }

  expire(): void {
    this.end({ code: status.DEADLINE_EXCEEDED, details: 'the request did not arrive in time' }, 'DEADLINE_EXCEEDED');
  }

  private notOne(): void {
    this.end({ code: status.UNIMPLEMENTED, details: 'a request of this method is one message' }, 'MALFORMED');
  }

  /** The API key that came with the call. */
  private token(): string | undefined {
    const [authorization] = this.metadata?.get('authorization') ?? [];
    if (authorization === undefined) return undefined;
    const [, token] = /^Bearer +(\S+)$/i.exec(String(authorization)) ?? [];
    return token;
  }

  private async answer(request: unknown): Promise<void> {
    let leave: (() => void) | undefined;
    if (this.method.kind !== undefined) this.began = this.method.kind.begin();
    try {
      if (this.client?.isLimited) {
        this.desk.count(this.client);
        if (this.method.responseStream) leave = this.desk.openStream(this.client);
      }
      if (this.method.isHeavy) await this.turn();
      if (this.over) return;
      const answer = this.method.answer(request, this);
      if (this.method.responseStream) await this.tell(answer as AsyncIterable<unknown>);
      else this.send(this.method.write(await answer), () => {});
      this.end(OK, 'OK');
    } catch (error) {
      this.fail(error);
    } finally {
      leave?.();
    }
  }

  /** Sends a stream of messages, each once the one before has left: nothing queues up for a client that does not read. */
  private async tell(messages: AsyncIterable<unknown>): Promise<void> {
    for await (const message of messages) {
      if (this.client !== undefined && this.wish !== undefined) this.desk.readmit(this.client, this.wish);
      const bytes = this.method.write(message);
      await new Promise<void>((resolve) => {
        this.left = resolve;
        if (this.over) resolve();
        else this.send(bytes, resolve);
      });
      if (this.method.isHeavy) await this.turn();
      if (this.over) break;
    }
  }

  /** Waits until its client has read what it was told, and for a turn of its own. */
  private async turn(): Promise<void> {
    const { client, desk } = this;
    for (;;) {
      await desk.turns.next();
      if (this.over || client === undefined || desk.hasRead(client)) return;
      await new Promise<void>((resolve) => {
        this.left = resolve;
        client.waiting.add(resolve);
      });
    }
  }

  /** The message that is sent, counted from now until it has left. */
  take(): Buffer {
    if (this.client !== undefined) this.desk.hold(this.client, this.outgoing.length);
    return this.outgoing;
  }

  /** Sends a message. grpc-js drops it without a word where the call is over, and else takes it from here. */
  private send(bytes: Buffer, left: () => void): void {
    this.outgoing = bytes;
    this.call.sendMessage(this, () => {
      if (this.client !== undefined) this.desk.hold(this.client, -bytes.length);
      left();
    });
  }

  private async *requests(): AsyncGenerator<unknown, void> {
    for (;;) {
      const message = await new Promise((resolve) => {
        this.received = resolve;
        if (this.over) resolve(END);
        else this.call.startRead();
      });
      if (message === END) return;
      if (this.client?.isLimited) this.desk.count(this.client);
      yield message;
    }
  }

  private fail(error: unknown): void {
    if (this.over) return;
    if (error instanceof Fault) return this.end(faultToGrpc(error), error.reason);
    if (error instanceof ServerError) {
      // Health and reflection: what was asked for is not there, or makes no sense.
      const result = Number(error.code) === status.NOT_FOUND ? 'NOT_FOUND' : 'MALFORMED';
      return this.end({ code: Number(error.code), details: error.details }, result);
    }
    this.desk.log.error(`${this.method.path} failed: ${stackOf(error)}`);
    this.end({ code: status.INTERNAL, details: 'internal error' }, 'INTERNAL');
  }

  private end(status: GrpcStatus, result: Result): void {
    this.count(result);
    this.call.sendStatus(status);
    if (this.isWhole) return;
    // By itself grpc-js goes on keeping what arrives until the client, too, ends the call: no interface of its own stops it.
    const { stream } = this.call as unknown as { readonly stream: ServerHttp2Stream };
    stream.close(constants.NGHTTP2_NO_ERROR);
  }

  private count(result: Result): void {
    const { kind } = this.method;
    if (kind === undefined || this.isCounted) return;
    this.isCounted = true;
    const [traceparent] = kind.observer === undefined ? [] : (this.metadata?.get('traceparent') ?? []);
    kind.end(result, this.began, traceparent && String(traceparent));
  }
}
