/** Runs sessions against a validator. */

import type { Credentials } from '../client/credentials.js';
import { tlsAt } from '../client/tls.js';
import { type Address, type Endpoint, formatAddress } from '../wire/address.js';
import { Difference } from './compare.js';
import { GrpcPeer } from './grpc.js';
import { JsonTcpPeer } from './json-tcp.js';
import type { Session, Tester } from './session.js';

/** How long a step may take, milliseconds. */
const PATIENCE_MS = 10_000;

/**
 * Holds a validator against a session. Undefined where it conforms, else what differs. Without a tester only sessions without needs can
 * be run. Throws where the validator cannot be reached.
 */
export async function runSession(
  session: Session,
  address: Address | Endpoint,
  tester?: Tester,
  credentials: Credentials = {},
): Promise<string | undefined> {
  const { wire } = session;
  const tls = tlsAt({ isSecure: false, ...address, wire }, credentials);
  const peer = wire === 'grpc' ? new GrpcPeer(address, tls) : new JsonTcpPeer(address, tls);
  try {
    for (const [position, step] of session.steps.entries()) {
      try {
        if (step.clock !== undefined) tester?.setClock(BigInt(step.clock));
        if (step.condition !== undefined) await tester?.bringAbout(step.condition);
        await patiently(peer.step(step));
      } catch (error) {
        if (error instanceof Difference) return `step ${position + 1}: ${error.message}`;
        if (!isRefusal(error)) throw error;
        return `step ${position + 1}: ${formatAddress(address)} takes no connection: ${error.message}`;
      }
    }
    return undefined;
  } finally {
    peer.close();
  }
}

async function patiently(step: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Difference(`it was waited for in vain for ${PATIENCE_MS / 1_000} s`)),
      PATIENCE_MS,
    );
  });
  // Both may fail, and one of them is looked at.
  step.catch(() => {});
  await Promise.race([step, late]).finally(() => clearTimeout(timer));
}

/** What the system says of a connection. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}
