/**
 * The PROXY protocol, version 2: what a load balancer says of a client before the client's own bytes
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2).
 */

import type { Socket } from 'node:net';
import type { Address } from '../wire/address.js';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** The signature, version and command, family and transport, length of what follows. */
const HEAD_BYTES = 16;
/** Addresses and whatever else a balancer tells: more than any tells. */
const MOST_BYTES = 2_048;
const COMMAND = { local: 0x20, proxy: 0x21 };
const FAMILY = { tcp4: 0x11, tcp6: 0x21 };

/**
 * Reads the header off a socket and leaves what follows it. Resolves to where the client is; undefined where the balancer speaks for itself. Rejects
 * where there is no header, or the socket closes; the caller bounds how long that may take by closing it.
 */
export async function readProxyHeader(socket: Socket): Promise<Address | undefined> {
  const head = await read(socket, HEAD_BYTES);
  if (!head.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new Error('no PROXY protocol header of version 2');
  const command = head[12];
  const length = head.readUInt16BE(14);
  if (length > MOST_BYTES) throw new Error(`a PROXY protocol header of ${length} bytes`);
  const rest = length === 0 ? Buffer.of() : await read(socket, length);
  if (command === COMMAND.local) return undefined;
  if (command !== COMMAND.proxy) throw new Error('an unknown PROXY protocol command');
  // Where the client is, where it has come to, and the ports of both.
  if (head[13] === FAMILY.tcp4 && length >= 12) {
    return { host: rest.subarray(0, 4).join('.'), port: rest.readUInt16BE(8) };
  }
  if (head[13] === FAMILY.tcp6 && length >= 36) {
    return { host: hexGroups(rest.subarray(0, 16)), port: rest.readUInt16BE(32) };
  }
  throw new Error('a PROXY protocol header of neither TCP over IPv4 nor over IPv6');
}

/** Exactly so many bytes; what follows them stays in the socket. */
function read(socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      socket.off('readable', look).off('close', gone).off('end', gone);
    };
    const look = (): void => {
      const bytes: Buffer | null = socket.read(length);
      if (bytes === null) return;
      end();
      // At its end a socket gives what is left, however short.
      if (bytes.length === length) resolve(bytes);
      else reject(cutShort());
    };
    const gone = (): void => {
      end();
      reject(cutShort());
    };
    socket.on('readable', look).on('close', gone).on('end', gone);
    look();
  });
}

function cutShort(): Error {
  return new Error('a PROXY protocol header that is cut short');
}

function hexGroups(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(2 * group).toString(16)).join(':');
}
