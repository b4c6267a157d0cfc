/** Reading a chain from its store: blocks, pages, addresses. */

import { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import type { GetAddressResponse, ListBlocksResponse } from '../../gen/hourcoin/v1/chain_service.js';
import { MAX_U32, sha256 } from '../engine/bytes.js';
import { nearestDouble } from '../engine/exact.js';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import { DamageError, type Store } from '../store/store.js';
import type { BlockName, Page } from './validator.js';

/** A block by its index or its hash; throws NOT_FOUND where there is none. */
export function namedBlock(store: Store, name: BlockName): AcceptedBlock {
  if ('index' in name) checkIndex(name.index, 'index');
  const index = 'index' in name ? name.index : store.indexOf(name.hash);
  const block = index === undefined ? undefined : store.block(index);
  if (block !== undefined) return block;
  throw new Fault(
    'NOT_FOUND',
    `no block ${'index' in name ? `#${name.index}` : name.hash.toString('hex')} on this chain`,
  );
}

/** A block that must be there. */
export function storedBlock(store: Store, index: number): AcceptedBlock {
  const block = store.block(index);
  if (block === undefined) throw new Error(`block #${index} is missing`);
  return block;
}

/** A page of blocks. */
export function blockPage(store: Store, height: number, fromIndex: number, page: Page): ListBlocksResponse {
  const blocks: AcceptedBlock[] = [];
  const size = entries(page);
  checkIndex(fromIndex, 'from_index');
  const scope = `blocks from ${fromIndex}`;
  let next = Number(readToken(page, scope) ?? fromIndex);
  let bytes = 0;
  while (next < height && blocks.length < size && bytes < LIMITS.pageBytes) {
    const block = storedBlock(store, next);
    blocks.push(block);
    bytes += AcceptedBlock.encode(block).finish().length;
    next++;
  }
  return { blocks, nextPageToken: next < height ? writeToken(BigInt(next), scope) : '' };
}

/** An address's balance and a page of its unspent outputs. */
export function addressPage(store: Store, address: string, page: Page): GetAddressResponse {
  const size = entries(page);
  const scope = `outputs of ${address}`;
  const after = readToken(page, scope);
  // One more than the page holds says whether there is another.
  const owned = store.outputsOf(address, after, size + 1);
  const shown = owned.slice(0, size);
  const last = owned.length > size ? shown.at(-1) : undefined;
  const { units, count } = store.balance(address);
  const isWhole = after === undefined && last === undefined;
  if (isWhole && BigInt(shown.length) !== count)
    throw new DamageError(`an address has ${count} outputs, not ${shown.length}`);
  return {
    address,
    balance: nearestDouble(units),
    unspentCount: count,
    unspentOutputs: shown.map(({ output, id, blockIndex }) => ({ output, outputId: id, blockIndex })),
    nextPageToken: last === undefined ? '' : writeToken(last.place, scope),
  };
}

/** Throws MALFORMED where an index is none. */
export function checkIndex(index: number, field: string): void {
  if (Number.isInteger(index) && index >= 0 && index <= MAX_U32) return;
  throw new Fault('MALFORMED', `an index is a whole number from 0 to ${MAX_U32}`, field);
}

/** What is asked beyond the largest page gets the largest: the field's convention. */
function entries({ pageSize = 0 }: Page): number {
  if (Number.isInteger(pageSize) && pageSize >= 0) return Math.min(pageSize || LIMITS.defaultPageSize, LIMITS.pageSize);
  throw new Fault('MALFORMED', 'page_size is a whole number, and not negative', 'page_size');
}

/** Where a page's listing goes on: a place, bound to what is listed, so that no client can come to rely on what a token says. */
function writeToken(place: bigint, scope: string): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(place);
  return Buffer.concat([bytes, scopeMark(scope)]).toString('base64url');
}

/** The place in a page's token; undefined for the first page. */
function readToken({ pageToken = '' }: Page, scope: string): bigint | undefined {
  if (pageToken === '') return undefined;
  const bytes = Buffer.from(pageToken, 'base64url');
  if (bytes.length === 16 && bytes.subarray(8).equals(scopeMark(scope))) return bytes.readBigUInt64BE();
  throw new Fault('MALFORMED', 'page_token is not one that this validator gave for the same question', 'page_token');
}

function scopeMark(scope: string): Buffer {
  return sha256(Buffer.from(scope)).subarray(0, 8);
}
