/** HOST:PORT, and what may stand before it, as they are given and shown. IPv6 hosts stand in brackets. */

import { BlockList, isIP, isIPv6 } from 'node:net';

/** A place to listen at or connect to. */
export interface Address {
  /** A name or an address, without brackets. */
  readonly host: string;
  /** 0 to listen at any free port. */
  readonly port: number;
}

/**
 * Reads HOST:PORT; undefined where the text is something else.
 *
 * @example
 * ```ts
 * import { parseAddress } from 'hourcoin';
 *
 * console.log(parseAddress('[::1]:8080')); // { host: '::1', port: 8080 }
 * console.log(parseAddress('localhost')); // undefined
 * ```
 */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([\w:.%-]+)\]|([^\s:/[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host !== undefined && port <= 65_535 ? { host, port } : undefined;
}

/** An address as HOST:PORT. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A place, and how it is spoken to there. */
export interface Endpoint extends Address {
  /** The protocol: `json-tcp` or `grpc`. */
  readonly wire: 'json-tcp' | 'grpc';
  /** Over TLS. */
  readonly isSecure: boolean;
}

/** How an endpoint is written, for messages. */
export const ENDPOINT_FORMS =
  'host:port or tls://host:port for JSON/TCP, grpc://host:port or grpcs://host:port for gRPC';

/** What stands before HOST:PORT. */
const SCHEMES = [
  { scheme: 'tls://', wire: 'json-tcp', isSecure: true },
  { scheme: 'grpc://', wire: 'grpc', isSecure: false },
  { scheme: 'grpcs://', wire: 'grpc', isSecure: true },
  { scheme: '', wire: 'json-tcp', isSecure: false },
] as const;

/**
 * Reads `HOST:PORT` (JSON/TCP), `tls://HOST:PORT` (JSON/TCP over TLS), `grpc://HOST:PORT` (gRPC) or `grpcs://HOST:PORT` (gRPC over TLS);
 * undefined where the text is something else.
 *
 * @example
 * ```ts
 * import { parseEndpoint } from 'hourcoin';
 *
 * console.log(parseEndpoint('tls://[::1]:8443')); // { host: '::1', port: 8443, wire: 'json-tcp', isSecure: true }
 * console.log(parseEndpoint('https://localhost:8443')); // undefined
 * ```
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  for (const { scheme, wire, isSecure } of SCHEMES) {
    const address = text.startsWith(scheme) ? parseAddress(text.slice(scheme.length)) : undefined;
    if (address !== undefined) return { ...address, wire, isSecure };
  }
  return undefined;
}

/** An endpoint as it is written. */
export function formatEndpoint(endpoint: Endpoint): string {
  const { wire, isSecure } = endpoint;
  const scheme = SCHEMES.find((one) => one.wire === wire && one.isSecure === isSecure)?.scheme ?? '';
  return scheme + formatAddress(endpoint);
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether a host is this machine itself: an address of loopback, or the name `localhost`. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 0) return host.toLowerCase() === 'localhost';
  // An IPv4 address that is written as an IPv6 one counts as what it is.
  return LOOPBACK.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}

/** A network: the addresses that have their first bits in common. */
export interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Reads an address, or a network as in 10.0.0.0/8; undefined where the text is something else. */
export function parseNetwork(text: string): Network | undefined {
  const [, address = '', prefix] = /^([0-9a-fA-F:.]+)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  const most = family === 'ipv6' ? 128 : 32;
  const bits = prefix === undefined ? most : Number(prefix);
  return isIP(address) !== 0 && bits <= most ? { address, bits, family } : undefined;
}
