/** TLS at a client's end: how it is begun, and what is told where it fails. */

import { isIP } from 'node:net';
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls';
import { type Endpoint, formatAddress, formatEndpoint } from '../wire/address.js';
import { type Credentials, mustSuit, secureContext } from './credentials.js';
import { ConnectionError } from './errors.js';

/** What OpenSSL says of a peer that answers in another protocol. */
const PLAIN = /wrong version number|http request|packet length too long/;
/** What it says where the peer is not content with this client's certificate, or that it shows none. */
const REFUSED = /alert (.*certificate.*|unknown ca|access denied|handshake failure)/;

/** A client's TLS with one validator. */
export class Tls {
  private readonly name: string;
  private readonly context: SecureContext;
  private readonly showsCertificate: boolean;

  /** Throws a TypeError where the credentials cannot be used. */
  constructor(
    private readonly endpoint: Endpoint,
    credentials: Credentials,
  ) {
    this.name = formatAddress(endpoint);
    this.context = secureContext(credentials);
    this.showsCertificate = credentials.cert !== undefined;
  }

  /** Begins TLS: on a connection of its own, or on the one that is given. The validator must be who the address names. */
  connect(options: Pick<ConnectionOptions, 'socket' | 'ALPNProtocols'> = {}): TLSSocket {
    const { host, port } = this.endpoint;
    // An address is no name: a server that has several certificates is told none.
    const servername = isIP(host) === 0 ? host : '';
    // Said outright: else a variable of the environment could turn it off.
    const checked = { secureContext: this.context, rejectUnauthorized: true };
    return connect({ ...options, ...checked, host, port, servername });
  }

  /** What an error of such a connection is to the caller; undefined where TLS is not to blame. */
  problem(error: NodeJS.ErrnoException, { authorizationError }: TLSSocket): ConnectionError | undefined {
    if (authorizationError) {
      return new ConnectionError('UNTRUSTED', `cannot trust ${this.name}: ${this.whatIsWrong(error)}`);
    }
    const [, said] = /SSL routines:[^:]*:([^:]+)/.exec(error.message) ?? [];
    if (said === undefined) return undefined;
    if (REFUSED.test(said)) {
      const what = this.showsCertificate
        ? "does not take this client's certificate"
        : 'wants a certificate of this client: give --cert and --key (credentials.cert and credentials.key)';
      return new ConnectionError('UNTRUSTED', `${this.name} ${what}: ${said}`);
    }
    if (!PLAIN.test(said)) return new ConnectionError('BAD_ANSWER', `TLS with ${this.name} failed: ${said}`);
    const plain = formatEndpoint({ ...this.endpoint, isSecure: false });
    return new ConnectionError('BAD_ANSWER', `${this.name} does not speak TLS: a plain port is written ${plain}`);
  }

  /** What it is to the caller that the validator closes the connection before it has said a word. */
  closedAtOnce(): ConnectionError {
    const why = this.showsCertificate ? ", perhaps because it does not take this client's certificate" : '';
    return new ConnectionError('UNREACHABLE', `${this.name} closed the connection${why}`);
  }

  /** What is wrong with the validator's certificate. */
  private whatIsWrong(error: NodeJS.ErrnoException & { cert?: { subjectaltname?: string } }): string {
    const { code = '', cert, message } = error;
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
      const names = cert?.subjectaltname?.replaceAll(/(DNS|IP Address):/g, '') ?? 'no name at all';
      return `its certificate is not for ${this.endpoint.host}, but for ${names}`;
    }
    if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired';
    if (code === 'CERT_NOT_YET_VALID') return "its certificate is not valid yet, or this host's clock is behind";
    if (!/SELF_SIGNED|UNABLE_TO/.test(code)) return `its certificate cannot be used: ${message}`;
    return `its certificate is of no authority that is trusted here (${message}): give that with --ca (credentials.ca)`;
  }
}

/** The TLS that a client speaks at an endpoint; undefined where it speaks plainly. Throws a TypeError where the credentials do not suit it. */
export function tlsAt(endpoint: Endpoint, credentials: Credentials): Tls | undefined {
  mustSuit(endpoint, credentials);
  return endpoint.isSecure ? new Tls(endpoint, credentials) : undefined;
}
