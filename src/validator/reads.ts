/** Reading a chain from its store: blocks, pages, addresses. */

import { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import type { GetAddressResponse, ListBlocksResponse } from '../../gen/hourcoin/v1/chain_service.js';
import { MAX_U32 } from '../engine/bytes.js';
import { nearestDouble } from '../engine/exact.js';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { Store } from '../store/store.js';
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

/** A page of blocks. Its token is the index of the next one. */
export function blockPage(store: Store, height: number, fromIndex: number, page: Page): ListBlocksResponse {
  const blocks: AcceptedBlock[] = [];
  const size = pageSize(page);
  checkIndex(fromIndex, 'from_index');
  let next = page.pageToken === '' ? fromIndex : Number(readToken(page.pageToken));
  let bytes = 0;
  while (next < height && blocks.length < size && bytes < LIMITS.pageBytes) {
    const block = store.block(next);
    if (block === undefined) throw new Error(`block #${next} is missing`);
    blocks.push(block);
    bytes += AcceptedBlock.encode(block).finish().length;
    next++;
  }
  return { blocks, nextPageToken: next < height ? String(next) : '' };
}

/** An address's balance and a page of its unspent outputs. The page's token is the place of its last output. */
export function addressPage(store: Store, address: string, page: Page): GetAddressResponse {
  const size = pageSize(page);
  const after = page.pageToken === '' ? undefined : readToken(page.pageToken);
  // One more than the page holds says whether there is another.
  const owned = store.outputsOf(address, after, size + 1);
  const shown = owned.slice(0, size);
  const { units, count } = store.balance(address);
  return {
    address,
    balance: nearestDouble(units),
    unspentCount: count,
    unspentOutputs: shown.map(({ output, id, blockIndex }) => ({ output, outputId: id, blockIndex })),
    nextPageToken: owned.length > size ? String(shown.at(-1)?.place ?? '') : '',
  };
}

/** Throws MALFORMED where an index is none. */
export function checkIndex(index: number, field: string): void {
  if (Number.isInteger(index) && index >= 0 && index <= MAX_U32) return;
  throw new Fault('MALFORMED', `an index is a whole number from 0 to ${MAX_U32}`, field);
}

function pageSize({ pageSize }: Page): number {
  if (!(Number.isInteger(pageSize) && pageSize >= 0)) {
    throw new Fault('MALFORMED', 'page_size is a whole number', 'page_size');
  }
  if (pageSize > LIMITS.pageSize)
    throw new Fault('LIMIT_EXCEEDED', `page_size is at most ${LIMITS.pageSize}`, 'page_size');
  return pageSize || LIMITS.defaultPageSize;
}

function readToken(token: string): bigint {
  if (/^[0-9]{1,15}$/.test(token)) return BigInt(token);
  throw new Fault('MALFORMED', 'page_token is not one that this validator gave', 'page_token');
}
