/**
 * OpenTelemetry traces of a validator's requests: a span each, with the commit that it waited for beneath it. Loaded only where the standard OTEL_…
 * variables ask for it; they say where spans go, which are kept, and what the service is called.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ContextManager,
  type DiagLogger,
  DiagLogLevel,
  diag,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import type { Log } from './server/log.js';
import type { RequestObserver } from './server/meter.js';
import type { Observer } from './validator/events.js';
import { VERSION } from './version.js';

/** Spans are made. */
export interface Traces {
  readonly onRequest: RequestObserver;
  readonly onEvent: Observer;
  /** Sends what has not been sent, for some milliseconds at most. */
  stop(ms: number): Promise<void>;
}

/** Results that are nobody's fault but the validator's. */
const FAILURES = ['UNAVAILABLE', 'OVERLOADED', 'INTERNAL'];

/** Begins. Where spans cannot be sent, the log says so once, and the validator goes on. */
export function startTraces(log: Log): Traces {
  const { env } = process;
  // What the host, the process and its command line are is nobody's business who only looks at requests.
  env.OTEL_NODE_RESOURCE_DETECTORS ??= 'env';
  if (!env.OTEL_RESOURCE_ATTRIBUTES?.includes('service.name=')) env.OTEL_SERVICE_NAME ??= 'hourcoin-validator';
  // Spans are made when all is known of them: nothing has to follow what is called by whom, which would cost every promise.
  const nobody = null as unknown as ContextManager;
  const sdk = new NodeSDK({ metricReaders: [], logRecordProcessors: [], contextManager: nobody });
  diag.setLogger(toldOnce(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  sdk.start();
  const tracer = trace.getTracer('hourcoin', VERSION);
  let commit = { began: 0, ended: 0 };
  return {
    onEvent(event) {
      if (event.type !== 'commit') return;
      const ended = performance.timeOrigin + performance.now();
      commit = { began: ended - event.ms, ended };
    },
    onRequest({ protocol, call, result, began, ended, traceparent }) {
      const parent = traceparent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent });
      const attributes = { 'rpc.system': protocol, 'rpc.method': call, 'hourcoin.result': result };
      const span = tracer.startSpan(call, { kind: SpanKind.SERVER, startTime: began, attributes }, parent);
      if (commit.ended >= began && commit.ended <= ended) {
        tracer.startSpan('commit', { startTime: commit.began }, trace.setSpan(parent, span)).end(commit.ended);
      }
      if (FAILURES.includes(result)) span.setStatus({ code: SpanStatusCode.ERROR, message: result });
      span.end(ended);
    },
    async stop(ms) {
      const flushed = sdk.shutdown().catch((error: Error) => log.warn(`Traces could not be sent: ${error.message}`));
      await Promise.race([flushed, sleep(ms, undefined, { ref: false })]);
    },
  };
}

/** The log for OpenTelemetry itself: of a collector that is away one would be told every few seconds. */
function toldOnce(log: Log): DiagLogger {
  let told = false;
  const tell = (text: string): void => {
    if (told) log.debug(`Traces: ${text}`);
    else log.warn(`Traces: ${text} (from now on at debug)`);
    told = true;
  };
  const nothing = (): void => {};
  return { error: tell, warn: tell, info: nothing, debug: nothing, verbose: nothing };
}
