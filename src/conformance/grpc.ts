/** One end of a conversation over gRPC: messages as bytes, so that what is malformed can be sent too. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type CallOptions, type Channel, ClientError, createChannel, createClientFactory, Status } from 'nice-grpc';
import {
  BadRequest,
  ErrorInfo,
  errorDetailsClientMiddleware,
  RetryInfo,
  RichClientError,
} from 'nice-grpc-error-details';
import { ChainServiceDefinition } from '../../gen/hourcoin/v1/chain_service.js';
import { ValidatorServiceDefinition } from '../../gen/hourcoin/v1/validator_service.js';
import { GrpcTls } from '../client/grpc-tls.js';
import type { Tls } from '../client/tls.js';
import { LIMITS } from '../engine/limits.js';
import { type Address, formatAddress } from '../wire/address.js';
import { ERROR_DOMAIN } from '../wire/faults.js';
import { Difference, mustBeMessage } from './compare.js';
import type { ExpectedStatus, Peer, Step } from './session.js';

/** How long a stream that is to be cancelled may take to be refused, milliseconds. */
const REFUSAL_MS = 100;

/** Requests go out as they are. */
const BYTES = {
  encode: (bytes: Buffer) => ({ finish: () => bytes }),
  decode: (bytes: Uint8Array): Buffer => Buffer.from(bytes),
};

interface Method {
  readonly responseType: { decode(bytes: Uint8Array): object };
  unary(request: Buffer, options: CallOptions): Promise<object>;
  stream(request: Buffer, options: CallOptions): AsyncIterable<object>;
}

/** What came of a call: a message, how it ended, or that a stream has ended well. */
type Outcome = { readonly message: object } | { readonly error: unknown } | 'ended';

/** A stream that is open. Its next message is always asked for, so that the call begins when it is opened. */
interface Stream {
  readonly messages: AsyncIterator<object>;
  readonly responseType: Method['responseType'];
  readonly giveUp: AbortController;
  next: Promise<Outcome>;
}

export class GrpcPeer implements Peer {
  private readonly channel: Channel;
  private readonly methods: ReadonlyMap<string, Method>;
  private readonly streams = new Map<string, Stream>();
  private readonly closing = new AbortController();

  constructor(address: Address, tls: Tls | undefined) {
    const name = formatAddress(address);
    this.channel = createChannel(name, tls && new GrpcTls(tls, name), {
      'grpc.max_receive_message_length': LIMITS.answerBytes,
      'grpc.use_local_subchannel_pool': 1,
    });
    this.methods = methodsOn(this.channel);
  }

  async step(step: Step): Promise<void> {
    if (step.open !== undefined) this.open(step.open, step);
    else if (step.call !== undefined) await this.call(step);
    else if (step.next !== undefined) await this.next(this.stream(step.next), step);
    else if (step.cancel !== undefined) await this.cancel(step.cancel);
  }

  close(): void {
    this.closing.abort();
    for (const { giveUp } of this.streams.values()) giveUp.abort();
    this.channel.close();
  }

  private async call({ call, request, response, status }: Step): Promise<void> {
    const method = this.method(call);
    const outcome = await outcomeOf(method.unary(bytesOf(request), { signal: this.closing.signal }));
    check(outcome, method.responseType, response, status);
  }

  private open(name: string, { call, request }: Step): void {
    const { responseType, stream } = this.method(call);
    const giveUp = new AbortController();
    const messages = stream(bytesOf(request), { signal: giveUp.signal })[Symbol.asyncIterator]();
    this.streams.set(name, { messages, responseType, giveUp, next: nextOf(messages) });
  }

  private async next(stream: Stream, { response, status }: Step): Promise<void> {
    const outcome = await stream.next;
    check(outcome, stream.responseType, response, status);
    stream.next = nextOf(stream.messages);
  }

  private async cancel(name: string): Promise<void> {
    const { giveUp, messages, next } = this.stream(name);
    // A call that is refused has the time to say so.
    const early = await Promise.race([next, sleep(REFUSAL_MS)]);
    if (early !== undefined && (early === 'ended' || 'error' in early))
      throw new Difference(`expected the stream to go on, received ${described(early)}`);
    giveUp.abort();
    let outcome = await next;
    // What was on its way still arrives.
    while (outcome !== 'ended' && 'message' in outcome) outcome = await nextOf(messages);
    if (outcome === 'ended' || !isCancelled(outcome.error))
      throw new Difference(`expected the stream to end as cancelled, received ${described(outcome)}`);
  }

  private method(name: string | undefined): Method {
    const method = this.methods.get(String(name));
    if (method === undefined) throw new Error(`no method ${name}`);
    return method;
  }

  private stream(name: string): Stream {
    const stream = this.streams.get(name);
    if (stream === undefined) throw new Error(`no stream ${name} is open`);
    return stream;
  }
}

/** Every method by its whole name, with requests as bytes. */
function methodsOn(channel: Channel): ReadonlyMap<string, Method> {
  const factory = createClientFactory().use(errorDetailsClientMiddleware);
  const found = new Map<string, Method>();
  for (const definition of [ValidatorServiceDefinition, ChainServiceDefinition]) {
    const methods = Object.entries(definition.methods).map(([key, method]) => [key, { ...method, requestType: BYTES }]);
    const client = factory.create({ ...definition, methods: Object.fromEntries(methods) }, channel) as unknown as {
      readonly [key: string]: Method['unary'] & Method['stream'];
    };
    for (const [key, { name, responseType }] of Object.entries(definition.methods)) {
      const ask = client[key];
      if (ask !== undefined) found.set(`${definition.fullName}/${name}`, { responseType, unary: ask, stream: ask });
    }
  }
  return found;
}

function bytesOf(hex = ''): Buffer {
  return Buffer.from(hex, 'hex');
}

function outcomeOf(answer: Promise<object>): Promise<Outcome> {
  return answer.then(
    (message) => ({ message }),
    (error: unknown) => ({ error }),
  );
}

function nextOf(messages: AsyncIterator<object>): Promise<Outcome> {
  return messages.next().then(
    ({ done, value }) => (done ? 'ended' : { message: value }),
    (error: unknown) => ({ error }),
  );
}

function check(
  outcome: Outcome,
  type: Method['responseType'],
  response: string | null | undefined,
  status: ExpectedStatus | undefined,
): void {
  if (status !== undefined) return checkStatus(outcome, status);
  if (outcome === 'ended' || 'error' in outcome)
    throw new Difference(`expected an answer, received ${described(outcome)}`);
  if (typeof response === 'string') mustBeMessage(type.decode(Buffer.from(response, 'hex')), outcome.message);
}

function checkStatus(outcome: Outcome, { code, reason, field, retry }: ExpectedStatus): void {
  const expected = [code, reason, field, retry && 'RetryInfo'].filter((part) => part !== undefined).join(' ');
  const wrong = new Difference(`expected ${expected}, received ${described(outcome)}`);
  if (outcome === 'ended') {
    if (code !== 'OK') throw wrong;
    return;
  }
  if ('message' in outcome || !(outcome.error instanceof ClientError)) throw wrong;
  const details = detailsOf(outcome.error);
  if (Status[outcome.error.code] !== code || details.reason !== reason) throw wrong;
  if (field !== undefined && details.field !== field) throw wrong;
  if (retry && !details.retry) throw wrong;
}

function described(outcome: Outcome): string {
  if (outcome === 'ended') return 'the end of the stream, with OK';
  if ('message' in outcome) return 'a message';
  const { error } = outcome;
  if (!(error instanceof ClientError)) return String(error);
  const { reason, field, retry } = detailsOf(error);
  return [Status[error.code], reason, field, retry && 'RetryInfo', `(${error.details})`].filter(Boolean).join(' ');
}

function detailsOf(error: ClientError): { reason?: string; field?: string; retry: boolean } {
  const extra = error instanceof RichClientError ? error.extra : [];
  const info = extra.find(({ $type }) => $type === ErrorInfo.$type) as ErrorInfo | undefined;
  const request = extra.find(({ $type }) => $type === BadRequest.$type) as BadRequest | undefined;
  const field = request?.fieldViolations[0]?.field;
  return {
    ...(info?.domain === ERROR_DOMAIN && { reason: info.reason }),
    ...(field !== undefined && { field }),
    retry: extra.some(({ $type }) => $type === RetryInfo.$type),
  };
}

function isCancelled(error: unknown): boolean {
  if (error instanceof ClientError) return error.code === Status.CANCELLED;
  return error instanceof Error && error.name === 'AbortError';
}
