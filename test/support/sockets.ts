/** Plain sockets: a client that writes and reads the JSON protocol's frames by itself, and servers that a test scripts. */

import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../../src/wire/address.js';

/** A frame as section 1 of the specification has it: four bytes of length, big-endian, and the text. */
export function framed(text: string | Buffer): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([header(body.length), body]);
}

/** The four bytes that announce a length. */
export function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** A connection of a client that knows nothing but frames. */
export class RawClient {
  /** What has arrived, a piece for each time that something did. */
  readonly pieces: Buffer[] = [];
  /** The connection is gone, both ways. */
  readonly closed: Promise<void>;
  /** The server has shut its side down. */
  ended = false;
  /** How the connection broke, where it did. */
  error: NodeJS.ErrnoException | undefined;
  private unread: Buffer = Buffer.alloc(0);
  /** Pieces that are not in `unread` yet. */
  private fresh: Buffer[] = [];
  private wake: () => void = () => {};

  private constructor(readonly socket: Socket) {
    socket.on('data', (piece: Buffer) => {
      this.pieces.push(piece);
      this.fresh.push(piece);
      this.wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.wake();
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.wake();
        resolve();
      });
    });
  }

  /** Connects. The client's side stays open when the server shuts its own down. */
  static connect({ host, port }: Address): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawClient(socket));
      });
    });
  }

  /** Speaks over a connection that is made already. */
  static over(socket: Socket): RawClient {
    return new RawClient(socket);
  }

  /** Sends bytes as they are, and resolves once the system has taken them. */
  send(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /** Sends one request and reads one answer. */
  ask(text: string | Buffer): Promise<string> {
    this.socket.write(framed(text));
    return this.answer();
  }

  /** The next answer's text; rejects where the connection ends before it. */
  async answer(): Promise<string> {
    const text = await this.answerOrEnd();
    if (text === undefined) throw new Error(`the connection ended before an answer: ${this.error ?? 'closed'}`);
    return text;
  }

  /** The next answer's text; undefined where the server has ended the connection instead. */
  async answerOrEnd(): Promise<string | undefined> {
    for (;;) {
      const text = this.take();
      if (text !== undefined) return text;
      if (this.ended || this.socket.destroyed) return undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** Every answer until the server ends the connection. */
  async answers(): Promise<string[]> {
    const all: string[] = [];
    for (;;) {
      const text = await this.answerOrEnd();
      if (text === undefined) return all;
      all.push(text);
    }
  }

  /** Shuts this side down; answers can still be read. */
  shutDown(): void {
    this.socket.end();
  }

  /** Drops the connection. */
  destroy(): void {
    this.socket.destroy();
  }

  private take(): string | undefined {
    if (this.fresh.length > 0) this.unread = Buffer.concat([this.unread, ...this.fresh.splice(0)]);
    if (this.unread.length < 4) return undefined;
    const end = 4 + this.unread.readUInt32BE(0);
    if (this.unread.length < end) return undefined;
    const text = this.unread.toString('utf8', 4, end);
    this.unread = this.unread.subarray(end);
    return text;
  }
}

/** A server whose every connection a test handles. */
export interface ScriptedServer {
  readonly address: Address;
  /** Drops every connection, and goes on listening. */
  dropAll(): void;
  close(): Promise<void>;
}

/** Listens at a free port, or at a given one. */
export async function listenRaw(handle: (socket: Socket) => void, port = 0): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port }, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const dropAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: { host: '127.0.0.1', port: address.port },
    dropAll,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        dropAll();
      }),
  };
}

/** An address where nobody listens. */
export async function unusedAddress(): Promise<Address> {
  const server = await listenRaw(() => {});
  await server.close();
  return server.address;
}

/** Passes bytes on to a server until it is told to cut its connections. */
export function proxyTo({ host, port }: Address): Promise<ScriptedServer> {
  return listenRaw((client) => {
    const server = connect({ host, port, noDelay: true });
    client.pipe(server);
    server.pipe(client);
    server.on('error', () => client.destroy());
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
  });
}
