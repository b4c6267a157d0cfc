/** The wires that a validator and its clients speak. */

import { GrpcClient } from '../../src/client/grpc.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import type { ChainValidator } from '../../src/validator/validator.js';
import { type Address, formatAddress } from '../../src/wire/address.js';
import { type Served, serveGrpc, serveJsonTcp } from './servers.js';

export interface Wire {
  readonly wire: 'JSON/TCP' | 'gRPC';
  /** A client of an address. */
  connect(address: Address, timeout?: number): JsonTcpClient | GrpcClient;
  /** Serves a validator, at a free port unless it is said where. */
  serve(validator: ChainValidator, at?: Address): Promise<Served>;
  /** The address as users write it. */
  written(address: Address): string;
}

export const WIRES: readonly Wire[] = [
  {
    wire: 'JSON/TCP',
    connect: (address, timeout) => new JsonTcpClient(address, timeout),
    serve: serveJsonTcp,
    written: formatAddress,
  },
  {
    wire: 'gRPC',
    connect: (address, timeout) => new GrpcClient(address, timeout),
    serve: serveGrpc,
    written: (address) => `grpc://${formatAddress(address)}`,
  },
];
