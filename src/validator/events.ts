/**
 * What happens in a validator, for logs and displays: requests as they come in, all else once it is durable. Nothing depends on who
 * listens.
 */

import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import type { SubmitBlockResponse } from '../../gen/hourcoin/v1/validator_service.js';

/** What has happened in a validator. */
export type ValidatorEvent =
  /** A miner asks. */
  | { readonly type: 'request'; readonly minerId: string; readonly call: 'GetRoundInfo' | 'CheckLockout' }
  /** A miner submits the block of an index. */
  | { readonly type: 'submission'; readonly minerId: string; readonly index: number }
  /** A submission was answered. */
  | {
      readonly type: 'verdict';
      readonly minerId: string;
      readonly index: number;
      readonly verdict: SubmitBlockResponse;
    }
  /** What was judged, and the last stamp, have been made durable, in so many milliseconds of real time. */
  | { readonly type: 'commit'; readonly ms: number }
  /** A block has joined the chain, which now has `height`. */
  | { readonly type: 'block'; readonly accepted: AcceptedBlock; readonly height: number }
  /** A round has begun: after an accepted block, or because an hour was over. */
  | { readonly type: 'round'; readonly number: bigint }
  /** The system's clock stands before times that were already used; time stands still until it catches up. By milliseconds. */
  | { readonly type: 'clock-behind'; readonly by: bigint }
  /** The store has failed: the validator takes nothing any more. */
  | { readonly type: 'failure'; readonly error: unknown };

/** Hears what happens. Must not throw. */
export type Observer = (event: ValidatorEvent) => void;
