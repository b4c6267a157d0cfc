/** Attackers' calls: messages as they are, on connections that are kept, and exactly one answer to each. */

import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect, type Socket } from 'node:net';
import { FrameReader } from '../../src/wire/frames.js';
import { grpcFramed } from '../support/grpc.js';
import { callHeaders } from '../support/http2-frames.js';
import { framed } from '../support/sockets.js';
import type { Target } from './attack.js';
import { connected } from './throng.js';

/** The longest answer that is read, bytes. */
const LONGEST_ANSWER = 8 * 1_048_576;

/** A JSON/TCP connection. */
export class JsonCalls {
  private readonly waiting: { resolve(text: string): void; reject(error: Error): void }[] = [];
  private readonly frames = new FrameReader(LONGEST_ANSWER);

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.once('close', () => this.fail('the connection was closed'));
  }

  static async to(target: Target): Promise<JsonCalls> {
    const socket = await connected(target);
    if (socket === undefined) throw new Error('the connection was refused');
    return new JsonCalls(socket);
  }

  /** Sends a text; resolves to its answer's. */
  ask(text: string | Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      if (this.socket.destroyed) this.fail('the connection is closed');
      else this.socket.write(framed(text));
    });
  }

  /** Whether the victim has closed it, or had to say what is no answer. */
  get isClosed(): boolean {
    return this.socket.destroyed;
  }

  close(): void {
    this.socket.destroy();
  }

  private read(chunk: Buffer): void {
    this.frames.push(chunk);
    for (let bytes = this.frames.next(); bytes !== undefined; bytes = this.frames.next()) {
      const next = this.waiting.shift();
      if (next === undefined || !Buffer.isBuffer(bytes)) return this.fail(`a frame too many: ${bytes}`);
      next.resolve(bytes.toString());
    }
  }

  private fail(why: string): void {
    this.socket.destroy();
    for (const { reject } of this.waiting.splice(0)) reject(new Error(why));
  }
}

/** A call that has begun. */
export interface Begun {
  /** Its request is written there, in whatever pieces. */
  readonly stream: ClientHttp2Stream;
  /** The status codes that it was told: one, once it has ended. */
  readonly statuses: readonly number[];
}

/** A gRPC connection that knows HTTP/2 and no more. */
export class GrpcCalls {
  private constructor(private readonly session: ClientHttp2Session) {
    // Whoever waits for an answer hears of it.
    session.on('error', () => {});
  }

  static async to(target: Target): Promise<GrpcCalls> {
    const createConnection = (): Socket => connect({ ...target });
    const session = connectHttp2('http://localhost', { createConnection });
    await once(session, 'connect');
    return new GrpcCalls(session);
  }

  /** Begins a call of a method, as in `ValidatorService/GetRoundInfo`. */
  begin(method: string, headers: Readonly<Record<string, string>> = {}): Begun {
    const stream = this.session.request({ ...callHeaders(method), ...headers });
    const statuses: number[] = [];
    const take = (told: IncomingHttpHeaders): void => {
      if (told['grpc-status'] !== undefined) statuses.push(Number(told['grpc-status']));
    };
    stream.on('response', take).on('trailers', take).resume();
    // What has no status has failed.
    stream.on('error', () => {});
    return { stream, statuses };
  }

  /** Makes a call with a message as it is; resolves to its status code. Rejects where it ends with none, or with several. */
  async ask(method: string, message: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<number> {
    const { stream, statuses } = this.begin(method, headers);
    stream.end(grpcFramed(Buffer.from(message)));
    await new Promise((resolve) => stream.once('close', resolve));
    const [only] = statuses;
    if (only !== undefined && statuses.length === 1) return only;
    throw new Error(`${method} ended with ${statuses.length} statuses`);
  }

  close(): void {
    this.session.destroy();
  }
}

/** Loops that go on until they are told that there is no more. */
export async function loops(count: number, next: (loop: number) => Promise<boolean>): Promise<void> {
  const loop = async (number: number): Promise<void> => {
    while (await next(number));
  };
  await Promise.all(Array.from({ length: count }, (_, number) => loop(number)));
}
