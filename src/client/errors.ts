/** What goes wrong between a client and a validator. */

import type { Fault } from '../engine/fault.js';

/** Why a call has no answer that can be relied on. No reason of a Fault has the same name. */
export type ConnectionReason =
  /** Nobody answers there, or the connection was lost or closed by the other end. */
  | 'UNREACHABLE'
  /** No answer came within the client's timeout. */
  | 'TIMED_OUT'
  /** Something came that is no answer of a validator: another program listens there, or it has failed. */
  | 'BAD_ANSWER'
  /**
   * Over TLS, the one end does not trust the other: the validator's certificate is of an unknown authority, for another name or out of date; or the
   * validator wants a certificate of this client, or another one. Asking again helps only once certificates have been changed.
   */
  | 'UNTRUSTED'
  /** The validator does not have the block that was watched last: it has another chain, or has lost a part of its own. */
  | 'OTHER_CHAIN'
  /** This client was closed. */
  | 'CLOSED';

/**
 * The validator cannot be reached, or does not speak the protocol. A request that was sent may have been carried out: a block may have been
 * accepted all the same. The message names the address, and says what happened.
 *
 * @example
 * ```ts
 * import { connectTo, ConnectionError, Fault } from 'hourcoin';
 *
 * const validator = connectTo('127.0.0.1:1');
 * try {
 *   await validator.getBlockchainInfo();
 * } catch (error) {
 *   if (!(error instanceof ConnectionError || error instanceof Fault)) throw error;
 *   switch (error.reason) {
 *     case 'UNREACHABLE':
 *     case 'TIMED_OUT':
 *     case 'UNAVAILABLE':
 *     case 'OVERLOADED':
 *       console.log(`later, perhaps: ${error.message}`);
 *       break;
 *     default:
 *       throw error;
 *   }
 * }
 * validator.close();
 * ```
 */
export class ConnectionError extends Error {
  /** Always this. */
  override readonly name = 'ConnectionError';

  /** @internal */
  constructor(
    /** Stable: match on it, not on the message. */
    readonly reason: ConnectionReason,
    message: string,
  ) {
    super(message);
  }
}

/** What a client's call throws where it is not answered: no two of their reasons have the same name, so that `switch (error.reason)` tells them apart. */
export type ClientError = Fault | ConnectionError;

/** The error of a client that was closed. */
export function closed(): ConnectionError {
  return new ConnectionError('CLOSED', 'the client was closed');
}

/** How long a call waits for its answer unless it is told otherwise, milliseconds. */
export const DEFAULT_TIMEOUT_MS = 10_000;
