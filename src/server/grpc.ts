/** Serves a validator on gRPC: the two services, health and reflection, on grpc-js. */

import type { Socket } from 'node:net';
import { type ConnectionInjector, type Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthState } from 'nice-grpc-server-health';
import { ChainServiceDefinition } from '../../gen/hourcoin/v1/chain_service.js';
import { ValidatorServiceDefinition } from '../../gen/hourcoin/v1/validator_service.js';
import { LIMITS } from '../engine/limits.js';
import type { ChainValidator } from '../validator/validator.js';
import type { Admission, Auth, Wish } from './admission.js';
import { type Caller, nameOf } from './caller.js';
import { type Client, type Desk, serve } from './calls.js';
import type { Log } from './log.js';
import type { Meter } from './meter.js';
import { chainService, validatorService } from './services.js';
import { healthService, reflectionService } from './standard-services.js';
import { Turns } from './turns.js';
import { UnfinishedRequests } from './unfinished.js';

const SERVICES = [ValidatorServiceDefinition.fullName, ChainServiceDefinition.fullName];

export class GrpcServer implements Desk {
  private readonly health = HealthState();
  private readonly unfinished: UnfinishedRequests;
  readonly turns = new Turns();
  private readonly closing = new AbortController();
  private readonly server: Server;
  private readonly injector: ConnectionInjector;
  /** Connections are ours, who know whose they are and end them, and are handed to grpc-js. By their names. */
  private readonly clients = new Map<string, Client>();
  /** What clients have not read yet, bytes. */
  private unread = 0;

  constructor(
    validator: ChainValidator,
    private readonly admission: Admission,
    readonly log: Log,
    meter?: Meter,
  ) {
    const { limits } = admission;
    this.unfinished = new UnfinishedRequests(limits.frameTimeout);
    const methods = [
      ...validatorService(validator),
      ...chainService(validator),
      ...healthService(this.health, this.closing.signal),
      ...reflectionService(SERVICES),
    ].map((method) => {
      const { path, responseStream: isStream } = method;
      return { ...method, kind: meter?.kind('grpc', path.slice(path.lastIndexOf('/') + 1), { isStream }) };
    });
    const options = {
      'grpc.max_concurrent_streams': limits.maxStreams,
      'grpc.max_receive_message_length': LIMITS.messageBytes,
      'grpc.max_connection_idle_ms': limits.idleTimeout,
      // How often a silent client is asked whether it is still there, and how long it may take to answer.
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
      // It counts calls for a service that is not served here.
      'grpc.enable_channelz': 0,
    };
    this.server = serve(methods, options, this.unfinished, this);
    this.injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    this.setServing(true);
  }

  /** Speaks gRPC with a client. `auth`: who has to show a key there. */
  accept(socket: Socket, caller: Caller, auth: Auth): void {
    const name = nameOf(socket);
    const isLimited = this.admission.isLimited(caller);
    const client = { socket, caller, auth, isLimited, unread: 0, waiting: new Set<() => void>() };
    this.clients.set(name, client);
    socket.once('close', () => {
      this.unread -= client.unread;
      // Another may have come from there since.
      if (this.clients.get(name) === client) this.clients.delete(name);
    });
    this.injector.injectConnection(socket);
  }

  /** Tells health checks whether clients do well to come here. */
  setServing(isServing: boolean): void {
    for (const service of ['', ...SERVICES]) this.health.setStatus(isServing ? 'healthy' : 'unhealthy', service);
  }

  /** Tells health checks that no more is taken. */
  stopTaking(): void {
    this.setServing(false);
  }

  /** Closes every connection once its calls are answered, at the latest after some milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.stopTaking();
    this.closing.abort();
    // A stream of reflection has no end of its own.
    const timer = setTimeout(() => {
      for (const { socket } of this.clients.values()) socket.destroy();
    }, graceMs);
    await new Promise((resolve) => this.server.tryShutdown(resolve));
    clearTimeout(timer);
    this.unfinished.close();
  }

  clientOf(name: string): Client | undefined {
    return this.clients.get(name);
  }

  count({ caller }: Client): void {
    this.admission.admitAtOnce(caller);
  }

  openStream({ caller }: Client): () => void {
    return this.admission.enterStream(caller);
  }

  admit(client: Client, wish: Wish): string | undefined {
    const caller = this.readmit(client, wish);
    if (!client.isLimited) return undefined;
    if (wish.minerId !== undefined) this.admission.admitAtOnce(caller, wish.minerId);
    return caller.network;
  }

  readmit({ caller, auth }: Client, wish: Wish): Caller {
    // Each call shows its key: a proxy may carry those of many clients over one connection.
    const asking = wish.token === undefined ? caller : { ...caller };
    this.admission.admit(asking, auth, wish);
    return asking;
  }

  hasRead({ unread }: Client): boolean {
    return unread <= this.admission.limits.maxUnread;
  }

  hold(client: Client, change: number): void {
    // What it held went with its connection.
    if (client.socket.destroyed) return;
    client.unread += change;
    this.unread += change;
    if (client.waiting.size > 0 && this.hasRead(client)) {
      const waiting = [...client.waiting];
      client.waiting.clear();
      for (const wake of waiting) wake();
    }
    if (change <= 0 || this.unread <= LIMITS.unreadAnswerBytes) return;
    let slowest = client;
    for (const other of this.clients.values()) if (other.unread > slowest.unread) slowest = other;
    slowest.socket.destroy();
  }
}
