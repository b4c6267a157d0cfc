/** A validator on both wires that counts its clients: a balancer before it says where each of them is, and the door's time stands still. */

import { BlockList } from 'node:net';
import { DEFAULT_OPERATOR_LIMITS, type OperatorLimits } from '../../src/engine/limits.js';
import type { KnownKeys, Policy } from '../../src/server/admission.js';
import { GrpcServer } from '../../src/server/grpc.js';
import { JsonTcpServer } from '../../src/server/json-tcp.js';
import type { ChainValidator } from '../../src/validator/validator.js';
import type { Address } from '../../src/wire/address.js';
import { balancerTo, headerFor } from './balancer.js';
import { RawGrpc } from './grpc.js';
import type { AtEnd } from './makers.js';
import { NO_LOG } from './nodes.js';
import { listenFor, openDoor } from './servers.js';
import { RawClient } from './sockets.js';

/** This machine, and two addresses elsewhere. */
export const HERE = '127.0.0.1';
export const ALICES = '203.0.113.7';
export const BOBS = '198.51.100.9';

export interface Limited {
  /** Lets the door's time pass, milliseconds. */
  pass(ms: number): void;
  /** A client of JSON/TCP at an address. */
  jsonTcp(host?: string): Promise<RawClient>;
  /** One of gRPC. */
  grpc(host?: string): Promise<RawGrpc>;
  /** Where a client of HTTP/2 at an address has to connect. */
  grpcAddress(host?: string): Promise<Address>;
  /** Ends it within some milliseconds. */
  close(graceMs: number): Promise<void>;
}

/** Serves a validator, with some limits and policy of its own. */
export async function serveLimited(
  atEnd: AtEnd,
  validator: ChainValidator,
  limits: Partial<OperatorLimits> = {},
  { policy = {}, keys }: { policy?: Partial<Policy>; keys?: KnownKeys } = {},
): Promise<Limited> {
  let now = 0;
  const all = { ...DEFAULT_OPERATOR_LIMITS, ...limits };
  const admission = openDoor({ limits: all, ...policy }, keys, () => now);
  const proxies = new BlockList();
  proxies.addAddress(HERE);
  const listening = { admission, proxies };
  const json = await listenFor(new JsonTcpServer(validator, admission, NO_LOG), 'json-tcp', listening);
  const grpc = await listenFor(new GrpcServer(validator, admission, NO_LOG), 'grpc', listening);
  atEnd(() => Promise.all([json.close(), grpc.close()]));
  const grpcAddress = async (host = ALICES): Promise<Address> => {
    const balancer = await balancerTo(grpc.address, headerFor({ host, port: 1 }), 'in one piece with what follows');
    atEnd(balancer.close);
    return balancer.address;
  };
  return {
    pass: (ms) => {
      now += ms;
    },
    jsonTcp: async (host = ALICES) => {
      const client = await RawClient.connect(json.address);
      atEnd(() => client.destroy());
      await client.send(headerFor({ host, port: 1 }));
      return client;
    },
    grpc: async (host) => {
      const client = new RawGrpc(await grpcAddress(host));
      atEnd(() => client.close());
      return client;
    },
    grpcAddress,
    close: async (graceMs) => {
      await Promise.all([json.server.close(graceMs), grpc.server.close(graceMs)]);
    },
  };
}
