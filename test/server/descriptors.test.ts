/** Out of file descriptors (spec, section 8, "Connections"): the real program, with few of them. */

import { copyFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseAddress } from '../../src/wire/address.js';
import { cleanup } from '../support/cleanup.js';
import { run } from '../support/ended.js';
import { RawGrpc } from '../support/grpc.js';
import { end, MAIN, start, temporaryFolder } from '../support/programs.js';
import { RawClient } from '../support/sockets.js';
import { makeCertificates } from '../support/tls.js';
import { until } from '../support/wait.js';

const LOCKOUT = '{"CheckLockout":{"miner_id":"alice"}}';
const NOT_LOCKED = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}';

describe('A validator that is out of file descriptors', function () {
  this.slow(2_000);
  const atEnd = cleanup();

  /** Starts one, and waits until it says where. */
  async function listening(grpc: string, where: RegExp, further: readonly string[] = []) {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const few = 'ulimit -n 60; exec "$@"';
    const data = `${folder.path}/data`;
    const args = ['validator', '127.0.0.1:0', '--grpc', grpc, '--data', data, ...further];
    const validator = start('sh', ['-c', few, 'sh', process.execPath, MAIN, ...args]);
    atEnd(() => end(validator, 'SIGKILL'));
    const [, text = ''] = await validator.printed(where);
    const address = parseAddress(text);
    if (address === undefined) throw new Error(`no address in ${text}`);
    return { validator, address, data };
  }

  it('goes on serving, refuses new connections, and takes them again once there is room', async () => {
    const { validator, address } = await listening('off', /^JSON\/TCP listening on (\S+)$/m);
    const served: RawClient[] = [];
    const refused: RawClient[] = [];
    atEnd(() => [...served, ...refused].map((client) => client.destroy()));
    while (refused.length < 3) {
      const client = await RawClient.connect(address);
      const answered = await client.ask(LOCKOUT).then(
        (answer) => answer === NOT_LOCKED,
        () => false,
      );
      (answered ? served : refused).push(client);
    }
    expect(served.length).to.be.above(5);
    for (const client of served) expect(await client.ask(LOCKOUT)).to.equal(NOT_LOCKED);

    for (const client of served.splice(0, 5)) client.destroy();
    let again: RawClient;
    let answer: string | undefined;
    do {
      again = await RawClient.connect(address);
      atEnd(again.destroy.bind(again));
      answer = await again.ask(LOCKOUT).catch(() => undefined);
    } while (answer === undefined);
    expect(answer).to.equal(NOT_LOCKED);
    for (const client of served) expect(await client.ask(LOCKOUT)).to.equal(NOT_LOCKED);
    expect(validator.process.exitCode).to.equal(null);
  });

  it('says so at the start, and keeps room for what its operator does: keys, and new certificates', async () => {
    const [ours, others] = await Promise.all([makeCertificates(), makeCertificates()]);
    atEnd(ours.remove);
    atEnd(others.remove);
    const { validator, address, data } = await listening('off', /^JSON\/TCP listening on (\S+)$/m, [
      '--listen',
      'tls://127.0.0.1:0',
      ...['--tls-cert', ours.path('server.pem'), '--tls-key', ours.path('server-key.pem')],
    ]);
    expect(validator.stderr()).to.match(
      /The system has room for \d+ connections, not 10000: raise its limit of open files/,
    );
    const clients = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(address)));
    atEnd(() => clients.map((client) => client.destroy()));
    await until(() => clients.some(({ ended }) => ended), 'some are refused');
    const added = await run(['key', 'add', 'alice', '--data', data]);
    expect(added.code).to.equal(0);
    const id = /^Key (\w+)/.exec(added.stderr)?.[1] ?? '';
    expect((await run(['key', 'revoke', id, '--data', data])).code).to.equal(0);
    copyFileSync(others.path('server-key.pem'), ours.path('server-key.pem'));
    copyFileSync(others.path('server.pem'), ours.path('server.pem'));
    await until(() => validator.stderr().includes('The TLS files have changed'), 'they are used');
  });

  it('does so on gRPC too', async () => {
    const { validator, address } = await listening('127.0.0.1:0', /^gRPC listening on (\S+)$/m);
    const ask = (grpc: RawGrpc) => grpc.unary('ValidatorService/GetRoundInfo', Buffer.of());
    const served = new RawGrpc(address);
    atEnd(() => served.close());
    await ask(served);
    const others = await Promise.all(Array.from({ length: 60 }, () => RawClient.connect(address)));
    atEnd(() => others.map((client) => client.destroy()));
    await until(() => others.some(({ ended }) => ended), 'some are refused');
    await ask(served);
    for (const client of others) client.destroy();
    let answer: Buffer | undefined;
    do {
      const again = new RawGrpc(address);
      answer = await ask(again).catch(() => undefined);
      again.close();
    } while (answer === undefined);
    expect(validator.process.exitCode).to.equal(null);
  });
});
