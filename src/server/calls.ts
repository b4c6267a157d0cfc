/**
 * gRPC calls, answered where grpc-js lets us intercept them: before it makes a stream object of each, and without its wait between an answer and
 * the status that follows. A method answers with a message or a stream of them; what it throws becomes a status.
 */

import {
  Server,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerOptions,
  status,
} from '@grpc/grpc-js';
import { ServerError } from 'nice-grpc-common';
import { Fault } from '../engine/fault.js';
import { faultToGrpc, type GrpcStatus } from '../wire/faults.js';
import type { Log } from './log.js';
import type { Unfinished, UnfinishedRequests } from './unfinished.js';

/** A method, and what answers it. */
export interface Method<Request = unknown, Answer = unknown> {
  /** As in `/hourcoin.v1.ValidatorService/GetRoundInfo`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
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

/** What a method may know of its call. */
export interface Call {
  /** Aborts when nobody waits for the answer any more. Made when it is first asked for: most calls need none, and would feel it. */
  readonly signal: AbortSignal;
}

/** Serves methods: a server that does not listen yet. */
export function serve(
  methods: readonly Method[],
  options: ServerOptions,
  unfinished: UnfinishedRequests,
  log: Log,
): Server {
  const byPath = new Map(methods.map((method) => [method.path, method]));
  const interceptor: ServerInterceptor = ({ path }, call) =>
    new ServedCall(call, byPath.get(path) as Method, unfinished, log);
  const server = new Server({ ...options, interceptors: [interceptor] });
  for (const { path, requestStream, responseStream, read } of methods) {
    const type = requestStream ? 'bidi' : responseStream ? 'serverStream' : 'unary';
    // No call gets as far as its handler.
    server.register(path, () => {}, same, read, type);
  }
  return server;
}

const same = (bytes: Buffer): Buffer => bytes;

const OK: GrpcStatus = { code: status.OK, details: 'OK' };

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
  private abort: AbortController | undefined;

  constructor(
    private readonly call: ServerInterceptingCallInterface,
    private readonly method: Method,
    private readonly unfinished: UnfinishedRequests,
    private readonly log: Log,
  ) {
    super(call);
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

  onReceiveMetadata(): void {
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
    } else this.end({ code: status.UNIMPLEMENTED, details: 'a request of this method is one message' });
  }

  onReceiveHalfClose(): void {
    this.unfinished.finish(this);
    if (this.method.requestStream) this.received?.(END);
    else if (this.request !== undefined) void this.answer(this.request);
    else this.end({ code: status.UNIMPLEMENTED, details: 'a request of this method is one message' });
  }

  /** The call is over, in whatever way. */
  onCancel(): void {
    this.over = true;
    this.unfinished.finish(this);
    this.abort?.abort();
    this.received?.(END);
    this.left?.();
  }

  expire(): void {
    this.end({ code: status.DEADLINE_EXCEEDED, details: 'the request did not arrive in time' });
  }

  private async answer(request: unknown): Promise<void> {
    try {
      const answer = this.method.answer(request, this);
      if (this.method.responseStream) await this.tell(answer as AsyncIterable<unknown>);
      else this.call.sendMessage(this.method.write(await answer), () => {});
      this.end(OK);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Sends a stream of messages, each once the one before has left: nothing queues up for a client that does not read. */
  private async tell(messages: AsyncIterable<unknown>): Promise<void> {
    for await (const message of messages) {
      const bytes = this.method.write(message);
      await new Promise<void>((resolve) => {
        this.left = resolve;
        if (this.over) resolve();
        else this.call.sendMessage(bytes, resolve);
      });
      if (this.over) break;
    }
  }

  private async *requests(): AsyncGenerator<unknown, void> {
    for (;;) {
      const message = await new Promise((resolve) => {
        this.received = resolve;
        if (this.over) resolve(END);
        else this.call.startRead();
      });
      if (message === END) return;
      yield message;
    }
  }

  private fail(error: unknown): void {
    if (this.over) return;
    if (error instanceof Fault) return this.end(faultToGrpc(error));
    if (error instanceof ServerError) return this.end({ code: Number(error.code), details: error.details });
    this.log.error(`${this.method.path} failed: ${error instanceof Error ? error.stack : error}`);
    this.end({ code: status.INTERNAL, details: 'internal error' });
  }

  private end(status: GrpcStatus): void {
    this.call.sendStatus(status);
  }
}
