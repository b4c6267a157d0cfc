/**
 * Where clients connect, on either protocol: their connections are counted, a load balancer is asked who they are, TLS is spoken where that is asked
 * for. What comes out is a socket to speak a protocol on, and who is at its other end.
 */

import { type AddressInfo, type BlockList, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { stackOf } from '../engine/fault.js';
import { type Address, type Endpoint, formatAddress } from '../wire/address.js';
import type { Admission, TurnedAway } from './admission.js';
import { type Caller, callerAt, nameOf, withoutZone } from './caller.js';
import type { Certificates } from './certificates.js';
import type { Log } from './log.js';
import type { Meter } from './meter.js';
import { readProxyHeader } from './proxy-protocol.js';

/** What all listeners of a validator share. */
export interface Door {
  readonly admission: Admission;
  readonly log: Log;
  /** For those that speak TLS. */
  readonly certificates: Certificates | undefined;
  /** Load balancers, which tell whom they speak for. */
  readonly proxies: BlockList;
  /** Counts them, where somebody looks on. */
  readonly meter?: Meter | undefined;
}

/** A client that has yet to say who it is, by the header of its balancer or its handshake. */
interface Newcomer {
  readonly socket: Socket;
  /** Its connection's. */
  readonly name: string;
  /** Ends the connection where that takes too long. */
  readonly deadline: NodeJS.Timeout;
  /** What is known of it by now. */
  caller?: Caller;
}

export class Listener {
  private readonly server: Server;
  private readonly tls: TlsServer | undefined;
  /** By the names of their connections. */
  private readonly newcomers = new Map<string, Newcomer>();

  constructor(
    private readonly endpoint: Endpoint,
    private readonly door: Door,
    private readonly handOver: (socket: Socket, caller: Caller) => void,
  ) {
    this.server = createServer({ noDelay: true }, (socket) => this.take(socket));
    if (endpoint.isSecure) this.tls = this.makeTls();
  }

  /** Listens, and says where. */
  async listen(): Promise<Endpoint> {
    const { host, port } = this.endpoint;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port }, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    // Out of file descriptors, say: those who are connected are served on.
    this.server.on('error', (error) => this.door.log.warn(`A connection was refused: ${error.message}`));
    return { ...this.endpoint, port: (this.server.address() as AddressInfo).port };
  }

  /** Takes no more connections. Those that were handed over are their protocol's. */
  close(): void {
    this.server.close();
    for (const { socket } of this.newcomers.values()) socket.destroy();
  }

  private take(socket: Socket): void {
    // The close that follows says all there is to say.
    socket.on('error', () => {});
    try {
      this.accept(socket);
    } catch (error) {
      // Whatever a connection is like, it is one of many.
      this.door.log.error(`A connection was refused: ${stackOf(error)}`);
      socket.destroy();
    }
  }

  private accept(socket: Socket): void {
    const { remotePort: port = 0 } = socket;
    const host = withoutZone(socket.remoteAddress);
    // Gone before it was looked at.
    if (host === undefined) return void socket.destroy();
    const { admission, proxies } = this.door;
    const leave = admission.enter();
    if (typeof leave === 'object') return this.refuse(socket, { host, port }, leave);
    socket.once('close', leave);
    const isProxied = proxies.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
    const newcomer = isProxied || this.tls !== undefined ? this.wait(socket, { host, port }) : undefined;
    if (!isProxied) return this.meet(socket, { host, port }, callerAt(host), newcomer);
    readProxyHeader(socket)
      .then((client = { host, port }) => this.meet(socket, client, callerAt(client.host, host), newcomer))
      .catch(({ message: why }: Error) => this.refuse(socket, { host, port }, { reason: 'proxy_header', why }));
  }

  /** It has so long to say who it is. */
  private wait(socket: Socket, from: Address): Newcomer {
    const { handshakeTimeout } = this.door.admission.limits;
    const late: TurnedAway = { reason: 'handshake_timeout', why: 'its handshake takes too long' };
    const deadline = setTimeout(() => this.refuse(socket, from, late), handshakeTimeout);
    const newcomer = { socket, name: nameOf(socket), deadline };
    this.newcomers.set(newcomer.name, newcomer);
    socket.once('close', () => this.settle(newcomer));
    return newcomer;
  }

  /** It has said who it is, or is gone. */
  private settle(newcomer: Newcomer): void {
    clearTimeout(newcomer.deadline);
    // Another may have come from there since.
    if (this.newcomers.get(newcomer.name) === newcomer) this.newcomers.delete(newcomer.name);
  }

  private meet(socket: Socket, from: Address, caller: Caller, newcomer: Newcomer | undefined): void {
    // What is not closed yet will say so when it is: nothing stays counted.
    if (socket.destroyed) return;
    const { admission, log } = this.door;
    const leave = admission.enterFrom(caller);
    if (typeof leave === 'object') return this.refuse(socket, from, leave);
    socket.once('close', leave);
    log.debug(`New connection from: ${formatAddress(from)}`);
    if (newcomer !== undefined) newcomer.caller = caller;
    if (this.tls !== undefined) return void this.tls.emit('connection', socket);
    if (newcomer !== undefined) this.settle(newcomer);
    this.pass(caller, socket);
  }

  /** `carrier`: what the socket speaks TLS over. */
  private pass(caller: Caller, socket: Socket, carrier = socket): void {
    // On JSON/TCP a client that has shut its side down still gets its answers; while it shook hands it had none to come.
    carrier.allowHalfOpen = socket.allowHalfOpen = this.endpoint.wire === 'json-tcp';
    const count = this.door.meter?.connections[this.endpoint.wire];
    if (count !== undefined) {
      count.taken++;
      count.open++;
      socket.once('close', () => count.open--);
    }
    this.handOver(socket, caller);
  }

  private refuse(socket: Socket, from: Address, { reason, why }: TurnedAway): void {
    if (socket.destroyed) return;
    const { log, meter } = this.door;
    if (meter !== undefined) meter.refused[reason]++;
    log.debug(`A connection from ${formatAddress(from)} was refused: ${why}`);
    socket.destroy();
  }

  private makeTls(): TlsServer {
    const { admission, certificates, log, meter } = this.door;
    if (certificates === undefined) throw new Error('TLS without certificates');
    const tls = createTlsServer({
      ...certificates.current,
      // Ours comes first, and counts from before the handshake.
      handshakeTimeout: 2 * admission.limits.handshakeTimeout,
      requestCert: certificates.asksClients,
      rejectUnauthorized: certificates.asksClients,
      ...(this.endpoint.wire === 'grpc' ? { ALPNProtocols: ['h2'] } : {}),
    });
    tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (meter !== undefined) meter.refused.tls++;
      log.debug(`A TLS handshake has failed: ${socket.authorizationError ?? error.code ?? error.message}`);
      socket.destroy();
    });
    tls.on('secureConnection', (socket) => {
      const newcomer = this.newcomers.get(nameOf(socket));
      if (newcomer?.caller === undefined) return void socket.destroy();
      this.settle(newcomer);
      socket.on('error', () => {});
      if (hasExpired(socket)) {
        log.debug('A TLS handshake has failed: the certificate of the session that it resumes has expired');
        return void socket.destroy();
      }
      this.pass({ ...newcomer.caller, isPrivate: true, certified: commonName(socket) }, socket, newcomer.socket);
    });
    certificates.onChange((context) => tls.setSecureContext(context));
    return tls;
  }
}

/** Whether a client's certificate has: a session that is resumed is not looked at again by TLS itself. */
function hasExpired(socket: TLSSocket): boolean {
  return Date.parse(socket.getPeerCertificate().valid_to) < Date.now();
}

/** The one name that a certificate gives its owner. */
function commonName(socket: TLSSocket): string | undefined {
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
