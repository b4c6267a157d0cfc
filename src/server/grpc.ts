/** Serves a validator on gRPC: the two services, health and reflection, on nice-grpc. */

import { readFileSync } from 'node:fs';
import { ServerCredentials } from '@grpc/grpc-js';
import {
  type CallContext,
  createServer,
  type Server,
  ServerError,
  type ServerMiddleware,
  type ServerMiddlewareCall,
  Status,
} from 'nice-grpc';
import { errorDetailsServerMiddleware } from 'nice-grpc-error-details';
import { HealthDefinition, HealthServiceImpl, HealthState } from 'nice-grpc-server-health';
import { ServerReflection, ServerReflectionService } from 'nice-grpc-server-reflection';
import { ChainServiceDefinition } from '../../gen/hourcoin/v1/chain_service.js';
import { ValidatorServiceDefinition } from '../../gen/hourcoin/v1/validator_service.js';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { ChainValidator } from '../validator/validator.js';
import { type Address, formatAddress } from '../wire/address.js';
import { faultToGrpc } from '../wire/faults.js';
import * as read from '../wire/protobuf.js';
import type { Log } from './log.js';
import { boundUnfinished } from './unfinished.js';

/** The schemas as reflection serves them: this file runs as dist/src/server/grpc.js. */
const DESCRIPTOR = new URL('../../../gen/descriptor.binpb', import.meta.url);

/** How often a silent client is asked whether it is still there, and how long it may take to answer, milliseconds. */
const KEEPALIVE = { time: 60_000, timeout: 20_000 };

const SERVICES = [ValidatorServiceDefinition.fullName, ChainServiceDefinition.fullName];

export class GrpcServer {
  private readonly health = HealthState();
  private readonly server: Server;
  private readonly unfinished = boundUnfinished();
  private readonly closing = new AbortController();

  constructor(validator: ChainValidator, log: Log) {
    this.server = createServer({
      'grpc.max_concurrent_streams': LIMITS.streamsPerConnection,
      'grpc.max_receive_message_length': LIMITS.messageBytes,
      'grpc.max_connection_idle_ms': LIMITS.idleMs,
      'grpc.keepalive_time_ms': KEEPALIVE.time,
      'grpc.keepalive_timeout_ms': KEEPALIVE.timeout,
      // Handed on to grpc-js as it is.
      interceptors: [this.unfinished.interceptor],
    })
      .use(errorDetailsServerMiddleware)
      .use(mapFaults(log));
    this.server.add(unread(ValidatorServiceDefinition), validatorService(validator));
    this.server.add(unread(ChainServiceDefinition), chainService(validator));
    this.server.add(HealthDefinition, this.healthService());
    this.addReflection();
    for (const service of SERVICES) this.health.setStatus('healthy', service);
  }

  /** Listens, and says where. */
  async listen(address: Address): Promise<Address> {
    const port = await this.server.listen(formatAddress(address), ServerCredentials.createInsecure());
    return { host: address.host, port };
  }

  /** Tells health checks that no more is taken. */
  stopTaking(): void {
    for (const service of ['', ...SERVICES]) this.health.setStatus('unhealthy', service);
  }

  /** Closes every connection once its calls are answered, at the latest after some milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.stopTaking();
    this.closing.abort();
    // A stream of reflection has no end of its own.
    const timer = setTimeout(() => this.server.forceShutdown(), graceMs);
    await this.server.shutdown();
    clearTimeout(timer);
    this.unfinished.close();
  }

  /** Health checks, whose streams end with OK when the server closes. */
  private healthService(): HealthServiceImplementation {
    const { check, watch } = HealthServiceImpl(this.health);
    const { signal: closing } = this.closing;
    return {
      check,
      async *watch(request, context) {
        const end = new AbortController();
        const abort = (): void => end.abort();
        for (const signal of [closing, context.signal]) signal.addEventListener('abort', abort);
        try {
          yield* watch(request, { ...context, signal: end.signal });
        } catch (error) {
          if (!closing.aborted || context.signal.aborted) throw error;
        } finally {
          for (const signal of [closing, context.signal]) signal.removeEventListener('abort', abort);
        }
      },
    };
  }

  private addReflection(): void {
    const handler = ServerReflection(readFileSync(DESCRIPTOR), [...SERVICES, HealthDefinition.fullName]);
    this.server.add(ServerReflectionService, handler);
    // The same for tools that ask for the name it had before.
    const { serverReflectionInfo } = ServerReflectionService;
    const path = serverReflectionInfo.path.replace('.v1.', '.v1alpha.');
    this.server.add({ serverReflectionInfo: { ...serverReflectionInfo, path } }, handler);
  }
}

type HealthServiceImplementation = ReturnType<typeof HealthServiceImpl>;

/** Requests are taken as bytes: wire/protobuf.ts reads them, strictly, and a fault there gets its details. */
const UNREAD = {
  encode: (bytes: Buffer) => ({ finish: () => bytes }),
  decode: (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
};

type Unread<Methods> = {
  readonly [M in keyof Methods]: Omit<Methods[M], 'requestType'> & { requestType: typeof UNREAD };
};

function unread<Methods extends object>(definition: { name: string; fullName: string; methods: Methods }) {
  const methods = Object.entries(definition.methods).map(([name, method]) => [
    name,
    { ...method, requestType: UNREAD },
  ]);
  return { ...definition, methods: Object.fromEntries(methods) as Unread<Methods> };
}

function validatorService(validator: ChainValidator) {
  return {
    async getRoundInfo(request: Buffer, { signal }: CallContext) {
      return { roundInfo: await validator.getRoundInfo(read.getRoundInfoFromProto(request), { signal }) };
    },
    async submitBlock(request: Buffer, { signal }: CallContext) {
      const { minerId, block } = read.submitBlockFromProto(request);
      return validator.submitBlock(minerId, block, { signal });
    },
    async checkLockout(request: Buffer, { signal }: CallContext) {
      return validator.checkLockout(read.checkLockoutFromProto(request), { signal });
    },
    async getBlockchainInfo(request: Buffer, { signal }: CallContext) {
      read.getBlockchainInfoFromProto(request);
      return validator.getBlockchainInfo({ signal });
    },
    async *watchRounds(request: Buffer, { signal }: CallContext) {
      const minerId = read.watchRoundsFromProto(request);
      for await (const roundInfo of validator.watchRounds(minerId, { signal })) yield { roundInfo };
    },
  };
}

function chainService(validator: ChainValidator) {
  return {
    async getBlock(request: Buffer, { signal }: CallContext) {
      return { block: await validator.getBlock(read.getBlockFromProto(request), { signal }) };
    },
    async listBlocks(request: Buffer, { signal }: CallContext) {
      const { fromIndex, ...page } = read.listBlocksFromProto(request);
      return validator.listBlocks(fromIndex, page, { signal });
    },
    async *watchBlocks(request: Buffer, { signal }: CallContext) {
      const fromIndex = read.watchBlocksFromProto(request);
      for await (const block of validator.watchBlocks(fromIndex, { signal })) yield { block };
    },
    async getAddress(request: Buffer, { signal }: CallContext) {
      const { address, ...page } = read.getAddressFromProto(request);
      return validator.getAddress(address, page, { signal });
    },
    async getMiner(request: Buffer, { signal }: CallContext) {
      return validator.getMiner(read.getMinerFromProto(request), { signal });
    },
  };
}

/** Faults become statuses with details; anything else is a defect, which is logged and kept off the wire. */
function mapFaults(log: Log): ServerMiddleware {
  return async function* middleware<Request, Response>(
    call: ServerMiddlewareCall<Request, Response>,
    context: CallContext,
  ) {
    try {
      return yield* call.next(call.request, context);
    } catch (error) {
      if (error instanceof Fault) throw faultToGrpc(error);
      if (error instanceof ServerError || context.signal.aborted) throw error;
      log.error(`${call.method.path} failed: ${error instanceof Error ? error.stack : error}`);
      throw new ServerError(Status.INTERNAL, 'internal error');
    }
  };
}
