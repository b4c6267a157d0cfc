/** A validator within the test's own process, served on both wires at free ports. */

import { GrpcServer } from '../../src/server/grpc.js';
import { JsonTcpServer } from '../../src/server/json-tcp.js';
import type { Log } from '../../src/server/log.js';
import type { ChainValidator, Validator } from '../../src/validator/validator.js';
import type { Address } from '../../src/wire/address.js';
import { NO_LOG } from './nodes.js';

/** A server that listens. */
export interface Served {
  readonly address: Address;
  readonly server: JsonTcpServer | GrpcServer;
  /** Ends it at once. */
  close(): Promise<void>;
}

const ANY_PORT: Address = { host: '127.0.0.1', port: 0 };

/** Serves a validator on JSON/TCP. */
export async function serveJsonTcp(validator: Validator, at = ANY_PORT, log: Log = NO_LOG): Promise<Served> {
  const server = new JsonTcpServer(validator, log);
  return { address: await server.listen(at), server, close: () => server.close(0) };
}

/** Serves a validator on gRPC. */
export async function serveGrpc(validator: ChainValidator, at = ANY_PORT, log: Log = NO_LOG): Promise<Served> {
  const server = new GrpcServer(validator, log);
  return { address: await server.listen(at), server, close: () => server.close(0) };
}

/** A validator with some of its calls replaced. Every call is counted, and the last call's signal kept. */
export function intercepted<V extends Validator>(validator: V, instead: Partial<ChainValidator> = {}) {
  const counts = new Map<string, number>();
  let lastSignal: AbortSignal | undefined;
  const proxy = new Proxy(validator, {
    get(target, name) {
      const call: unknown = instead[name as keyof ChainValidator] ?? Reflect.get(target, name);
      if (typeof call !== 'function') return call;
      return (...args: unknown[]): unknown => {
        counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
        lastSignal = (args.at(-1) as { signal?: AbortSignal } | undefined)?.signal ?? lastSignal;
        return call.apply(target, args);
      };
    },
  });
  return {
    validator: proxy,
    /** How often a call was made. */
    count: (call: keyof ChainValidator): number => counts.get(call) ?? 0,
    /** The signal that the last call was made with. */
    lastSignal: (): AbortSignal | undefined => lastSignal,
  };
}
