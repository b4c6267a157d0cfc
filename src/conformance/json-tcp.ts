/** One end of a conversation over JSON/TCP: frames and bytes as they are given, on one connection at a time. */

import { connect, type Socket } from 'node:net';
import type { Address } from '../wire/address.js';
import { FrameReader, frame } from '../wire/frames.js';
import { Difference, mustBeJson, PATIENCE_MS, short } from './compare.js';
import type { Peer, Step } from './session.js';

/** Larger than any answer should be. */
const LONGEST_ANSWER = 4 * 1_048_576;

export class JsonTcpPeer implements Peer {
  private connection: Connection | undefined;

  constructor(private readonly address: Address) {}

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
    this.connection ??= await Connection.to(this.address);
    return this.connection;
  }
}

/** A connection, with what has arrived on it. */
class Connection {
  private readonly frames = new FrameReader(LONGEST_ANSWER);
  private readonly arrived: string[] = [];
  private ended = false;
  private wake: () => void = () => {};

  static to({ host, port }: Address): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
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
    await this.until(() => this.arrived.length > 0 || this.ended, 'an answer');
    const text = this.arrived.shift();
    if (text === undefined) throw new Difference('expected an answer, and it closed the connection');
    return text;
  }

  /** Waits for the validator to close. */
  async end(): Promise<void> {
    await this.until(() => this.ended || this.arrived.length > 0, 'the connection to be closed');
    const text = this.arrived.shift();
    if (text !== undefined) throw new Difference(`expected the connection to be closed, received ${short(text)}`);
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.frames.push(chunk);
    for (let next = this.frames.next(); Buffer.isBuffer(next); next = this.frames.next()) {
      this.arrived.push(next.toString());
    }
    this.wake();
  }

  private over(): void {
    this.ended = true;
    this.wake();
  }

  private async until(condition: () => boolean, what: string): Promise<void> {
    const late = Date.now() + PATIENCE_MS;
    while (!condition()) {
      if (Date.now() >= late) throw new Difference(`expected ${what}, and nothing came for ${PATIENCE_MS} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, late - Date.now());
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
