/** A validator within the test's own process, served on both wires at free ports. */

import { BlockList } from 'node:net';
import { DEFAULT_OPERATOR_LIMITS } from '../../src/engine/limits.js';
import { Admission, type Auth, type KnownKeys, type Policy } from '../../src/server/admission.js';
import { GrpcServer } from '../../src/server/grpc.js';
import { JsonTcpServer } from '../../src/server/json-tcp.js';
import { Listener } from '../../src/server/listener.js';
import type { Log } from '../../src/server/log.js';
import type { ChainValidator, Validator } from '../../src/validator/validator.js';
import type { Address, Endpoint } from '../../src/wire/address.js';
import { NO_LOG } from './nodes.js';

/** A server that listens. */
export interface Served {
  readonly address: Address;
  /** With its listener. */
  readonly server: Pick<JsonTcpServer | GrpcServer, 'stopTaking' | 'close'>;
  /** Ends it at once. */
  close(): Promise<void>;
}

const ANY_PORT: Address = { host: '127.0.0.1', port: 0 };

const NO_KEYS: KnownKeys = { nameOf: () => undefined, minerOf: () => undefined, isOwned: () => false };

const OPEN: Policy = { limits: DEFAULT_OPERATOR_LIMITS, authReads: false, insecure: false, limitLoopback: false };

/** A door that is open to all on this machine, but for what is said. */
export function openDoor(policy: Partial<Policy> = {}, keys = NO_KEYS, now?: () => number): Admission {
  return new Admission({ ...OPEN, ...policy }, keys, now);
}

/** Listens for a server. */
export async function listenFor(
  server: Pick<JsonTcpServer | GrpcServer, 'accept' | 'stopTaking' | 'close'>,
  wire: Endpoint['wire'],
  { at = ANY_PORT, admission = openDoor(), auth = 'open', log = NO_LOG, proxies = new BlockList() }: Listening = {},
): Promise<Served> {
  const door = { admission, log, certificates: undefined, proxies };
  const listener = new Listener({ ...at, wire, isSecure: false }, door, (socket, caller) =>
    server.accept(socket, caller, auth),
  );
  const address = await listener.listen();
  const both = {
    stopTaking(): void {
      listener.close();
      server.stopTaking();
    },
    close(graceMs: number): Promise<void> {
      listener.close();
      return server.close(graceMs);
    },
  };
  return { address, server: both, close: () => both.close(0) };
}

interface Listening {
  readonly at?: Address;
  readonly admission?: Admission;
  readonly auth?: Auth;
  readonly log?: Log;
  /** Load balancers, which tell where clients are. */
  readonly proxies?: BlockList;
}

/** Serves a validator on JSON/TCP. */
export function serveJsonTcp(validator: Validator, at = ANY_PORT, log: Log = NO_LOG): Promise<Served> {
  const admission = openDoor();
  return listenFor(new JsonTcpServer(validator, admission, log), 'json-tcp', { at, admission, log });
}

/** Serves a validator on gRPC. */
export function serveGrpc(validator: ChainValidator, at = ANY_PORT, log: Log = NO_LOG): Promise<Served> {
  const admission = openDoor();
  return listenFor(new GrpcServer(validator, admission, log), 'grpc', { at, admission, log });
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
