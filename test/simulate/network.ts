/** Simulated sockets: bytes arrive late, in pieces, or never. Both ends are streams as node:net's are. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Dice } from './dice.js';
import type { Process, VirtualTime } from './time.js';

/** Takes a connection: its end, and the address that it comes from. */
export type Accept = (socket: Socket, from: string) => void;

/** Parcels arrive at least so far apart, milliseconds. */
const APART_MS = 0.001;

/** How long an end that is asked whether it is still there may take to answer, milliseconds. */
const PONG_WITHIN_MS = 10_000;

/** Bytes on their way to one end; beyond that a writer waits. */
const WINDOW = 65_536;

type Parcel = Buffer | 'end' | 'reset' | 'refused';

class End extends Duplex {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** When the last parcel that it has sent arrives: none overtakes another. */
  lastArrival = 0;
  /** The other end is gone, or has been told that this one is: nothing need be sent. */
  isCut = false;
  private readonly inbox: (Buffer | null)[] = [];
  private wanted = false;
  /** What it has sent and its other end has not taken, bytes; and who waits for that. */
  private onTheWay = 0;
  private goOn: (() => void) | undefined;

  constructor(
    readonly link: Link,
    readonly process: Process,
    [localAddress, localPort]: readonly [string, number],
    [remoteAddress, remotePort]: readonly [string, number],
  ) {
    super({ allowHalfOpen: false });
    this.localAddress = localAddress;
    this.localPort = localPort;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  setNoDelay(): this {
    return this;
  }

  /** Asks the other end now and then whether it is still there: HTTP/2's pings, that is, which no program sees. Where it is not, this one ends. */
  setKeepAlive(_: boolean, every: number): this {
    const { link, process } = this;
    const ask = (): void => {
      if (this.destroyed) return;
      const { isHalfOpen } = link;
      link.time.after(isHalfOpen ? PONG_WITHIN_MS : every, process, isHalfOpen ? () => this.destroy() : ask);
    };
    link.time.after(every, process, ask);
    return this;
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.onTheWay += chunk.length;
    this.link.send(this, chunk);
    if (this.onTheWay > WINDOW) this.goOn = done;
    else done();
  }

  override _read(): void {
    this.wanted = true;
    this.hand();
  }

  override _final(done: () => void): void {
    this.link.send(this, 'end');
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.isCut) this.link.send(this, 'reset');
    this.isCut = true;
    done(error);
  }

  /** A parcel from the other end is here. */
  receive(parcel: Parcel): void {
    if (this.destroyed) return;
    if (parcel === 'reset' || parcel === 'refused') {
      this.isCut = true;
      // Whoever has nothing on its way sees a close where others see a reset.
      if (parcel === 'reset' && this.link.dice.chance(0.5)) return void this.destroy();
      const code = parcel === 'reset' ? 'ECONNRESET' : 'ECONNREFUSED';
      this.destroy(Object.assign(new Error(code), { code }));
      return;
    }
    this.inbox.push(parcel === 'end' ? null : parcel);
    this.hand();
  }

  /** The other end has taken bytes. */
  taken(bytes: number): void {
    this.onTheWay -= bytes;
    if (this.goOn === undefined || this.onTheWay > WINDOW) return;
    const { goOn } = this;
    this.goOn = undefined;
    goOn();
  }

  private hand(): void {
    while (this.wanted && this.inbox.length > 0) {
      const piece = this.inbox.shift() as Buffer | null;
      this.wanted = this.push(piece);
      if (piece !== null) this.link.tellTaken(this, piece.length);
    }
  }
}

/** A connection. */
class Link {
  /** Nothing arrives before. */
  stalledUntil = 0;
  /** Nothing arrives any more, and nobody is told. */
  isHalfOpen = false;
  readonly client: End;
  server: End | undefined;

  constructor(
    private readonly network: Network,
    readonly dice: Dice,
    process: Process,
    private readonly latency: number,
    from: readonly [string, number],
    to: readonly [string, number],
  ) {
    this.client = new End(this, process, from, to);
  }

  send(from: End, parcel: Parcel): void {
    if (from.isCut || !from.process.alive) return;
    const { time } = this.network;
    const to = from === this.client ? this.server : this.client;
    for (const part of this.divided(parcel)) {
      const wished = time.now + this.latency * (0.5 + this.dice.fraction());
      from.lastArrival = Math.max(wished, this.stalledUntil, from.lastArrival + APART_MS);
      const ms = from.lastArrival - time.now;
      if (to !== undefined) time.after(ms, to.process, () => this.deliver(to, part));
      else time.after(ms, time.world, () => this.handOn(part));
    }
  }

  tellTaken(by: End, bytes: number): void {
    const writer = by === this.client ? this.server : this.client;
    if (writer !== undefined) this.network.time.after(this.latency, writer.process, () => writer.taken(bytes));
  }

  /** The connection arrives where it was to go. */
  arrive({ process, accept }: Host): void {
    const { client, network } = this;
    if (this.isHalfOpen) return;
    if (accept === undefined) {
      network.time.after(this.latency, client.process, () => client.receive('refused'));
      return;
    }
    const from = [client.remoteAddress, client.remotePort] as const;
    const server = new End(this, process, from, [client.localAddress, client.localPort]);
    this.server = server;
    server.on('error', () => {});
    network.time.after(0, process, () => accept(server as unknown as Socket, client.localAddress));
  }

  /** Both ends are told that the other is gone, each in its time; what is on its way is lost. */
  cut(): void {
    this.isHalfOpen = true;
    for (const end of [this.client, this.server]) {
      if (end === undefined || end.destroyed) continue;
      this.network.time.after(this.latency, end.process, () => end.receive('reset'));
    }
  }

  get time(): VirtualTime {
    return this.network.time;
  }

  get isOpen(): boolean {
    return !this.isHalfOpen && !this.client.destroyed && this.server !== undefined && !this.server.destroyed;
  }

  /** Whether it may be, or may come to be, open. */
  get isLive(): boolean {
    return this.server === undefined ? !this.client.destroyed : this.isOpen;
  }

  private divided(parcel: Parcel): Parcel[] {
    if (!Buffer.isBuffer(parcel) || parcel.length < 2 || !this.dice.chance(0.1)) return [parcel];
    const at = this.dice.between(1, parcel.length - 1);
    return [parcel.subarray(0, at), parcel.subarray(at)];
  }

  private deliver(to: End, parcel: Parcel): void {
    if (!this.isHalfOpen) to.receive(parcel);
  }

  /** What was sent before the connection had arrived. */
  private handOn(parcel: Parcel): void {
    const { server } = this;
    if (server !== undefined) this.network.time.after(0, server.process, () => this.deliver(server, parcel));
  }
}

/** Who is at an address. */
interface Host {
  readonly process: Process;
  /** undefined: nobody listens. */
  accept: Accept | undefined;
}

export class Network {
  private readonly hosts = new Map<string, Host>();
  private links: Link[] = [];
  private ports = 0;
  /** Nothing comes through, and nobody is told. */
  private isApart = false;

  constructor(
    readonly time: VirtualTime,
    private readonly dice: Dice,
  ) {}

  /** From now on a process is at an address, and takes connections there. */
  listen(address: string, process: Process, accept: Accept): void {
    this.hosts.set(address, { process, accept });
  }

  /** Takes no more connections at an address. */
  close(address: string): void {
    this.hosts.delete(address);
  }

  /** Connects a process at one address to whoever is at another. */
  connect(process: Process, from: string, to: string): Socket {
    const latency = this.dice.pick([0.2, 1, 5, 30, 120]);
    const port = 1_024 + (this.ports++ % 64_000);
    const link = new Link(this, this.dice, process, latency, [from, port], [to, 8080]);
    link.isHalfOpen = this.isApart;
    link.client.lastArrival = this.time.now + latency;
    if (this.links.length >= 64) this.links = this.links.filter(({ isLive }) => isLive);
    this.links.push(link);
    this.time.after(latency, this.time.world, () => link.arrive(this.at(to)));
    return link.client as unknown as Socket;
  }

  /** When a process ends, its system closes its connections. */
  endWith(process: Process): void {
    process.onEnd(() => {
      for (const { client, server, isHalfOpen } of this.links) {
        for (const [end, other] of [
          [client, server],
          [server, client],
        ] as const) {
          if (end?.process !== process || end.isCut) continue;
          end.isCut = true;
          if (other !== undefined && !isHalfOpen) this.time.after(1, other.process, () => other.receive('reset'));
        }
      }
    });
  }

  /** Each of these does it to an open connection, if there is one, and says whether there was. */
  cutOne(): boolean {
    return this.toOne((link) => link.cut());
  }

  delayOne(ms: number): boolean {
    return this.toOne((link) => {
      link.stalledUntil = this.time.now + ms;
    });
  }

  halfOpenOne(): boolean {
    return this.toOne((link) => {
      link.isHalfOpen = true;
    });
  }

  /** Every connection is half-open now, and so is every new one until they come together. */
  part(): void {
    this.isApart = true;
    for (const link of this.links) link.isHalfOpen = true;
  }

  comeTogether(): void {
    this.isApart = false;
  }

  private toOne(act: (link: Link) => void): boolean {
    const open = this.links.filter(({ isOpen }) => isOpen);
    if (open.length > 0) act(this.dice.pick(open));
    return open.length > 0;
  }

  private at(address: string): Host {
    const host = this.hosts.get(address);
    return host?.process.alive ? host : { process: this.time.world, accept: undefined };
  }
}
