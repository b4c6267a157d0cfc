/**
 * Checked protobuf: the generated decoders stop silently at tag 0, take bad UTF-8 for U+FFFD and recurse into groups, so a message's bytes
 * are walked first. What comes out is whole, and within the stateless limits.
 */

import { isUtf8 } from 'node:buffer';
import type { Block } from '../../gen/hourcoin/v1/block.js';
import * as chain from '../../gen/hourcoin/v1/chain_service.js';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import { HASH_BYTES } from '../engine/bytes.js';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import { checkAddress, checkMinerId, checkSubmission } from './checks.js';

/** The fields of a message that hold text or messages, by number. A test holds them against the schemas. */
export interface Shape {
  readonly [field: number]: 'text' | Shape;
}

const OUTPUT: Shape = { 1: 'text' };
const TRANSACTION: Shape = { 1: OUTPUT, 2: OUTPUT };
export const BLOCK: Shape = { 6: TRANSACTION };

/** What every request holds. */
export const SHAPES = {
  GetRoundInfoRequest: { 1: 'text' },
  SubmitBlockRequest: { 1: 'text', 2: BLOCK },
  CheckLockoutRequest: { 1: 'text' },
  GetBlockchainInfoRequest: {},
  WatchRoundsRequest: { 1: 'text' },
  GetBlockRequest: {},
  ListBlocksRequest: { 2: 'text' },
  WatchBlocksRequest: {},
  GetAddressRequest: { 1: 'text', 3: 'text' },
  GetMinerRequest: { 1: 'text' },
} as const satisfies Readonly<Record<string, Shape>>;

/** Reads GetRoundInfoRequest. Like every reader here it throws a Fault of reason MALFORMED or LIMIT_EXCEEDED. */
export function getRoundInfoFromProto(bytes: Buffer): string {
  const { minerId } = decode(bytes, service.GetRoundInfoRequest, SHAPES.GetRoundInfoRequest);
  checkMinerId(minerId);
  return minerId;
}

/** Reads WatchRoundsRequest. */
export function watchRoundsFromProto(bytes: Buffer): string {
  const { minerId } = decode(bytes, service.WatchRoundsRequest, SHAPES.WatchRoundsRequest);
  checkMinerId(minerId);
  return minerId;
}

/** Reads SubmitBlockRequest. */
export function submitBlockFromProto(bytes: Buffer): { minerId: string; block: Block } {
  const { minerId, block } = decode(bytes, service.SubmitBlockRequest, SHAPES.SubmitBlockRequest);
  requireMinerId(minerId);
  if (block === undefined) throw new Fault('MALFORMED', 'block is missing', 'block');
  checkSubmission(minerId, block);
  return { minerId, block };
}

/** Reads CheckLockoutRequest. */
export function checkLockoutFromProto(bytes: Buffer): string {
  return requireMinerId(decode(bytes, service.CheckLockoutRequest, SHAPES.CheckLockoutRequest).minerId);
}

/** Reads GetBlockchainInfoRequest. */
export function getBlockchainInfoFromProto(bytes: Buffer): void {
  decode(bytes, service.GetBlockchainInfoRequest, SHAPES.GetBlockchainInfoRequest);
}

/** Reads GetBlockRequest. */
export function getBlockFromProto(bytes: Buffer): { index: number } | { hash: Buffer } {
  const { by } = decode(bytes, chain.GetBlockRequest, SHAPES.GetBlockRequest);
  if (by === undefined) throw new Fault('MALFORMED', 'name the block by its index or its hash');
  if (by.$case === 'index') return { index: by.value };
  if (by.value.length !== HASH_BYTES) throw new Fault('MALFORMED', `a hash has ${HASH_BYTES} bytes`, 'hash');
  return { hash: by.value };
}

/** Reads ListBlocksRequest. */
export function listBlocksFromProto(bytes: Buffer): chain.ListBlocksRequest {
  return decode(bytes, chain.ListBlocksRequest, SHAPES.ListBlocksRequest);
}

/** Reads WatchBlocksRequest. */
export function watchBlocksFromProto(bytes: Buffer): number {
  return decode(bytes, chain.WatchBlocksRequest, SHAPES.WatchBlocksRequest).fromIndex;
}

/** Reads GetAddressRequest. */
export function getAddressFromProto(bytes: Buffer): chain.GetAddressRequest {
  const request = decode(bytes, chain.GetAddressRequest, SHAPES.GetAddressRequest);
  checkAddress(request.address, 'address');
  return request;
}

/** Reads GetMinerRequest. */
export function getMinerFromProto(bytes: Buffer): string {
  return requireMinerId(decode(bytes, chain.GetMinerRequest, SHAPES.GetMinerRequest).minerId);
}

/** On this wire an empty miner id is one that was forgotten. */
function requireMinerId(minerId: string): string {
  if (minerId === '') throw new Fault('MALFORMED', 'miner_id is missing', 'miner_id');
  checkMinerId(minerId);
  return minerId;
}

/** Reads a message whose texts and messages are of a shape. */
export function decode<T>(bytes: Buffer, type: { decode(bytes: Uint8Array): T }, shape: Shape): T {
  new Walker(bytes).message(bytes.length, shape);
  return type.decode(bytes);
}

/** Walks over a message's bytes, and throws a Fault where they are not exactly one message, or one of too many fields. */
class Walker {
  private at = 0;
  private fields = 0;

  constructor(private readonly bytes: Buffer) {}

  message(end: number, shape: Shape): void {
    while (this.at < end) {
      // Each costs the decoder an object where its bytes may be two.
      if (++this.fields > LIMITS.messageFields) {
        throw new Fault('LIMIT_EXCEEDED', `the message has more than ${LIMITS.messageFields} fields`);
      }
      const tag = this.varint(end);
      const field = Math.floor(tag / 8);
      if (field < 1 || field > 0x1fff_ffff) throw malformed(`field number ${field}`);
      const wireType = tag % 8;
      if (wireType === 0) this.varint(end);
      else if (wireType === 1) this.skip(8, end);
      else if (wireType === 5) this.skip(4, end);
      else if (wireType === 2) this.lengthDelimited(end, shape[field]);
      else throw malformed(`wire type ${wireType}`);
    }
  }

  private lengthDelimited(end: number, content: Shape[number] | undefined): void {
    const length = this.varint(end);
    const from = this.at;
    if (length > end - from) throw malformed('a length beyond the end');
    if (typeof content === 'object') this.message(from + length, content);
    else if (content === 'text' && !isUtf8(this.bytes.subarray(from, from + length)))
      throw malformed('a text that is not UTF-8');
    this.at = from + length;
  }

  /** A varint of at most ten bytes. Only tags and lengths are looked at: those beyond 2^53 are refused whatever their last digits. */
  private varint(end: number): number {
    let value = 0;
    let unit = 1;
    for (let place = 0; place < 10 && this.at < end; place++) {
      const byte = this.bytes[this.at++] as number;
      if (byte < 0x80) return value + byte * unit;
      value += (byte & 0x7f) * unit;
      unit *= 128;
    }
    throw malformed('a number that does not end');
  }

  private skip(length: number, end: number): void {
    if (length > end - this.at) throw malformed('a value beyond the end');
    this.at += length;
  }
}

function malformed(what: string): Fault {
  return new Fault('MALFORMED', `the message is not protobuf: ${what}`);
}
