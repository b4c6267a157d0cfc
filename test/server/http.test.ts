/** The HTTP server of metrics and probes: its pages, and that nobody can keep it busy or full. */

import { expect } from 'chai';
import { HttpServer, type Pages } from '../../src/server/http.js';
import type { Address } from '../../src/wire/address.js';
import { cleanup } from '../support/cleanup.js';
import { RawClient } from '../support/sockets.js';
import { until } from '../support/wait.js';

const BOUNDS = { connections: 64, patience: 60_000, idle: 60_000, life: 60_000, headers: 8_192 };

let made = 0;

const PAGES: Pages = {
  '/counted': () => {
    made++;
    return { status: 200, type: 'text/plain', body: 'made\n' };
  },
  '/page': () => ({ status: 200, type: 'text/plain', body: 'päge\n' }),
  '/busy': async () => ({ status: 503, type: 'text/plain', body: 'busy\n' }),
  '/broken': () => {
    throw new Error('a defect');
  },
};

describe('HTTP', () => {
  const later = cleanup();
  const defects: unknown[] = [];

  async function serving(bounds: Partial<typeof BOUNDS> = {}): Promise<Address> {
    const server = new HttpServer(PAGES, (error) => defects.push(error), { ...BOUNDS, ...bounds });
    later(() => server.close());
    return server.listen({ host: '127.0.0.1', port: 0 });
  }

  async function connected(address: Address): Promise<RawClient> {
    const client = await RawClient.connect(address);
    later(() => client.destroy());
    return client;
  }

  /** What is answered to bytes, until the server closes the connection. */
  async function answerTo(address: Address, bytes: string): Promise<string> {
    const client = await connected(address);
    await client.send(Buffer.from(bytes));
    client.shutDown();
    await client.closed;
    return String(Buffer.concat(client.pieces));
  }

  it('GET tells a page, whatever is asked for behind its path', async () => {
    const { port } = await serving();
    for (const path of ['/page', '/page?name=value']) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      expect([answer.status, answer.headers.get('content-type'), await answer.text()]).to.deep.equal([
        200,
        'text/plain',
        'päge\n',
      ]);
      expect(answer.headers.get('cache-control')).to.equal('no-store');
    }
    expect((await fetch(`http://127.0.0.1:${port}/busy`)).status).to.equal(503);
  });

  it('HEAD tells how long it is, and nothing of it', async () => {
    const address = await serving();
    const answer = await answerTo(address, 'HEAD /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(answer).to.match(/^HTTP\/1\.1 200 OK\r\n.*\r\nContent-Length: 6\r\n.*\r\n\r\n$/s);
  });

  for (const path of ['/', '/nothing', '/page/', '/../page', '/constructor', '/__proto__', '*', 'http://x/page']) {
    it(`There is no ${path}: 404`, async () => {
      const address = await serving();
      const answer = await answerTo(address, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(answer).to.match(/^HTTP\/1\.1 404 Not Found\r\n/);
    });
  }

  it('Another method is 405, and what was sent with it is not read', async () => {
    const address = await serving();
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await answerTo(
        address,
        `${method} /page HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc`,
      );
      expect(answer).to.match(/^HTTP\/1\.1 405 Method Not Allowed\r\n.*\r\nAllow: GET, HEAD\r\n/s);
      expect(answer).to.include('\r\nConnection: close\r\n');
    }
  });

  it('A page that fails is 500 without a word of why, and the next is served', async () => {
    const { port } = await serving();
    const answer = await fetch(`http://127.0.0.1:${port}/broken`);
    expect([answer.status, await answer.text()]).to.deep.equal([500, 'internal error\n']);
    expect(defects.splice(0).map(String)).to.deep.equal(['Error: a defect']);
    expect((await fetch(`http://127.0.0.1:${port}/page`)).status).to.equal(200);
  });

  for (const [what, bytes, status] of [
    ['What is no HTTP', '\u0016\u0003\u0001\u0002\u0000', '400 Bad Request'],
    ['A frame of JSON/TCP', '\u0000\u0000\u0000\u0002{}', '400 Bad Request'],
    [
      'A header of 9 KiB',
      `GET /page HTTP/1.1\r\nx: ${'x'.repeat(9_216)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
    ],
    [
      'Lengths that differ',
      'GET /page HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      '400 Bad Request',
    ],
  ] as const) {
    it(`${what}: ${status}, and the connection is closed`, async () => {
      expect(await answerTo(await serving(), bytes)).to.match(new RegExp(`^HTTP/1\\.1 ${status}\r\n`));
    });
  }

  it('Who takes too long to ask is closed, and so is who is silent', async () => {
    const address = await serving({ patience: 100 });
    const drip = await connected(address);
    const timer = setInterval(() => drip.socket.write('x'), 20);
    later(() => clearInterval(timer));
    await drip.send(Buffer.from('GET /page HTTP/1.1\r\nx: '));
    const silent = await connected(address);
    await until(() => isGone(drip) && isGone(silent), 'both are closed');
  });

  it('Who keeps a connection is closed once it has had it long enough, however much it asks', async () => {
    const address = await serving({ life: 200 });
    const client = await connected(address);
    const timer = setInterval(() => client.socket.write('GET /page HTTP/1.1\r\nHost: x\r\n\r\n'), 20);
    later(() => clearInterval(timer));
    await client.closed;
    expect(client.pieces.length).to.be.greaterThan(0);
  });

  it('Beyond so many connections further ones are closed at once, and those that there are go on', async () => {
    const address = await serving({ connections: 2 });
    const first = await connected(address);
    await connected(address);
    const third = await connected(address);
    await until(() => isGone(third), 'it is closed');
    await first.send(Buffer.from('GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    first.shutDown();
    await first.closed;
    expect(String(Buffer.concat(first.pieces))).to.match(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('Who asks on without waiting for the answer is closed: no more than one page is made for it at a time', async () => {
    const address = await serving();
    const client = await connected(address);
    await client.send(Buffer.from('GET /counted HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(1_000)));
    await until(() => client.ended || client.error !== undefined, 'it is closed');
    expect(made).to.equal(1);
    const patient = await connected(address);
    for (let asked = 1; asked <= 3; asked++) {
      await patient.send(Buffer.from('GET /counted HTTP/1.1\r\nHost: h\r\n\r\n'));
      await until(() => String(Buffer.concat(patient.pieces)).split('made\n').length === asked + 1, 'it is answered');
    }
  });

  it('Closed, it lets go of everybody', async () => {
    const server = new HttpServer(PAGES, () => {}, BOUNDS);
    const client = await connected(await server.listen({ host: '127.0.0.1', port: 0 }));
    server.close();
    await until(() => isGone(client), 'it is closed');
  });
});

/** The server has closed the connection. */
function isGone(client: RawClient): boolean {
  return client.ended || client.socket.destroyed;
}
