/** What a miner does, for whoever shows it. */

import type { Block } from '../../gen/hourcoin/v1/block.js';
import type { RoundInfo, SubmitBlockResponse } from '../../gen/hourcoin/v1/validator_service.js';
import type { Fault } from '../engine/fault.js';

/** What a miner does. */
export type MinerEvent =
  /** The validator has answered, for the first time or again. */
  | { readonly type: 'connected'; readonly round: RoundInfo }
  /** It cannot be reached; it is asked again after some milliseconds. */
  | { readonly type: 'disconnected'; readonly error: Error; readonly retryMs: number }
  /** It tells no tip, as the deployed validators do not: index and previous hash are the miner's own. */
  | { readonly type: 'deployed-validator'; readonly index: number; readonly prevBlockHash: Buffer }
  /** The host's clock differs from the validator's by more than the window; ahead where positive, milliseconds. */
  | { readonly type: 'clock-differs'; readonly aheadMs: bigint }
  /** A block is begun: its index, the tonce, and the seconds that it holds. */
  | { readonly type: 'mining'; readonly index: number; readonly tonce: number; readonly secondsRemaining: bigint }
  /** None of the timestamps that were tried meets the tonce. */
  | { readonly type: 'no-timestamp'; readonly tried: number }
  /** A timestamp was found, milliseconds since the Unix epoch on the validator's timescale. */
  | { readonly type: 'timestamp'; readonly timestamp: bigint }
  /** The nonce is still searched, as about once a second: how many were tried, and how many of them a second lately. */
  | { readonly type: 'searching'; readonly tried: bigint; readonly perSecond: number }
  /** A block is done, and not submitted yet. */
  | { readonly type: 'mined'; readonly block: Block }
  /** The block is submitted. */
  | { readonly type: 'submitting' }
  /** A new round has come before the block was done. */
  | { readonly type: 'overtaken' }
  /** The block was accepted. Where the answer was lost, `verdict` is undefined: the chain shows the block. */
  | { readonly type: 'accepted'; readonly block: Block; readonly verdict: SubmitBlockResponse | undefined }
  /** The block was rejected, and the verdict says why. */
  | { readonly type: 'rejected'; readonly block: Block; readonly verdict: SubmitBlockResponse }
  /** The validator did not judge the block, and nothing was used up; it is asked again after some milliseconds. */
  | { readonly type: 'not-taken'; readonly fault: Fault; readonly retryMs: number }
  /** The answer was lost and the chain has gone on: over JSON/TCP it cannot be told whether the block was accepted. */
  | { readonly type: 'unknown'; readonly block: Block }
  /** A lockout is waited for: seconds of the validator's clock, milliseconds of real time. */
  | { readonly type: 'lockout'; readonly seconds: bigint; readonly waitMs: number }
  /** The attempt is used up: the next round is waited for. */
  | { readonly type: 'next-round' };

/** Hears what happens. Must not throw. */
export type MinerObserver = (event: MinerEvent) => void;
