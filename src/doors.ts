/** A validator's doors: every address that it listens at, and what is asked of those who come. */

import { BlockList } from 'node:net';
import { DEFAULT_GRPC, DEFAULT_JSON_TCP } from './defaults.js';
import { messageOf } from './engine/fault.js';
import { DEFAULT_OPERATOR_LIMITS, OPERATOR_LIMITS, type OperatorLimits } from './engine/limits.js';
import { Admission, type Auth, type KnownKeys } from './server/admission.js';
import { Certificates, type TlsFiles } from './server/certificates.js';
import { roomForConnections } from './server/descriptors.js';
import { GrpcServer } from './server/grpc.js';
import { JsonTcpServer } from './server/json-tcp.js';
import { type Door, Listener } from './server/listener.js';
import type { Log } from './server/log.js';
import type { Meter } from './server/meter.js';
import type { ChainValidator } from './validator/validator.js';
import {
  ENDPOINT_FORMS,
  type Endpoint,
  formatAddress,
  formatEndpoint,
  isLoopback,
  parseEndpoint,
  parseNetwork,
} from './wire/address.js';

/** A validator cannot start as it is told to: the message says why, and what to do. */
export class StartError extends Error {
  /** Always this. */
  override readonly name = 'StartError';
}

/** Where a validator listens, and to whom. What is not given has the default that is named. */
export interface DoorOptions {
  /** Where JSON/TCP is served, HOST:PORT; port 0 for any free one. 127.0.0.1:8080. */
  readonly address?: string | undefined;
  /** Where gRPC is served, HOST:PORT, or `off`. 127.0.0.1:50051. */
  readonly grpc?: string | undefined;
  /** Further addresses: HOST:PORT, `tls://HOST:PORT`, `grpc://HOST:PORT` or `grpcs://HOST:PORT`. None. */
  readonly listen?: readonly string[] | undefined;
  /** The PEM files of TLS: paths. They are read again when they change. */
  readonly tls?: TlsFiles | undefined;
  /**
   * Whether every miner shows a key or certificate, or only those whose id has a key. `open` on plain JSON/TCP, and on loopback where no load balancer
   * is named, unless clients show certificates there; else `required`.
   */
  readonly auth?: Auth | undefined;
  /** Reading needs a key or certificate too. */
  readonly authReads?: boolean | undefined;
  /** Serve gRPC beyond loopback without TLS, and take keys over connections that others can read. */
  readonly insecure?: boolean | undefined;
  /** Load balancers that tell by the PROXY protocol (version 2) whom they speak for: addresses or networks, as in 10.0.0.0/8. None. */
  readonly proxyFrom?: readonly string[] | undefined;
  /** Limits other than the defaults. */
  readonly limits?: Partial<OperatorLimits> | undefined;
  /** Limit clients on this machine, too, by address and miner id. */
  readonly limitLoopback?: boolean | undefined;
}

/** Where to listen, checked: what is not safe is not tried. */
export interface Plan {
  readonly endpoints: readonly Endpoint[];
  readonly limits: OperatorLimits;
  readonly proxies: BlockList;
  readonly certificates: Certificates | undefined;
}

/** Reads what is asked for, and the files of TLS. Throws a StartError that says what to do. */
export function planDoors(options: DoorOptions, log: Log): Plan {
  const { address = DEFAULT_JSON_TCP, grpc = DEFAULT_GRPC, listen = [], tls, insecure = false } = options;
  const endpoints = [address, ...(grpc === 'off' ? [] : [`grpc://${grpc}`]), ...listen].map(readEndpoint);
  for (const endpoint of endpoints) {
    const { wire, isSecure } = endpoint;
    const shown = formatEndpoint(endpoint);
    if (isSecure && tls === undefined) {
      throw new StartError(
        `${shown} needs a certificate: give --tls-cert and --tls-key (hourcoin tls init makes them)`,
      );
    }
    if (wire === 'grpc' && isExposed(endpoint) && !insecure) {
      throw new StartError(
        `${shown} could be read and changed by whoever stands between: use grpcs://, or say --insecure`,
      );
    }
  }
  // Whoever gives them believes that TLS is served.
  if (tls !== undefined && !endpoints.some(({ isSecure }) => isSecure)) {
    throw new StartError(
      'a certificate is given, but no address is served over TLS: add --listen tls://… or grpcs://…',
    );
  }
  return {
    endpoints,
    limits: withinSystem(readLimits(options.limits ?? {}), log),
    proxies: readProxies(options.proxyFrom ?? []),
    certificates: tls && readCertificates(tls, log),
  };
}

export class Doors {
  private readonly listeners: Listener[] = [];
  private readonly jsonTcp: JsonTcpServer;
  private readonly grpc: GrpcServer | undefined;
  private readonly door: Door;

  constructor(
    private readonly plan: Plan,
    private readonly options: DoorOptions,
    validator: ChainValidator,
    keys: KnownKeys,
    log: Log,
    meter: Meter | undefined,
  ) {
    const { limits, proxies, endpoints, certificates } = plan;
    const { authReads = false, insecure = false, limitLoopback = false } = options;
    const admission = new Admission({ limits, authReads, insecure, limitLoopback }, keys);
    this.door = { admission, log, proxies, certificates, meter };
    this.jsonTcp = new JsonTcpServer(validator, admission, log, meter);
    if (endpoints.some(({ wire }) => wire === 'grpc')) this.grpc = new GrpcServer(validator, admission, log, meter);
  }

  /** Listens everywhere, and says where, in the order of the plan. */
  async open(): Promise<Endpoint[]> {
    const opened: Endpoint[] = [];
    const isProxied = (this.options.proxyFrom ?? []).length > 0;
    for (const endpoint of this.plan.endpoints) {
      const server = endpoint.wire === 'grpc' ? this.grpc : this.jsonTcp;
      const auth = this.options.auth ?? defaultAuth(endpoint, isProxied, this.options.tls?.clientCa !== undefined);
      const listener = new Listener(endpoint, this.door, (socket, caller) => server?.accept(socket, caller, auth));
      this.listeners.push(listener);
      opened.push(await listener.listen().catch((error) => cannotListen(endpoint, error)));
    }
    for (const endpoint of opened.filter(isExposed)) {
      const taken = this.options.insecure ? ', and take the keys that they show' : '';
      const wayOut =
        endpoint.wire === 'grpc'
          ? 'Serve grpcs:// instead (--listen)'
          : 'Serve tls:// or grpcs:// beside it (--listen) for those who can, and deployed miners only here';
      this.door.log.warn(
        `${formatEndpoint(endpoint)} is not encrypted: whoever stands between can read and change what miners say${taken}. ${wayOut}`,
      );
    }
    this.door.certificates?.watch();
    return opened;
  }

  /** Takes no more connections and no more requests; those that were taken are still answered. */
  stopTaking(): void {
    for (const listener of this.listeners) listener.close();
    this.jsonTcp.stopTaking();
    this.grpc?.stopTaking();
  }

  /** Tells gRPC's health checks whether clients do well to come here. */
  setServing(isServing: boolean): void {
    this.grpc?.setServing(isServing);
  }

  /** How many connections may be open, by the operator's limit and the system's. */
  get maxConnections(): number {
    return this.plan.limits.maxConnections;
  }

  /** Whether so much memory is in use that no connections are taken. */
  isFull(): boolean {
    return this.door.admission.isFull();
  }

  /** Closes every connection once what was taken is answered, at the latest after some milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.stopTaking();
    this.door.certificates?.close();
    await Promise.all([this.jsonTcp.close(graceMs), this.grpc?.close(graceMs)]);
  }
}

/** Throws the StartError of an address that cannot be listened at. */
export function cannotListen(endpoint: Endpoint, error: Error): never {
  const shown = formatAddress(endpoint);
  if (error.message.includes('EADDRINUSE')) {
    throw new StartError(
      `Address already in use: ${shown}: stop what uses it, or choose another address (port 0: any free one)`,
    );
  }
  throw new StartError(`cannot listen on ${shown}: ${error.message}`);
}

/** Whether others than this machine come there, and speak plainly. */
function isExposed({ isSecure, host }: Endpoint): boolean {
  return !isSecure && !isLoopback(host);
}

/**
 * Deployed miners can show nothing: on plain JSON/TCP nothing is asked of those whose id has no key. A balancer makes loopback everybody's, and where
 * everyone has a certificate it says who may use up whose attempt.
 */
function defaultAuth({ wire, isSecure, host }: Endpoint, isProxied: boolean, asksClients: boolean): Auth {
  if (isSecure && asksClients) return 'required';
  return (isLoopback(host) && !isProxied) || (wire === 'json-tcp' && !isSecure) ? 'open' : 'required';
}

function readEndpoint(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint !== undefined) return endpoint;
  throw new StartError(`${text} is not an address: write ${ENDPOINT_FORMS}`);
}

function readCertificates(files: TlsFiles, log: Log): Certificates {
  try {
    return new Certificates(files, log);
  } catch (error) {
    throw new StartError(`TLS cannot be served: ${messageOf(error)}`);
  }
}

function readLimits(given: Partial<OperatorLimits>): OperatorLimits {
  const limits = { ...DEFAULT_OPERATOR_LIMITS, ...given };
  for (const [name, { least, most }] of Object.entries(OPERATOR_LIMITS)) {
    const value = limits[name as keyof OperatorLimits];
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    throw new StartError(`the limit ${name} is a whole number from ${least} to ${most}`);
  }
  return limits;
}

/** Where the system lets open less, connections are refused before certificates and commands are. */
function withinSystem(limits: OperatorLimits, log: Log): OperatorLimits {
  const { maxConnections } = limits;
  const room = roomForConnections() ?? maxConnections;
  if (room >= maxConnections) return limits;
  log.warn(
    `The system has room for ${room} connections, not ${maxConnections}: raise its limit of open files (ulimit -n)`,
  );
  return { ...limits, maxConnections: room };
}

function readProxies(networks: readonly string[]): BlockList {
  const proxies = new BlockList();
  for (const text of networks) {
    const network = parseNetwork(text);
    if (network === undefined) {
      throw new StartError(`${text} is not an address or a network: write 10.1.2.3 or 10.0.0.0/8`);
    }
    proxies.addSubnet(network.address, network.bits, network.family);
  }
  return proxies;
}
