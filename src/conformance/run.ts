/** Runs sessions against a validator. */

import { type Address, formatAddress } from '../wire/address.js';
import { Difference } from './compare.js';
import { GrpcPeer } from './grpc.js';
import { JsonTcpPeer } from './json-tcp.js';
import type { Session, Tester } from './session.js';

/**
 * Holds a validator against a session. Undefined where it conforms, else what differs. Without a tester only sessions without needs can
 * be run. Throws where the validator cannot be reached.
 */
export async function runSession(session: Session, address: Address, tester?: Tester): Promise<string | undefined> {
  const peer = session.wire === 'grpc' ? new GrpcPeer(address) : new JsonTcpPeer(address);
  try {
    for (const [position, step] of session.steps.entries()) {
      try {
        if (step.clock !== undefined) tester?.setClock(BigInt(step.clock));
        if (step.condition !== undefined) await tester?.bringAbout(step.condition);
        await peer.step(step);
      } catch (error) {
        if (error instanceof Difference) return `step ${position + 1}: ${error.message}`;
        throw new Error(`${formatAddress(address)} could not be asked: ${(error as Error).message}`);
      }
    }
    return undefined;
  } finally {
    peer.close();
  }
}
