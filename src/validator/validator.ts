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

/** How a block is submitted. */
export interface SubmitOptions extends CallOptions {
  /** Where a server counts it: the network that it comes from. A client leaves it out. */
  readonly network?: string | undefined;
}

/** How a stream is watched. `E` is what may interrupt it: a client's errors are a Fault or a ConnectionError. */
export interface WatchOptions<E extends Error = Error> extends CallOptions {
  /**
   * A client's stream was interrupted by an error, and is begun again after `retryMs` milliseconds: the validator was lost, has stopped or is
   * overloaded. Must not throw. A validator in this process is never interrupted.
   */
  readonly onInterrupted?: ((error: E, retryMs: number) => void) | undefined;
}

/**
 * What every wire has (spec, section 2). Calls throw a Fault where they are not answered; a client's calls also throw a
 * ConnectionError where the answer may be lost.
 */
export interface Validator {
  /**
   * The round in force, and the template of the block that would win it. Times are milliseconds since the Unix epoch on the validator's
   * timescale. `minerId` is only logged: at most 256 bytes of UTF-8 on gRPC.
   *
   * Throws a Fault: LIMIT_EXCEEDED, OVERLOADED, UNAVAILABLE, CANCELLED; a client's also UNAUTHENTICATED and any ConnectionError but OTHER_CHAIN.
   *
   * @example
   * ```ts
   * import { connectTo } from 'hourcoin';
   *
   * const validator = connectTo('127.0.0.1:8080');
   * const { round, nextIndex, tonce, challengeSecondsRemaining } = await validator.getRoundInfo('alice');
   * console.log(`round ${round}: block #${nextIndex}, tonce ${tonce} for ${challengeSecondsRemaining} s`);
   * validator.close();
   * ```
   */
  getRoundInfo(minerId: string, options?: CallOptions): Promise<RoundInfo>;
  /**
   * Judges a block, whose miner is `minerId`, 1 to 256 bytes of UTF-8. When it is answered, what it changed is durable. A rejection is an
   * answer, not an error.
   *
   * Throws a Fault, and then the block is not judged and uses nothing up: MALFORMED, LIMIT_EXCEEDED, OVERLOADED, UNAVAILABLE, CANCELLED; a
   * client's also UNAUTHENTICATED. Where a client throws a ConnectionError, the block may have been accepted all the same: ask for the chain, or
   * for the lockout.
   *
   * @example
   * ```ts
   * import { connectToGrpc, SubmitResult } from 'hourcoin';
   *
   * const validator = connectToGrpc('grpc://127.0.0.1:50051');
   * const { block } = await validator.getBlock({ index: 0 });
   * if (block !== undefined) {
   *   // A block that is on the chain already is rejected, and uses nothing up.
   *   const { result, message, retryAfterMs } = await validator.submitBlock('alice', block);
   *   if (result !== SubmitResult.ACCEPTED) console.log(`${message}: again in ${retryAfterMs} ms`);
   * }
   * validator.close();
   * ```
   */
  submitBlock(minerId: string, block: Block, options?: SubmitOptions): Promise<SubmitBlockResponse>;
  /**
   * Whether a miner is in lockout, and for how many whole seconds of the validator's clock, rounded down. `minerId` has at most 256 bytes of
   * UTF-8.
   *
   * Throws a Fault: MALFORMED (an empty id, on gRPC), LIMIT_EXCEEDED, OVERLOADED, UNAVAILABLE, CANCELLED; a client's also
   * UNAUTHENTICATED and any ConnectionError but OTHER_CHAIN.
   *
   * @example
   * ```ts
   * import { connectTo } from 'hourcoin';
   *
   * const validator = connectTo('127.0.0.1:8080');
   * const { isLocked, secondsRemaining } = await validator.checkLockout('alice');
   * console.log(isLocked ? `locked out for ${secondsRemaining} s` : 'free to mine');
   * validator.close();
   * ```
   */
  checkLockout(minerId: string, options?: CallOptions): Promise<CheckLockoutResponse>;
  /**
   * The chain's height (a count of blocks), the tip's hash (32 bytes; undefined before the first block) and the difficulty (hexadecimal).
   *
   * Throws a Fault: OVERLOADED, UNAVAILABLE, CANCELLED; a client's also UNAUTHENTICATED and any ConnectionError but OTHER_CHAIN.
   *
   * @example
   * ```ts
   * import { connectTo } from 'hourcoin';
   *
   * const validator = connectTo('127.0.0.1:8080');
   * const { blockCount, tipHash } = await validator.getBlockchainInfo();
   * console.log(`${blockCount} blocks, the last is ${tipHash?.toString('hex')}`);
   * validator.close();
   * ```
   */
  getBlockchainInfo(options?: CallOptions): Promise<GetBlockchainInfoResponse>;
}

/** Names a block. */
export type BlockName =
  /** By its index: 0 is the first. */
  | { readonly index: number }
  /** By its hash, 32 bytes. */
  | { readonly hash: Buffer };

/** Which page to read. */
export interface Page {
  /** At most this many entries: 100 where it is 0 or absent; above 1,000 is 1,000. */
  readonly pageSize?: number | undefined;
  /** The `nextPageToken` of the page before; empty or absent for the first page. */
  readonly pageToken?: string | undefined;
}

/**
 * What the gRPC API has beyond that. Streams throw CANCELLED when their signal aborts. Those of the validator itself, and of the bare protocol,
 * end when it stops; a client's go on once it can be reached again.
 */
export interface ChainValidator extends Validator {
  /** The round in force at once, then every new one; a slow reader gets the newest. `minerId` is only logged. */
  watchRounds(minerId: string, options?: WatchOptions): AsyncIterable<RoundInfo>;
  /**
   * A block with what the validator knew when it accepted it.
   *
   * Throws a Fault: NOT_FOUND where the chain has no such block, MALFORMED, UNAVAILABLE, CANCELLED; a client's also
   * OVERLOADED, UNAUTHENTICATED and any ConnectionError but OTHER_CHAIN.
   *
   * @example
   * ```ts
   * import { connectToGrpc, Fault } from 'hourcoin';
   *
   * const validator = connectToGrpc('grpc://127.0.0.1:50051');
   * const first = await validator.getBlock({ index: 0 });
   * console.log(`#0 was made by ${first.minerId}: ${first.block?.hash.toString('hex')}`);
   * const none = await validator.getBlock({ hash: Buffer.alloc(32) }).catch((error) => error);
   * console.log(none instanceof Fault && none.reason); // NOT_FOUND
   * validator.close();
   * ```
   */
  getBlock(name: BlockName, options?: CallOptions): Promise<AcceptedBlock>;
  /**
   * A page of blocks in order of index; the first page begins at `fromIndex`, a whole number from 0 to 2^32 - 1, which stays the same for every page.
   *
   * Throws a Fault: MALFORMED, UNAVAILABLE, CANCELLED; a client's also OVERLOADED, UNAUTHENTICATED and any ConnectionError but OTHER_CHAIN.
   *
   * @example
   * ```ts
   * import { connectToGrpc } from 'hourcoin';
   *
   * const validator = connectToGrpc('grpc://127.0.0.1:50051');
   * let pageToken = '';
   * do {
   *   const page = await validator.listBlocks(0, { pageSize: 1_000, pageToken });
   *   for (const { block, minerId } of page.blocks) console.log(`#${block?.index} by ${minerId}`);
   *   pageToken = page.nextPageToken;
   * } while (pageToken !== '');
   * validator.close();
   * ```
   */
  listBlocks(fromIndex: number, page?: Page, options?: CallOptions): Promise<ListBlocksResponse>;
  /** Every block from an index on, then each new one, with no gap and no repeat. From above the height it waits for that block. */
  watchBlocks(fromIndex: number, options?: WatchOptions): AsyncIterable<AcceptedBlock>;
  /**
   * An address's balance, in hours, and a page of its unspent outputs in the order in which they joined the chain. `address` has at most 256
   * bytes of UTF-8; one that nobody has paid yet has a balance of 0.
   *
   * Throws a Fault: MALFORMED, LIMIT_EXCEEDED, UNAVAILABLE, CANCELLED; a client's also OVERLOADED, UNAUTHENTICATED and any ConnectionError but OTHER_CHAIN.
   *
   * @example
   * ```ts
   * import { connectToGrpc } from 'hourcoin';
   *
   * const validator = connectToGrpc('grpc://127.0.0.1:50051');
   * const { balance, unspentCount } = await validator.getAddress('alice');
   * console.log(`${balance} hours in ${unspentCount} outputs`);
   * validator.close();
   * ```
   */
  getAddress(address: string, page?: Page, options?: CallOptions): Promise<GetAddressResponse>;
  /**
   * What is known of a miner: its lockout in milliseconds of the validator's clock, its attempt in the round in force, its blocks. `minerId` has 1
   * to 256 bytes of UTF-8; one that is not known has none.
   *
   * Throws a Fault: MALFORMED, LIMIT_EXCEEDED, OVERLOADED, UNAVAILABLE, CANCELLED; a client's also UNAUTHENTICATED and any ConnectionError but OTHER_CHAIN.
   *
   * @example
   * ```ts
   * import { connectToGrpc } from 'hourcoin';
   *
   * const validator = connectToGrpc('grpc://127.0.0.1:50051');
   * const { blockCount, hasAttempted, lockoutRemainingMs } = await validator.getMiner('alice');
   * console.log(`${blockCount} blocks; tried: ${hasAttempted}; locked out for ${lockoutRemainingMs} ms`);
   * validator.close();
   * ```
   */
  getMiner(minerId: string, options?: CallOptions): Promise<GetMinerResponse>;
}
