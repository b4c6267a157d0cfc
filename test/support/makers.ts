/** The same validator through every door: in this process, over JSON/TCP and over gRPC. */

import { GrpcClient } from '../../src/client/grpc.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import type { ValidatorNode } from '../../src/validator/node.js';
import type { ChainValidator, Validator } from '../../src/validator/validator.js';
import type { TestClock } from './clock.js';
import { type HeldStore, heldNode } from './held-store.js';
import { intercepted, serveGrpc, serveJsonTcp } from './servers.js';

/** A validator as its user has it, and what is behind it. */
export interface Made<V extends Validator = Validator> {
  readonly validator: V;
  readonly node: ValidatorNode;
  readonly clock: TestClock;
  readonly store: HeldStore;
  /** How often a call has come through the door. */
  readonly count: (call: keyof ChainValidator) => number;
}

export type AtEnd = (end: () => unknown) => void;

async function inMemory(atEnd: AtEnd): Promise<Made<ChainValidator>> {
  const held = await heldNode();
  atEnd(() => held.node.stop());
  const { validator, count } = intercepted(held.node);
  return { ...held, validator, count };
}

async function overJsonTcp(atEnd: AtEnd): Promise<Made> {
  const made = await inMemory(atEnd);
  const served = await serveJsonTcp(made.validator);
  atEnd(served.close);
  const validator = new JsonTcpClient(served.address);
  atEnd(() => validator.close());
  return { ...made, validator };
}

async function overGrpc(atEnd: AtEnd): Promise<Made<GrpcClient>> {
  const made = await inMemory(atEnd);
  const served = await serveGrpc(made.validator);
  atEnd(served.close);
  const validator = new GrpcClient(served.address);
  atEnd(() => validator.close());
  return { ...made, validator };
}

/** Every door that has what each of them has. */
export const DOORS: Readonly<Record<string, (atEnd: AtEnd) => Promise<Made>>> = {
  'in memory': inMemory,
  'over JSON/TCP': overJsonTcp,
  'over gRPC': overGrpc,
};

/** Those that have the chain and the streams too. */
export const CHAIN_DOORS: Readonly<Record<string, (atEnd: AtEnd) => Promise<Made<ChainValidator>>>> = {
  'in memory': inMemory,
  'over gRPC': overGrpc,
};
