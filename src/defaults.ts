/** Where a validator listens, and keeps its chain, unless it is told otherwise: for servers, clients and programs alike. */

/** JSON/TCP. */
export const DEFAULT_JSON_TCP = '127.0.0.1:8080';

/** gRPC; a client's address has `grpc://` before it. */
export const DEFAULT_GRPC = '127.0.0.1:50051';

/** The data folder. */
export const DEFAULT_DATA = './hourcoin-data';

/** How long a validator may take to stop until everybody is cut off, milliseconds: with what follows it stops within five seconds. */
export const DEFAULT_GRACE_MS = 4_000;
