/** Listening, the same for every protocol. */

import type { AddressInfo, Server } from 'node:net';
import { LIMITS } from '../engine/limits.js';
import type { Address } from '../wire/address.js';
import type { Log } from './log.js';

/** Listens for at most so many connections as a validator serves, and says where. Rejects where it cannot. */
export async function listen(server: Server, { host, port }: Address, log: Log): Promise<Address> {
  server.maxConnections = LIMITS.connections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('drop', () => log.debug('A connection was refused: too many are open'));
  // Out of file descriptors, say: those who are connected are served on.
  server.on('error', (error) => log.warn(`A connection was refused: ${error.message}`));
  return { host, port: (server.address() as AddressInfo).port };
}
