/** Which client an address asks for. */

import { ENDPOINT_FORMS, parseEndpoint } from '../wire/address.js';
import type { Credentials } from './credentials.js';
import { GrpcClient } from './grpc.js';
import { JsonTcpClient } from './json-tcp.js';

/**
 * A client of the validator at `grpc://host:port`, or over TLS at `grpcs://host:port`. Nothing is sent before the first call.
 *
 * @param timeout How long a call waits for its answer, milliseconds: 10,000 unless it is given.
 * @param credentials Whom it trusts over TLS, and what it shows of itself.
 * @throws TypeError where the text is something else, or the address of JSON/TCP, or the credentials cannot be used there.
 *
 * @example
 * ```ts
 * import { connectToGrpc } from 'hourcoin';
 *
 * const validator = connectToGrpc('grpc://127.0.0.1:50051', 2_000);
 * console.log((await validator.getMiner('alice')).blockCount);
 * validator.close();
 * ```
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { connectToGrpc } from 'hourcoin';
 *
 * // A validator of a private network, whose authority is its own.
 * const ca = readFileSync('tls/ca.pem');
 * const validator = connectToGrpc('grpcs://127.0.0.1:50443', 2_000, { ca });
 * console.log((await validator.getMiner('alice')).blockCount);
 * validator.close();
 * ```
 */
export function connectToGrpc(text: string, timeout?: number, credentials?: Credentials): GrpcClient {
  const client = connectTo(text, timeout, credentials);
  if (client instanceof GrpcClient) return client;
  throw new TypeError(`${text} is JSON/TCP: this needs gRPC, write grpc://host:port or grpcs://host:port`);
}

/**
 * A client of the validator at an address: `host:port` is JSON/TCP, `grpc://host:port` is gRPC, `tls://host:port` and `grpcs://host:port` are the
 * same over TLS; an IPv6 host stands in brackets. Nothing is sent before the first call.
 *
 * Over TLS the validator's certificate must be for that host. An API key goes over TLS and to this very machine: beyond that, a plain address
 * is refused with it.
 *
 * @param timeout How long a call waits for its answer, milliseconds: 10,000 unless it is given.
 * @param credentials Whom it trusts over TLS, and what it shows of itself.
 * @throws TypeError where the text is none of these, or the credentials cannot be used there.
 *
 * @example
 * ```ts
 * import { connectTo } from 'hourcoin';
 *
 * for (const address of ['127.0.0.1:8080', 'grpc://127.0.0.1:50051']) {
 *   const validator = connectTo(address);
 *   console.log((await validator.getBlockchainInfo()).blockCount);
 *   validator.close();
 * }
 * ```
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { connectTo } from 'hourcoin';
 *
 * // What `hourcoin tls init tls --client alice` has made.
 * const alice = {
 *   ca: readFileSync('tls/ca.pem'),
 *   cert: readFileSync('tls/alice.pem'),
 *   key: readFileSync('tls/alice-key.pem'),
 * };
 * for (const address of ['tls://127.0.0.1:8443', 'grpcs://127.0.0.1:50443']) {
 *   const validator = connectTo(address, undefined, alice);
 *   console.log((await validator.checkLockout('alice')).isLocked);
 *   validator.close();
 * }
 * ```
 */
export function connectTo(text: string, timeout?: number, credentials?: Credentials): JsonTcpClient | GrpcClient {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined || endpoint.port === 0) {
    throw new TypeError(`${text} is not an address: write ${ENDPOINT_FORMS}`);
  }
  const Client = endpoint.wire === 'grpc' ? GrpcClient : JsonTcpClient;
  return new Client(endpoint, timeout, credentials);
}
