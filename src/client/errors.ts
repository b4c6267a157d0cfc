/** What goes wrong between a client and a validator. */

/** The validator cannot be reached, or does not speak the protocol. A request that was sent may have been carried out. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
}

/** How long a call waits for its answer unless it is told otherwise, milliseconds. */
export const DEFAULT_TIMEOUT_MS = 10_000;
