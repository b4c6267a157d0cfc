/**
 * A validator over JSON/TCP (spec, section 1): one kept connection, made when it is needed; requests are pipelined, each in one write, and
 * answered in order. It also speaks to a deployed validator.
 */

import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import type {
  CheckLockoutResponse,
  GetBlockchainInfoResponse,
  RoundInfo,
  SubmitBlockResponse,
} from '../../gen/hourcoin/v1/validator_service.js';
import { cancelled, Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { CallOptions, Validator } from '../validator/validator.js';
import { type Address, type Endpoint, formatAddress } from '../wire/address.js';
import {
  blockchainInfoFromJson,
  blockResultFromJson,
  lockoutStatusFromJson,
  roundInfoFromJson,
} from '../wire/answers.js';
import { FrameReader, frame } from '../wire/frames.js';
import { type Request, requestToJson } from '../wire/requests.js';
import type { Credentials } from './credentials.js';
import { ConnectionError, closed, DEFAULT_TIMEOUT_MS } from './errors.js';
import { type Tls, tlsAt } from './tls.js';

/** A request that was sent. */
interface Waiting {
  answer(bytes: Buffer): void;
  fail(error: Error): void;
}

/**
 * A validator over JSON/TCP, which every validator speaks, the deployed ones too: the round, submissions, lockouts, height and tip. Calls share one
 * connection, and do not wait for each other. It is made when a call needs it, and again after it broke. {@link connectTo} makes a client.
 *
 * Where a call has no answer it throws a {@link Fault} or a {@link ConnectionError}, which `reason` tells apart. A call that times out or is given
 * up takes the connection with it: others that wait on it throw a ConnectionError.
 *
 * @example
 * ```ts
 * import { connectTo } from 'hourcoin';
 *
 * const validator = connectTo('127.0.0.1:8080');
 * const [round, lockout] = await Promise.all([validator.getRoundInfo('alice'), validator.checkLockout('alice')]);
 * console.log(`${round.attemptedMiners} miners have tried; alice is ${lockout.isLocked ? 'locked out' : 'free'}`);
 * validator.close();
 * ```
 */
export class JsonTcpClient implements Validator {
  private connection: Connection | undefined;
  private readonly endpoint: Endpoint;
  private readonly tls: Tls | undefined;
  /** A miner id with the API key, which nobody sees who looks at the client. */
  private readonly named: (minerId: string) => { readonly minerId: string; readonly apiKey: string | undefined };

  /**
   * `address`: over TLS where its `isSecure` says so. `timeout`: how long a call, connecting included, waits for its answer, milliseconds, 10,000
   * unless it is given. `dial` begins a plain connection: as node:net does, unless it is given. Throws a TypeError where the credentials cannot be used
   * there.
   */
  constructor(
    address: Address | Endpoint,
    private readonly timeout = DEFAULT_TIMEOUT_MS,
    credentials: Credentials = {},
    private readonly dial: (to: Address) => Socket = connect,
  ) {
    this.endpoint = { isSecure: false, ...address, wire: 'json-tcp' };
    this.tls = tlsAt(this.endpoint, credentials);
    const { apiKey } = credentials;
    this.named = (minerId) => ({ minerId, apiKey });
  }

  getRoundInfo(minerId: string, options?: CallOptions): Promise<RoundInfo> {
    return this.call({ call: 'GetRoundInfo', ...this.named(minerId) }, roundInfoFromJson, options);
  }

  submitBlock(minerId: string, block: Block, options?: CallOptions): Promise<SubmitBlockResponse> {
    return this.call({ call: 'SubmitBlock', ...this.named(minerId), block }, blockResultFromJson, options);
  }

  checkLockout(minerId: string, options?: CallOptions): Promise<CheckLockoutResponse> {
    return this.call({ call: 'CheckLockout', ...this.named(minerId) }, lockoutStatusFromJson, options);
  }

  getBlockchainInfo(options?: CallOptions): Promise<GetBlockchainInfoResponse> {
    return this.call({ call: 'GetBlockchainInfo' }, blockchainInfoFromJson, options);
  }

  /** Closes the connection; calls that wait throw a ConnectionError, CLOSED. The next call makes a new one. */
  close(): void {
    this.connection?.fail(closed());
    this.connection = undefined;
  }

  private async call<T>(request: Request, read: (bytes: Buffer) => T, options?: CallOptions): Promise<T> {
    if (options?.signal?.aborted) throw cancelled();
    if (this.connection === undefined || this.connection.failed)
      this.connection = new Connection(this.endpoint, this.tls, this.dial);
    const bytes = await this.connection.ask(requestToJson(request), this.timeout, options?.signal);
    try {
      return read(bytes);
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new ConnectionError(
        'BAD_ANSWER',
        `${formatAddress(this.endpoint)} sent what is no answer: ${(error as Error).message}`,
      );
    }
  }
}

/** One connection: what was asked and not answered yet, in order. */
class Connection {
  failed = false;
  private readonly name: string;
  private readonly socket: Socket;
  private readonly frames = new FrameReader(LIMITS.messageBytes);
  private readonly waiting: Waiting[] = [];
  /** Nothing has arrived yet. */
  private silent = true;

  constructor(
    { host, port }: Address,
    private readonly tls: Tls | undefined,
    dial: (to: Address) => Socket,
  ) {
    this.name = formatAddress({ host, port });
    this.socket = tls?.connect() ?? dial({ host, port });
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk) => this.read(chunk));
    this.socket.on('error', (error) => this.fail(this.problem(error)));
    this.socket.on('close', () => this.fail(this.closed()));
  }

  ask(text: string, timeout: number, signal: AbortSignal | undefined): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      // What is not sent yet must not be sent any more: the connection goes, and others' answers with it.
      const abort = (): void => {
        reject(cancelled());
        this.fail(unreachable(`the connection to ${this.name} was given up with another call`));
      };
      const late = (): ConnectionError =>
        new ConnectionError('TIMED_OUT', `${this.name} did not answer within ${timeout} ms`);
      const timer = setTimeout(() => this.fail(late()), timeout);
      const settle = <V>(done: (value: V) => void) => {
        return (value: V) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', abort);
          done(value);
        };
      };
      signal?.addEventListener('abort', abort);
      this.waiting.push({ answer: settle(resolve), fail: settle(reject) });
      this.socket.write(frame(text));
    });
  }

  fail(error: Error): void {
    if (this.failed) return;
    this.failed = true;
    this.socket.destroy();
    for (const { fail } of this.waiting.splice(0)) fail(error);
  }

  private read(chunk: Buffer): void {
    this.silent = false;
    this.frames.push(chunk);
    for (;;) {
      const next = this.frames.next();
      if (next === undefined) return;
      const request = Buffer.isBuffer(next) ? this.waiting.shift() : undefined;
      if (request === undefined) {
        this.fail(new ConnectionError('BAD_ANSWER', `${this.name} does not speak the protocol`));
        return;
      }
      // The reader's bytes are good until the next piece arrives, and the answer is read later.
      request.answer(Buffer.from(next as Buffer));
    }
  }

  private problem(error: NodeJS.ErrnoException): ConnectionError {
    const ofTls = this.tls?.problem(error, this.socket as TLSSocket);
    if (ofTls !== undefined) return ofTls;
    if (error.code === 'ECONNRESET' && this.tls !== undefined) return this.closed();
    const what = {
      ECONNREFUSED: 'nobody listens there',
      ENOTFOUND: 'no such host',
      ECONNRESET: 'the connection was reset',
    };
    const known = what[error.code as keyof typeof what] ?? error.message;
    return unreachable(`cannot reach ${this.name}: ${known || error.code}`);
  }

  private closed(): ConnectionError {
    const atOnce = this.silent ? this.tls?.closedAtOnce() : undefined;
    return atOnce ?? unreachable(`${this.name} closed the connection`);
  }
}

function unreachable(message: string): ConnectionError {
  return new ConnectionError('UNREACHABLE', message);
}
