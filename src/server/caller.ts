/** Who is at the other end of a connection, as far as that is known. */

import ipaddr from 'ipaddr.js';
import { isLoopback as isLoopbackHost } from '../wire/address.js';

export interface Caller {
  /** Where limits count it: an IPv4 address, or the 64 bits of an IPv6 one that one household has. */
  readonly network: string;
  readonly isLoopback: boolean;
  /** Nobody between us can read what it sends: TLS, or this very machine. */
  readonly isPrivate: boolean;
  /** The miner id that its certificate names. */
  readonly certified: string | undefined;
  /** The names of the keys that it has shown, where it has shown any. */
  shown: Set<string> | undefined;
}

/** An address as the system tells it, without the interface that one of a local link comes by (fe80::1%br-lan). */
export function withoutZone(address: string | undefined): string | undefined {
  return address?.replace(/%.*$/s, '');
}

/** A client at an address, of which nothing else is known yet. `via`: the load balancer that has told the address. */
export function callerAt(address: string, via = address): Caller {
  // A balancer's own loopback is no loopback of ours.
  const isLoopback = isLoopbackHost(address) && isLoopbackHost(via);
  return { network: networkOf(address), isLoopback, isPrivate: isLoopback, certified: undefined, shown: undefined };
}

function networkOf(address: string): string {
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const half = parsed.toByteArray().map((byte, position) => (position < 8 ? byte : 0));
  return `${ipaddr.fromByteArray(half)}/64`;
}

/** A connection's two ends, as a socket has them and as grpc-js tells them. */
export interface Ends {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** A connection's name: no two that are open have the same. (A client may well come to two of our ports from one of its own.) */
export function nameOf({ localAddress, localPort, remoteAddress, remotePort }: Ends): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
