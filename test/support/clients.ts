/** Clients of a validator program. */

import { GrpcClient } from '../../src/client/grpc.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import { type Address, parseAddress } from '../../src/wire/address.js';
import type { RunningValidator } from './programs.js';
import { present } from './stores.js';

/** Where a validator program serves JSON/TCP. */
export function jsonTcpAddress({ jsonTcp }: Pick<RunningValidator, 'jsonTcp'>): Address {
  return present(parseAddress(jsonTcp));
}

/** Where a validator program serves gRPC. */
export function grpcAddress({ grpc }: Pick<RunningValidator, 'grpc'>): Address {
  return present(parseAddress(grpc.replace('grpc://', '')));
}

/** A client of a validator program, over JSON/TCP. */
export function overJsonTcp(validator: Pick<RunningValidator, 'jsonTcp'>): JsonTcpClient {
  return new JsonTcpClient(jsonTcpAddress(validator));
}

/** A client of a validator program, over gRPC. */
export function overGrpc(validator: RunningValidator): GrpcClient {
  return new GrpcClient(grpcAddress(validator));
}
