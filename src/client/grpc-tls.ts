/**
 * TLS beneath gRPC. The library's own sends a server's address where TLS has room for a name only, which Node warns of, and tells of a failure as a
 * text alone.
 */

import type { Socket } from 'node:net';
import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js';
import { ConnectionError } from './errors.js';
import type { Tls } from './tls.js';

const ALPN = 'h2';

/** What the library, and Node, say of a validator that closes the connection without a word. */
const CLOSED_AT_ONCE = /Last error: (Failed to connect|.*before secure TLS connection)/;

/** What a channel of grpc-js speaks TLS with. */
export class GrpcTls extends ChannelCredentials {
  /** How the last connection failed, and what that is to the caller. */
  private last: { readonly error: Error; readonly problem: ConnectionError } | undefined;

  constructor(
    private readonly tls: Tls,
    private readonly name: string,
  ) {
    super();
  }

  /** What a status's text is to the caller, where it tells of a failure of TLS. */
  problem(details: string): ConnectionError | undefined {
    if (CLOSED_AT_ONCE.test(details)) return this.tls.closedAtOnce();
    return this.last !== undefined && details.includes(this.last.error.message) ? this.last.problem : undefined;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(
    _target: unknown,
    _options: unknown,
    callCredentials = CallCredentials.createEmpty(),
  ): ReturnType<ChannelCredentials['_createSecureConnector']> {
    return {
      connect: async (socket) => ({ socket: await this.secure(socket), secure: true }),
      waitForReady: async () => {},
      getCallCredentials: () => callCredentials,
      destroy: () => {},
    };
  }

  /** Begins TLS on a connection. Some failures come only after the handshake, where the library reads. */
  private secure(socket: Socket): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const secure = this.tls.connect({ socket, ALPNProtocols: [ALPN] });
      const fail = (error: Error, problem = this.tls.problem(error, secure)): void => {
        if (problem !== undefined) this.last = { error, problem };
        reject(error);
      };
      secure.on('error', fail);
      secure.on('close', () => reject(new Error('the connection was closed before TLS was agreed on')));
      secure.on('secureConnect', () => {
        if (secure.alpnProtocol === ALPN) return resolve(secure);
        const what = `${this.name} speaks TLS, but not gRPC: JSON/TCP is written tls://${this.name}`;
        const problem = new ConnectionError('BAD_ANSWER', what);
        secure.destroy();
        fail(problem, problem);
      });
    });
  }
}
