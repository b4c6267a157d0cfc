/** One end of a conversation over JSON/TCP: frames and bytes as they are given, on one connection at a time. */

import { connect, type Socket } from 'node:net';
import type { Tls } from '../client/tls.js';
import type { Address } from '../wire/address.js';
import { FrameReader, frame } from '../wire/frames.js';
import { Difference, mustBeJson, short } from './compare.js';
import type { Peer, Step } from './session.js';

/** Larger than any answer should be. */
const LONGEST_ANSWER = 4 * 1_048_576;

/** More than any session asks for at once. */
const MOST_ANSWERS = 1_000;

export class JsonTcpPeer implements Peer {
  private connection: Connection | undefined;

  constructor(
    private readonly address: Address,
    private readonly tls: Tls | undefined,
  ) {}

  async step({ send, write, receive, closed }: Step): Promise<void> {
    if (send !== undefined) await (await this.connected()).write(frame(send));
    for (const hex of write ?? []) await (await this.connected()).write(Buffer.from(hex, 'hex'));
    if (receive !== undefined) mustBeJson(receive, await (await this.connected()).frame());
    if (closed) {
      await (await this.connected()).end();
      this.close();
    }
  }

  close(): void {
    this.connection?.close();
    this.connection = undefined;
  }

  private async connected(): Promise<Connection> {
    this.connection ??= await Connection.to(this.address, this.tls);
    return this.connection;
  }
}

/** A connection, with what has arrived on it. */
class Connection {
  private readonly frames = new FrameReader(LONGEST_ANSWER);
  private readonly arrived: string[] = [];
  private ended = false;
  /** Why nothing more is read. */
  private broken: Difference | undefined;
  private wake: () => void = () => {};

  static to({ host, port }: Address, tls: Tls | undefined): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = tls?.connect() ?? connect({ host, port });
      socket.setNoDelay(true);
      socket.once('error', reject);
      socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
        socket.off('error', reject);
        resolve(new Connection(socket));
      });
    });
  }

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('error', () => {});
    socket.on('end', () => this.over());
    socket.on('close', () => this.over());
  }

  /** Writes a piece, and gives it time to leave by itself. */
  async write(bytes: Buffer): Promise<void> {
    await new Promise((resolve) => this.socket.write(bytes, resolve));
  }

  /** The next frame's text. */
  async frame(): Promise<string> {
    await this.until(() => this.arrived.length > 0);
    const text = this.arrived.shift();
    if (text === undefined) throw this.broken ?? new Difference('expected an answer, and it closed the connection');
    return text;
  }

  /** Waits for the validator to close. */
  async end(): Promise<void> {
    await this.until(() => this.arrived.length > 0);
    const text = this.arrived.shift();
    if (text !== undefined) throw new Difference(`expected the connection to be closed, received ${short(text)}`);
    if (this.broken !== undefined) throw this.broken;
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.frames.push(chunk);
    let next = this.frames.next();
    for (; Buffer.isBuffer(next); next = this.frames.next()) this.arrived.push(next.toString());
    // Whoever sends what is no frame, or talks without being asked, is listened to no more.
    if (next !== undefined) this.break(`it sent a frame that is ${next}`);
    else if (this.arrived.length > MOST_ANSWERS) this.break('it sends what nobody has asked for');
    this.wake();
  }

  private break(why: string): void {
    this.broken = new Difference(why);
    this.socket.destroy();
  }

  private over(): void {
    this.ended = true;
    this.wake();
  }

  /** Waits for something, or for the end of the connection. */
  private async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.ended && this.broken === undefined) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
