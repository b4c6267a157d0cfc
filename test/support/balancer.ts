/** A load balancer that says by the PROXY protocol, version 2, whom it speaks for. */

import { connect } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type Address, formatAddress } from '../../src/wire/address.js';
import { listenRaw, type ScriptedServer } from './sockets.js';

/** The first twelve bytes of every header of version 2. */
export const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

export const PROXY = 0x21;
export const LOCAL = 0x20;
export const TCP4 = 0x11;
export const TCP6 = 0x21;

/** A header of some command and family, with what follows its length. */
export function headerOf(command: number, family: number, rest: Buffer, length = rest.length): Buffer {
  return Buffer.concat([SIGNATURE, Buffer.of(command, family, length >> 8, length & 0xff), rest]);
}

/** The header of a client, with whatever else the balancer tells of it. */
export function headerFor({ host, port }: Address, more = Buffer.of()): Buffer {
  const from = Buffer.from(ipaddr.parse(host).toByteArray());
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(port, 0);
  const to = Buffer.alloc(from.length);
  return headerOf(PROXY, from.length === 4 ? TCP4 : TCP6, Buffer.concat([from, to, ports, more]));
}

/** A client of which balancers tell: its address is for documentation alone. */
export const FAR: Address = { host: '203.0.113.7', port: 4_711 };

/** How a header may arrive. */
export type Pieces = 'in one piece with what follows' | 'byte by byte';

/** Passes bytes on to a server, behind a header. */
export function balancerTo(target: Address, header: Buffer, pieces: Pieces): Promise<ScriptedServer> {
  return listenRaw((client) => {
    const server = connect({ ...target, noDelay: true });
    const first = new Promise<Buffer>((resolve) => client.once('data', resolve));
    server.on('error', () => client.destroy());
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
    server.pipe(client);
    void first.then(async (bytes) => {
      client.pause();
      const all = Buffer.concat([header, bytes]);
      if (pieces === 'byte by byte') {
        for (const byte of header) await new Promise((resolve) => server.write(Buffer.of(byte), resolve));
        server.write(bytes);
      } else server.write(all);
      client.pipe(server);
    });
  });
}

/** An endpoint behind a balancer, as its clients write it. */
export function throughBalancer(url: string, { address }: ScriptedServer): string {
  return url.replace(/[^/]*$/, formatAddress(address));
}
