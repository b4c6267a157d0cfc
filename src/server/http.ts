/**
 * A small HTTP server for those who run a validator: a few pages that are only read. It is not for clients: it asks for no key, and takes few connections
 * at a time, none of them for long.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Address } from '../wire/address.js';

/** What a page says. */
export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What makes each page, by its path. */
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

/** What is taken: connections at a time; milliseconds for asking, for reading the answer, for idling, and in all; bytes of headers. */
const BOUNDS = { connections: 64, patience: 5_000, idle: 5_000, life: 60_000, headers: 8_192 };

/** The type of a plain page. */
export const TEXT = 'text/plain; charset=utf-8';

export class HttpServer {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  /** Those whose answer has not left. */
  private readonly asking = new Set<Socket>();

  /** A page that fails is answered with 500, and told to `onDefect`. */
  constructor(
    private readonly pages: Pages,
    private readonly onDefect: (error: unknown) => void,
    bounds: Readonly<typeof BOUNDS> = BOUNDS,
  ) {
    this.server = createServer(
      {
        requestTimeout: bounds.patience,
        headersTimeout: bounds.patience,
        keepAliveTimeout: bounds.idle,
        connectionsCheckingInterval: Math.min(1_000, bounds.patience),
        maxHeaderSize: bounds.headers,
      },
      (request, response) => this.take(request, response),
    );
    this.server.maxConnections = bounds.connections;
    // Of those who neither send nor read.
    this.server.setTimeout(bounds.patience, (socket) => socket.destroy());
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      const life = setTimeout(() => socket.destroy(), bounds.life).unref();
      socket.once('close', () => {
        clearTimeout(life);
        this.sockets.delete(socket);
      });
    });
  }

  /** Listens, and says where. */
  async listen({ host, port }: Address): Promise<Address> {
    await once(this.server.listen({ host, port }), 'listening');
    // Out of file descriptors, say: whoever asks comes again.
    this.server.on('error', () => {});
    return { host, port: (this.server.address() as AddressInfo).port };
  }

  /** Closes every connection. What is being answered is cut off: who comes here asks again. */
  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    // Who asks on before it has been answered could have any number of pages made.
    if (this.asking.has(socket)) return void socket.destroy();
    this.asking.add(socket);
    response.once('close', () => this.asking.delete(socket));
    void this.answer(request, response);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, type, body } = await this.pageFor(request);
    const bytes = Buffer.from(body);
    response.writeHead(status, {
      'Content-Type': type,
      'Content-Length': bytes.length,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
      // Nobody has a body to send here: what follows is not read.
      ...(hasBody(request) ? { Connection: 'close' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  }

  private async pageFor({ method, url = '' }: IncomingMessage): Promise<Page> {
    const [path = ''] = url.split('?', 1);
    const make = Object.hasOwn(this.pages, path) ? this.pages[path] : undefined;
    if (make === undefined) return { status: 404, type: TEXT, body: 'not found\n' };
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: TEXT, body: 'only GET and HEAD\n' };
    try {
      return await make();
    } catch (error) {
      this.onDefect(error);
      return { status: 500, type: TEXT, body: 'internal error\n' };
    }
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
