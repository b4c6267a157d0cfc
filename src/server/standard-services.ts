/** The services that tools expect of every gRPC server: health and reflection. */

import { readFileSync } from 'node:fs';
import { type CallContext, Metadata } from 'nice-grpc';
import { HealthDefinition, HealthServiceImpl, type HealthState } from 'nice-grpc-server-health';
import { ServerReflection, ServerReflectionService } from 'nice-grpc-server-reflection';
import type { Call, Method } from './calls.js';

/** The schemas as reflection serves them: this file runs as dist/src/server/standard-services.js. */
const DESCRIPTOR = new URL('../../../gen/descriptor.binpb', import.meta.url);

/** Health checks. Streams of them end with OK when `closing` aborts. */
export function healthService(health: HealthState, closing: AbortSignal): Method[] {
  const { check, watch } = HealthServiceImpl(health);
  const { methods, fullName } = HealthDefinition;
  type Request = ReturnType<typeof methods.check.requestType.decode>;
  type Answer = ReturnType<typeof methods.check.responseType.decode>;
  const method = (
    { name, requestType, requestStream, responseType, responseStream }: (typeof methods)['check' | 'watch'],
    answer: (request: Request, call: Call) => Promise<Answer> | AsyncIterable<Answer>,
  ): Method<Request, Answer> => ({
    path: `/${fullName}/${name}`,
    requestStream,
    responseStream,
    read: (bytes) => requestType.decode(bytes),
    answer,
    write: (answer) => Buffer.from(responseType.encode(answer).finish()),
  });
  return [
    method(methods.check, async (request, { signal }) => check(request, contextOf(signal))),
    method(methods.watch, async function* (request, { signal }) {
      const end = new AbortController();
      const abort = (): void => end.abort();
      for (const source of [closing, signal]) source.addEventListener('abort', abort);
      try {
        yield* watch(request, contextOf(end.signal));
      } catch (error) {
        if (!end.signal.aborted) throw error;
      } finally {
        for (const source of [closing, signal]) source.removeEventListener('abort', abort);
      }
    }),
  ];
}

/** Reflection on some services, and on health: as v1, and for tools that ask for it by the name that it had before. */
export function reflectionService(services: readonly string[]): Method[] {
  const { serverReflectionInfo: answer } = ServerReflection(readFileSync(DESCRIPTOR), [
    ...services,
    HealthDefinition.fullName,
  ]);
  const { path, requestDeserialize, responseSerialize } = ServerReflectionService.serverReflectionInfo;
  const method = (path: string): Method => ({
    path,
    requestStream: true,
    responseStream: true,
    read: requestDeserialize,
    answer: (requests: Parameters<typeof answer>[0], { signal }) => answer(requests, contextOf(signal)),
    write: responseSerialize,
  });
  return [method(path), method(path.replace('.v1.', '.v1alpha.'))];
}

/** A call as those services know it: they ask for nothing but its signal. */
function contextOf(signal: AbortSignal): CallContext {
  return { metadata: Metadata(), peer: '', header: Metadata(), sendHeader() {}, trailer: Metadata(), signal };
}
