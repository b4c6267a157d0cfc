/** What a gRPC error is to a client's caller. */

import { type ClientError as GrpcError, Status } from 'nice-grpc';
import { Fault } from '../engine/fault.js';
import { faultFromGrpc } from '../wire/faults.js';
import { type ClientError, ConnectionError } from './errors.js';
import type { GrpcTls } from './grpc-tls.js';

/** grpc-js says INTERNAL where a connection breaks within a message, or the system reports it in another way than it expects. */
const BROKEN = 'Received RST_STREAM with code';
const TOO_LARGE = 'Received message larger than max';
const CANNOT_BE_SENT = 'Request message serialization failure: ';

/**
 * A validator's fault, where it gives one; else why there is none. The library itself says UNAVAILABLE where nobody answers, and CANCELLED
 * where the peer drops a call, without details: a validator's own UNAVAILABLE comes with a reason.
 */
export function errorFromGrpc(error: GrpcError, address: string, tls: GrpcTls | undefined): ClientError {
  const { code, details } = error;
  if (code === Status.INTERNAL && details.startsWith(CANNOT_BE_SENT)) {
    return new Fault('MALFORMED', `this cannot be sent: ${details.slice(CANNOT_BE_SENT.length)}`);
  }
  const lost =
    code === Status.CANCELLED ||
    (code === Status.UNAVAILABLE && !('extra' in error)) ||
    (code === Status.INTERNAL && details.startsWith(BROKEN));
  if (lost) {
    return tls?.problem(details) ?? new ConnectionError('UNREACHABLE', `cannot reach ${address}: ${plain(details)}`);
  }
  const fault = details.startsWith(TOO_LARGE) ? undefined : faultFromGrpc(error);
  if (fault !== undefined) return fault;
  if (code === Status.DEADLINE_EXCEEDED) {
    return new ConnectionError('TIMED_OUT', `${address} gave the call up: ${details}`);
  }
  return new ConnectionError('BAD_ANSWER', `${address} sent what is no answer: ${Status[code]}, ${details}`);
}

function plain(details: string): string {
  if (details.includes('ECONNREFUSED')) return 'nobody listens there';
  return details.replace(/\.? Resolution note: ?\.?$/, '');
}
