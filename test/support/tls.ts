/** Certificates as `hourcoin tls init` makes them, and TLS before a validator that speaks plainly. */

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Credentials } from '../../src/client/credentials.js';
import type { Address } from '../../src/wire/address.js';
import { run } from './ended.js';
import { temporaryFolder } from './programs.js';
import type { ScriptedServer } from './sockets.js';

/** The certificates of a private network. */
export interface Certificates {
  readonly folder: string;
  /** The path of one of its files. */
  path(name: string): string;
  read(name: string): Buffer;
  /** What a miner is given. */
  credentialsOf(minerId: string): Credentials;
  /** What a server is given; with `clientsOnly` it wants a certificate of every client. */
  server(clientsOnly?: boolean): TlsOptions;
  remove(): void;
}

/** Runs `hourcoin tls init`. `aheadMs`: so far ahead, or behind, stands its clock. */
export async function makeCertificates(args: readonly string[] = [], aheadMs = 0): Promise<Certificates> {
  const temporary = temporaryFolder();
  const folder = join(temporary.path, 'tls');
  const { code, stderr } = await run(['tls', 'init', folder, ...args], clockAhead(aheadMs));
  if (code !== 0) throw new Error(`hourcoin tls init has failed: ${stderr}`);
  const path = (name: string): string => join(folder, name);
  const read = (name: string): Buffer => readFileSync(path(name));
  return {
    folder,
    path,
    read,
    credentialsOf: (minerId) => ({ ca: read('ca.pem'), cert: read(`${minerId}.pem`), key: read(`${minerId}-key.pem`) }),
    server: (clientsOnly = false) => ({
      cert: read('server.pem'),
      key: read('server-key.pem'),
      ...(clientsOnly ? { ca: read('ca.pem'), requestCert: true, rejectUnauthorized: true } : {}),
    }),
    remove: temporary.remove,
  };
}

/** The environment of a program whose clock stands some milliseconds ahead. */
export function clockAhead(ms: number): NodeJS.ProcessEnv {
  if (ms === 0) return {};
  return { NODE_OPTIONS: `--import=data:text/javascript,Date.now=(now=>()=>now()+${ms})(Date.now)` };
}

/** TLS before a server that speaks plainly. */
export interface TlsFront extends ScriptedServer {
  /** The names in the certificates that clients have shown, in the order in which they came; undefined for none. */
  readonly clients: (string | undefined)[];
  /** The server names that they have asked for; false for none. */
  readonly asked: (string | false | null)[];
  /** How many bytes they have said, beneath TLS. */
  said(): number;
}

/** Speaks TLS at a free port or at a given one, and passes on what is said. */
export async function frontOf(target: Address, options: TlsOptions, { host, port }: Address = ANY): Promise<TlsFront> {
  const clients: (string | undefined)[] = [];
  const asked: (string | false | null)[] = [];
  let said = 0;
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer({ noDelay: true, ...options }, (socket: TLSSocket) => {
    clients.push(socket.getPeerCertificate().subject?.CN as string | undefined);
    asked.push(socket.servername);
    socket.on('data', (bytes) => {
      said += bytes.length;
    });
    const plain = connect({ host: target.host, port: target.port, noDelay: true });
    socket.pipe(plain).pipe(socket);
    for (const [one, other] of [
      [socket, plain],
      [plain, socket],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
  });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen({ host, port }, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const dropAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    clients,
    asked,
    said: () => said,
    address: { host, port: address.port },
    dropAll,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        dropAll();
      }),
  };
}

const ANY: Address = { host: '127.0.0.1', port: 0 };

/** What a server of gRPC tells over TLS. */
export const H2: TlsOptions = { ALPNProtocols: ['h2'] };
