/** Serves a validator on gRPC: the two services, health and reflection, on grpc-js. */

import { createServer, type Socket } from 'node:net';
import { type ConnectionInjector, type Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthState } from 'nice-grpc-server-health';
import { ChainServiceDefinition } from '../../gen/hourcoin/v1/chain_service.js';
import { ValidatorServiceDefinition } from '../../gen/hourcoin/v1/validator_service.js';
import { LIMITS } from '../engine/limits.js';
import type { ChainValidator } from '../validator/validator.js';
import type { Address } from '../wire/address.js';
import { serve } from './calls.js';
import { listen } from './listen.js';
import type { Log } from './log.js';
import { chainService, validatorService } from './services.js';
import { healthService, reflectionService } from './standard-services.js';
import { UnfinishedRequests } from './unfinished.js';

const SERVICES = [ValidatorServiceDefinition.fullName, ChainServiceDefinition.fullName];

const OPTIONS = {
  'grpc.max_concurrent_streams': LIMITS.streamsPerConnection,
  'grpc.max_receive_message_length': LIMITS.messageBytes,
  'grpc.max_connection_idle_ms': LIMITS.idleMs,
  // How often a silent client is asked whether it is still there, and how long it may take to answer.
  'grpc.keepalive_time_ms': 60_000,
  'grpc.keepalive_timeout_ms': 20_000,
  // It counts calls for a service that is not served here.
  'grpc.enable_channelz': 0,
};

export class GrpcServer {
  private readonly health = HealthState();
  private readonly unfinished = new UnfinishedRequests();
  private readonly closing = new AbortController();
  private readonly server: Server;
  private readonly injector: ConnectionInjector;
  /** Connections are ours, who count them and end them, and are handed to grpc-js. */
  private readonly listener = createServer({ noDelay: true }, (socket) => this.accept(socket));
  private readonly connections = new Set<Socket>();

  constructor(
    validator: ChainValidator,
    private readonly log: Log,
  ) {
    const methods = [
      ...validatorService(validator),
      ...chainService(validator),
      ...healthService(this.health, this.closing.signal),
      ...reflectionService(SERVICES),
    ];
    this.server = serve(methods, OPTIONS, this.unfinished, log);
    this.injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    for (const service of SERVICES) this.health.setStatus('healthy', service);
  }

  /** Listens, and says where. */
  listen(address: Address): Promise<Address> {
    return listen(this.listener, address, this.log);
  }

  /** Tells health checks that no more is taken. */
  stopTaking(): void {
    for (const service of ['', ...SERVICES]) this.health.setStatus('unhealthy', service);
  }

  /** Closes every connection once its calls are answered, at the latest after some milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.stopTaking();
    this.closing.abort();
    this.listener.close();
    // A stream of reflection has no end of its own.
    const timer = setTimeout(() => {
      for (const connection of this.connections) connection.destroy();
    }, graceMs);
    await new Promise((resolve) => this.server.tryShutdown(resolve));
    clearTimeout(timer);
    this.unfinished.close();
  }

  private accept(connection: Socket): void {
    this.connections.add(connection);
    connection.once('close', () => this.connections.delete(connection));
    this.injector.injectConnection(connection);
  }
}
