/**
 * What a validator is, in the words of the domain. The running one implements it, every transport's server serves it, and every client
 * is one: what holds for one holds for all.
 */

import type { AcceptedBlock, Block } from '../../gen/hourcoin/v1/block.js';
import type { GetAddressResponse, GetMinerResponse, ListBlocksResponse } from '../../gen/hourcoin/v1/chain_service.js';
import type {
  CheckLockoutResponse,
  GetBlockchainInfoResponse,
  RoundInfo,
  SubmitBlockResponse,
} from '../../gen/hourcoin/v1/validator_service.js';

/** How a call is made. */
export interface CallOptions {
  /** Gives the call up: it then throws a Fault of reason CANCELLED. A block that is not judged yet uses nothing up. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What every wire has (spec, section 2). Calls throw a Fault where they are not answered; a client's calls also throw a
 * ConnectionError where the answer may be lost.
 */
export interface Validator {
  /** The round in force. `minerId` is only logged. */
  getRoundInfo(minerId: string, options?: CallOptions): Promise<RoundInfo>;
  /** Judges a block. When it is answered, what it changed is durable. */
  submitBlock(minerId: string, block: Block, options?: CallOptions): Promise<SubmitBlockResponse>;
  /** Whether a miner is in lockout. */
  checkLockout(minerId: string, options?: CallOptions): Promise<CheckLockoutResponse>;
  /** The chain's height, tip and difficulty. */
  getBlockchainInfo(options?: CallOptions): Promise<GetBlockchainInfoResponse>;
}

/** Names a block by its index or its hash. */
export type BlockName = { readonly index: number } | { readonly hash: Buffer };

/** Which page to read. */
export interface Page {
  /** At most this many entries: 100 where it is 0 or absent; above 1,000 is 1,000. */
  readonly pageSize?: number | undefined;
  /** The `nextPageToken` of the page before; empty or absent for the first page. */
  readonly pageToken?: string | undefined;
}

/** What the gRPC API has beyond that. Streams end when the validator stops, and throw CANCELLED when their signal aborts. */
export interface ChainValidator extends Validator {
  /** The round in force at once, then every new one; a slow reader gets the newest. */
  watchRounds(minerId: string, options?: CallOptions): AsyncIterable<RoundInfo>;
  /** A block; throws NOT_FOUND where the chain has none. */
  getBlock(name: BlockName, options?: CallOptions): Promise<AcceptedBlock>;
  /** Blocks in order of index; the first page begins at `fromIndex`. */
  listBlocks(fromIndex: number, page?: Page, options?: CallOptions): Promise<ListBlocksResponse>;
  /** Every block from an index on, then each new one, with no gap and no repeat. */
  watchBlocks(fromIndex: number, options?: CallOptions): AsyncIterable<AcceptedBlock>;
  /** An address's balance and a page of its unspent outputs. */
  getAddress(address: string, page?: Page, options?: CallOptions): Promise<GetAddressResponse>;
  /** What is known of a miner. */
  getMiner(minerId: string, options?: CallOptions): Promise<GetMinerResponse>;
}
