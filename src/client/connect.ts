/** Which client an address asks for. */

import { parseAddress } from '../wire/address.js';
import { GrpcClient } from './grpc.js';
import { JsonTcpClient } from './json-tcp.js';

/** The gRPC client of `grpc://host:port`; throws a TypeError where the text is something else. `timeout`: of a call, milliseconds. */
export function connectToGrpc(text: string, timeout?: number): GrpcClient {
  const client = connectTo(text, timeout);
  if (client instanceof GrpcClient) return client;
  throw new TypeError(`${text} is JSON/TCP: this needs gRPC, write grpc://host:port`);
}

/** `host:port` is JSON/TCP, `grpc://host:port` is gRPC; throws a TypeError where the text is neither. `timeout`: of a call, milliseconds. */
export function connectTo(text: string, timeout?: number): JsonTcpClient | GrpcClient {
  const grpc = text.startsWith('grpc://');
  const address = parseAddress(grpc ? text.slice('grpc://'.length) : text);
  if (address === undefined || address.port === 0) {
    throw new TypeError(`${text} is not an address: write host:port or grpc://host:port`);
  }
  return grpc ? new GrpcClient(address, timeout) : new JsonTcpClient(address, timeout);
}
