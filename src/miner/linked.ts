/** Abort signals that follow others. */

/**
 * A controller's signal, aborted with another one too. AbortSignal.any would do, but it forgets sources that nobody else holds (Node 20).
 */
export function linked(controller: AbortController, other: AbortSignal | undefined): AbortSignal {
  const abort = (): void => controller.abort(other?.reason);
  if (other?.aborted) abort();
  other?.addEventListener('abort', abort, { once: true, signal: controller.signal });
  return controller.signal;
}
