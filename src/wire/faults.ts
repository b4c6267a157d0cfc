/** What a fault is on gRPC, and what a gRPC error is to a client: one table for every call. */

import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Metadata, status as Status } from '@grpc/grpc-js';
import type { ClientError } from 'nice-grpc-common';
import { Any, BadRequest, ErrorInfo, RetryInfo, RichClientError } from 'nice-grpc-error-details';
import { Fault, type FaultReason } from '../engine/fault.js';

/** The domain of every ErrorInfo. */
export const ERROR_DOMAIN = 'hourcoin';

/** How long a client does well to wait before it asks again, milliseconds. */
const RETRY_MS = 1_000;

const GRPC: Readonly<Record<FaultReason, { status: Status; retry: boolean }>> = {
  MALFORMED: { status: Status.INVALID_ARGUMENT, retry: false },
  LIMIT_EXCEEDED: { status: Status.INVALID_ARGUMENT, retry: false },
  NOT_FOUND: { status: Status.NOT_FOUND, retry: false },
  OVERLOADED: { status: Status.RESOURCE_EXHAUSTED, retry: true },
  UNAUTHENTICATED: { status: Status.UNAUTHENTICATED, retry: false },
  UNAVAILABLE: { status: Status.UNAVAILABLE, retry: true },
  CANCELLED: { status: Status.CANCELLED, retry: false },
};

/** How a call has ended. */
export interface GrpcStatus {
  readonly code: Status;
  readonly details: string;
  /** Trailers. */
  readonly metadata?: Metadata;
}

/** The trailer that holds a google.rpc.Status. */
const RICH_STATUS = 'grpc-status-details-bin';

/** A fault as a gRPC status, with ErrorInfo and, where they say more, BadRequest or RetryInfo. */
export function faultToGrpc({ reason, message, field, retryMs = RETRY_MS }: Fault): GrpcStatus {
  const { status: code, retry } = GRPC[reason];
  const rich = new BinaryWriter().uint32(8).int32(code).uint32(18).string(message);
  const add = (type: string, value: Uint8Array): void => {
    const detail = Any.fromPartial({ typeUrl: `type.googleapis.com/${type}`, value });
    rich.uint32(26).bytes(Any.encode(detail).finish());
  };
  add(ErrorInfo.$type, ErrorInfo.encode(ErrorInfo.fromPartial({ reason, domain: ERROR_DOMAIN })).finish());
  if (field !== '') {
    const fieldViolations = [{ field, description: message }];
    add(BadRequest.$type, BadRequest.encode(BadRequest.fromPartial({ fieldViolations })).finish());
  } else if (retry) {
    const retryDelay = { seconds: Math.floor(retryMs / 1_000), nanos: (retryMs % 1_000) * 1_000_000 };
    add(RetryInfo.$type, RetryInfo.encode(RetryInfo.fromPartial({ retryDelay })).finish());
  }
  const metadata = new Metadata();
  metadata.set(RICH_STATUS, Buffer.from(rich.finish()));
  return { code, details: message, metadata };
}

/** A gRPC error as a fault: by its ErrorInfo, or by its status where the validator gives none. Undefined where it is no fault of ours. */
export function faultFromGrpc(error: ClientError): Fault | undefined {
  let reason: string | undefined;
  let field = '';
  let retryMs: number | undefined;
  for (const detail of error instanceof RichClientError ? error.extra : []) {
    if (detail.$type === ErrorInfo.$type) reason = ownReason(detail as ErrorInfo);
    if (detail.$type === RetryInfo.$type) retryMs = millisecondsOf(detail as RetryInfo);
    if (detail.$type === BadRequest.$type) field = (detail as BadRequest).fieldViolations[0]?.field ?? '';
  }
  const known = Object.entries(GRPC).find(([name, { status }]) =>
    reason === undefined ? status === error.code : name === reason,
  );
  return known && new Fault(known[0] as FaultReason, error.details, field, retryMs);
}

function millisecondsOf({ retryDelay }: RetryInfo): number | undefined {
  return retryDelay && Number(retryDelay.seconds) * 1_000 + retryDelay.nanos / 1_000_000;
}

/** A reason of ours; empty where the ErrorInfo is of another domain, which may have the same words for other things. */
function ownReason({ reason, domain }: ErrorInfo): string {
  return domain === ERROR_DOMAIN ? reason : '';
}
