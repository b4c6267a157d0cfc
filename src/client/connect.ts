/** Which client an address asks for. */

import { parseAddress } from '../wire/address.js';
import { GrpcClient } from './grpc.js';
import { JsonTcpClient } from './json-tcp.js';

/**
 * A client of the validator at `grpc://host:port`. Nothing is sent before the first call.
 *
 * @param timeout How long a call waits for its answer, milliseconds: 10,000 unless it is given.
 * @throws TypeError where the text is something else, or the address of JSON/TCP.
 *
 * @example
 * ```ts
 * import { connectToGrpc } from 'hourcoin';
 *
 * const validator = connectToGrpc('grpc://127.0.0.1:50051', 2_000);
 * console.log((await validator.getMiner('alice')).blockCount);
 * validator.close();
 * ```
 */
export function connectToGrpc(text: string, timeout?: number): GrpcClient {
  const client = connectTo(text, timeout);
  if (client instanceof GrpcClient) return client;
  throw new TypeError(`${text} is JSON/TCP: this needs gRPC, write grpc://host:port`);
}

/**
 * A client of the validator at an address: `host:port` is JSON/TCP, `grpc://host:port` is gRPC; an IPv6 host stands in brackets. Nothing is sent
 * before the first call.
 *
 * @param timeout How long a call waits for its answer, milliseconds: 10,000 unless it is given.
 * @throws TypeError where the text is neither.
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
 */
export function connectTo(text: string, timeout?: number): JsonTcpClient | GrpcClient {
  const grpc = text.startsWith('grpc://');
  const address = parseAddress(grpc ? text.slice('grpc://'.length) : text);
  if (address === undefined || address.port === 0) {
    throw new TypeError(`${text} is not an address: write host:port or grpc://host:port`);
  }
  return grpc ? new GrpcClient(address, timeout) : new JsonTcpClient(address, timeout);
}
