/** HOST:PORT, as it is given and as it is shown. IPv6 hosts stand in brackets. */

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
  const match = /^(?:\[([0-9a-fA-F:.%a-zA-Z0-9]+)\]|([^\s:/[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host !== undefined && port <= 65_535 ? { host, port } : undefined;
}

/** An address as HOST:PORT. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
