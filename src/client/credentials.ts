/** Whom a client trusts, and what it shows of itself. */

import { createSecureContext, type SecureContext } from 'node:tls';
import { type Endpoint, formatEndpoint, isLoopback } from '../wire/address.js';
import { certificates, privateKey } from '../wire/pem.js';

/**
 * Whom a client trusts, and what it shows of itself. Certificates and keys are PEM texts, not paths: a library reads no files.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { connectTo } from 'hourcoin';
 *
 * // The authority that `hourcoin tls init tls` has made, and the token that `hourcoin key add alice` has printed.
 * const credentials = { ca: readFileSync('tls/ca.pem'), apiKey: process.env.HOURCOIN_API_KEY };
 * const validator = connectTo('tls://127.0.0.1:8443', undefined, credentials);
 * console.log((await validator.checkLockout('alice')).isLocked);
 * validator.close();
 * ```
 */
export interface Credentials {
  /** Authorities, one of which has signed the validator's certificate. Unless it is given, those that Node.js trusts. */
  readonly ca?: string | Buffer | undefined;
  /** This client's certificate, which a validator may want to see; its CN is the miner id that it stands for. Those between it and its authority follow. */
  readonly cert?: string | Buffer | undefined;
  /** The private key of `cert`, without a passphrase. */
  readonly key?: string | Buffer | undefined;
  /** The token that `hourcoin key add` has printed for a miner id. It is sent with every call that names a miner; over gRPC with all. */
  readonly apiKey?: string | undefined;
  /** Lets the API key go over a connection that is neither encrypted nor to this very machine: whoever is between can take and use it. */
  readonly insecure?: boolean | undefined;
}

/** What messages call the parts of credentials. */
const NAMES = { ca: 'credentials.ca', cert: 'credentials.cert', key: 'credentials.key' };

/**
 * Certificates and key as TLS takes them. `names`: what messages call them.
 *
 * @throws TypeError where one of them is not what it should be.
 */
export function secureContext(
  { ca, cert, key }: Credentials,
  names: Readonly<Record<'ca' | 'cert' | 'key', string>> = NAMES,
): SecureContext {
  if ((cert === undefined) !== (key === undefined)) throw new TypeError(`${names.cert} and ${names.key} go together`);
  if (ca !== undefined) certificates(names.ca, ca);
  if (cert === undefined || key === undefined) return createSecureContext({ ca });
  const [own] = certificates(names.cert, cert);
  if (!own.checkPrivateKey(privateKey(names.key, key))) {
    throw new TypeError(`${names.key} is not the key of ${names.cert}`);
  }
  return createSecureContext({ ca, cert, key });
}

/** Whether a text can be an API key: it stands in headers and in JSON as it is. */
export function isApiKey(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** Throws a TypeError where credentials would be given away, or would be of no use, at an endpoint. */
export function mustSuit(endpoint: Endpoint, credentials: Credentials): void {
  const { apiKey, insecure, ca, cert, key } = credentials;
  if (apiKey !== undefined && !isApiKey(apiKey)) {
    throw new TypeError('the API key is not one: it has letters, digits and signs of ASCII, and no spaces');
  }
  if (endpoint.isSecure || insecure || isLoopback(endpoint.host)) return;
  const plain = `${formatEndpoint(endpoint)} is not encrypted`;
  const secure = formatEndpoint({ ...endpoint, isSecure: true });
  if (apiKey !== undefined) {
    const allSame = '--insecure (credentials.insecure) sends it all the same';
    throw new TypeError(`${plain}, and whoever is between could take the API key: write ${secure}; ${allSame}`);
  }
  if ([ca, cert, key].some((part) => part !== undefined)) {
    throw new TypeError(`${plain}, and certificates are for TLS: write ${secure}`);
  }
}
