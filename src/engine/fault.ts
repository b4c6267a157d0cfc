/**
 * What keeps an input from being judged. A rejected block is an answer, never a fault; a broken invariant is a plain Error, and ends
 * the process. `reason` is stable: clients match on it.
 */

/** The reasons, for every wire. wire/faults.ts maps them to what each protocol says. */
export type FaultReason =
  /** The message is not one of the protocol's. */
  | 'MALFORMED'
  /** Something in it is larger than the limits allow. */
  | 'LIMIT_EXCEEDED'
  /** What was asked for does not exist. */
  | 'NOT_FOUND'
  /** Too much is waiting to be judged, or watched, or comes from there; later it may be taken. */
  | 'OVERLOADED'
  /** The caller has not shown that it may ask this: its API key or certificate is missing, or another's. */
  | 'UNAUTHENTICATED'
  /** The validator is stopping, or its store has failed; another one, or this one later, may take it. */
  | 'UNAVAILABLE'
  /** The caller gave up before it was judged. */
  | 'CANCELLED';

/** Thrown where an input is not judged; nothing is used up. The message says what to do where that is not plain. */
export class Fault extends Error {
  /** Always this. */
  override readonly name = 'Fault';

  /** @internal */
  constructor(
    /** Stable: match on it, not on the message. */
    readonly reason: FaultReason,
    message: string,
    /** The field that is wrong, as protobuf names it: `block.transactions`. */
    readonly field = '',
    /** How long a caller does well to wait before it asks again, milliseconds; undefined where nothing better is known than a second. */
    readonly retryMs?: number,
  ) {
    super(message);
  }
}

/** What was caught, in a few words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What was caught, with where it comes from: for the log. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The fault of a caller that gave up. */
export function cancelled(): Fault {
  return new Fault('CANCELLED', 'the call was cancelled before it was answered');
}
