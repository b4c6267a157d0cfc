/** What a fault is on gRPC, and what a gRPC error is to a client: one table for every call. */

import { type ClientError, type ServerError, Status } from 'nice-grpc-common';
import { BadRequest, ErrorInfo, RetryInfo, RichClientError, RichServerError } from 'nice-grpc-error-details';
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
  UNAVAILABLE: { status: Status.UNAVAILABLE, retry: true },
  CANCELLED: { status: Status.CANCELLED, retry: false },
};

/** A fault as a gRPC error: a status, with ErrorInfo and, where they say more, BadRequest or RetryInfo. */
export function faultToGrpc({ reason, message, field }: Fault): ServerError {
  const { status, retry } = GRPC[reason];
  const info = ErrorInfo.fromPartial({ reason, domain: ERROR_DOMAIN });
  if (field !== '') {
    const fieldViolations = [{ field, description: message }];
    return new RichServerError(status, message, [info, BadRequest.fromPartial({ fieldViolations })]);
  }
  if (!retry) return new RichServerError(status, message, [info]);
  const retryDelay = { seconds: Math.floor(RETRY_MS / 1_000), nanos: (RETRY_MS % 1_000) * 1_000_000 };
  return new RichServerError(status, message, [info, RetryInfo.fromPartial({ retryDelay })]);
}

/** A gRPC error as a fault: by its ErrorInfo, or by its status where the validator gives none. Undefined where it is no fault of ours. */
export function faultFromGrpc(error: ClientError): Fault | undefined {
  let reason: string | undefined;
  let field = '';
  for (const detail of error instanceof RichClientError ? error.extra : []) {
    if (detail.$type === ErrorInfo.$type) reason = ownReason(detail as ErrorInfo);
    if (detail.$type === BadRequest.$type) field = (detail as BadRequest).fieldViolations[0]?.field ?? '';
  }
  const known = Object.entries(GRPC).find(([name, { status }]) =>
    reason === undefined ? status === error.code : name === reason,
  );
  return known && new Fault(known[0] as FaultReason, error.details, field);
}

/** A reason of ours; empty where the ErrorInfo is of another domain, which may have the same words for other things. */
function ownReason({ reason, domain }: ErrorInfo): string {
  return domain === ERROR_DOMAIN ? reason : '';
}
