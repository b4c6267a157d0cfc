/**
 * Bounds gRPC requests that have not arrived whole: grpc-js keeps what has arrived of each for as long as its client likes. A request that takes
 * too long is ended; where there are too many, so is the oldest that has had a fair chance.
 */

import { ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import { LIMITS } from '../engine/limits.js';

/** How old a request must be to be ended because there are too many, milliseconds: an honest one is whole at once. */
const FAIR_MS = 250;

/** A request that has begun to arrive. */
interface Unfinished {
  since: number;
  end(): void;
}

/** Intercepts every call of a server. `close` ends the watch over them. */
export function boundUnfinished(): { readonly interceptor: ServerInterceptor; close(): void } {
  // In the order in which they began.
  const unfinished = new Set<Unfinished>();
  const endOlderThan = (age: number, spared: number): void => {
    const latest = performance.now() - age;
    for (const request of unfinished) {
      if (unfinished.size <= spared || request.since > latest) break;
      unfinished.delete(request);
      request.end();
    }
  };
  const timer = setInterval(() => {
    endOlderThan(LIMITS.frameMs, 0);
    endOlderThan(FAIR_MS, LIMITS.unfinishedRequests);
  }, FAIR_MS).unref();

  const interceptor: ServerInterceptor = (method, call) => {
    const details = 'the request did not arrive in time';
    const request: Unfinished = {
      since: performance.now(),
      end: () => call.sendStatus({ code: status.DEADLINE_EXCEEDED, details }),
    };
    const begin = (): void => {
      request.since = performance.now();
      unfinished.add(request);
      endOlderThan(FAIR_MS, LIMITS.unfinishedRequests);
    };
    const finish = (): void => void unfinished.delete(request);
    return new ServerInterceptingCall(call, {
      start: (next) => {
        begin();
        next({
          onReceiveMessage(message, next) {
            // A request of one message is kept until its client says that there is no more.
            if (method.requestStream) {
              finish();
              begin();
            }
            next(message);
          },
          onReceiveHalfClose(next) {
            finish();
            next();
          },
          onCancel: finish,
        });
      },
      sendStatus(status, next) {
        finish();
        next(status);
      },
    });
  };
  return { interceptor, close: () => clearInterval(timer) };
}
