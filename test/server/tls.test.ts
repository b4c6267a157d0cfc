/** TLS at the validator: beside its plain addresses, with certificates that may change, and clients that may have to show theirs. */

import { X509Certificate } from 'node:crypto';
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { SubmitBlockRequest } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../../src/client/errors.js';
import { StartError } from '../../src/doors.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import type { TlsFiles } from '../../src/server/certificates.js';
import { type ValidatorOptions, ValidatorServer } from '../../src/validator-server.js';
import { type Endpoint, formatAddress } from '../../src/wire/address.js';
import { sealed, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { grpcFramed } from '../support/grpc.js';
import { temporaryFolder } from '../support/programs.js';
import { framed, header, RawClient, unusedAddress } from '../support/sockets.js';
import { type Certificates, makeCertificates } from '../support/tls.js';
import { alarms, startWhole, type WholeValidator } from '../support/validators.js';
import { until } from '../support/wait.js';

const YEAR = 365 * 86_400_000;

const LISTEN = ['tls://127.0.0.1:0', 'grpcs://127.0.0.1:0'];

/** Both protocols, by the schemes of their addresses. */
const WIRES = [
  { wire: 'JSON/TCP', secure: 'tls', plain: 'tcp' },
  { wire: 'gRPC', secure: 'grpcs', plain: 'grpc' },
] as const;

const LOCKOUT = '{"CheckLockout":{"miner_id":"alice"}}';
const NOT_LOCKED = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}';

describe('TLS at the validator', () => {
  const atEnd = cleanup();
  /** Of this network, of another one, and of one whose certificates have expired. */
  let ours: Certificates;
  let others: Certificates;
  let old: Certificates;

  before(async () => {
    [ours, others, old] = await Promise.all([
      makeCertificates(['--client', 'alice', 'bob']),
      makeCertificates(['--client', 'alice']),
      makeCertificates(['--client', 'alice'], -11 * YEAR),
    ]);
  }).timeout(60_000);
  after(() => {
    for (const certificates of [ours, others, old]) certificates.remove();
  });

  function filesOf({ path }: Certificates, clientsOnly = false): TlsFiles {
    const files = { cert: path('server.pem'), key: path('server-key.pem') };
    return clientsOnly ? { ...files, clientCa: path('ca.pem') } : files;
  }

  /** A validator that serves TLS beside the rest. With `clientsOnly` it wants certificates of its clients. */
  function started(options: ValidatorOptions & { clientsOnly?: boolean } = {}): Promise<WholeValidator> {
    const { clientsOnly = false, ...rest } = options;
    return startWhole(atEnd, { listen: LISTEN, tls: filesOf(ours, clientsOnly), ...rest });
  }

  /** A connection whose handshake is over. `localPort`: from there. */
  function shaken({ host, port }: Endpoint, options: ConnectionOptions = {}, localPort = 0): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const carrier = connectPlain({ host, port, allowHalfOpen: true, localAddress: '127.0.0.1', localPort });
      carrier.on('error', reject);
      const socket = connect({ socket: carrier, host, ca: ours.read('ca.pem'), ...options });
      atEnd(() => socket.destroy());
      socket.on('error', reject);
      socket.once('close', () => reject(new Error('closed')));
      socket.once('secureConnect', () => resolve(socket));
    });
  }

  /** A plain connection, and when it is closed. */
  function plain({ host, port }: Endpoint): { socket: Socket; closed: Promise<void> } {
    const socket = connectPlain({ host, port });
    atEnd(() => socket.destroy());
    socket.on('error', () => {});
    socket.resume();
    return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve())) };
  }

  /** Which certificate a server shows. */
  function shownBy(socket: TLSSocket): string {
    return socket.getPeerCertificate().fingerprint256;
  }

  /** A client of a TLS address is answered. */
  async function expectServed(validator: WholeValidator, scheme: 'tls' | 'grpcs', certificates = ours): Promise<void> {
    const client = validator.client(scheme, certificates.credentialsOf('alice'));
    expect(await client.checkLockout('alice')).to.deep.equal({ isLocked: false, secondsRemaining: 0n });
    client.close();
  }

  it('The same chain is behind every address, plain or not', async () => {
    const validator = await started();
    const ca = ours.read('ca.pem');
    const clients = (['tcp', 'tls', 'grpc', 'grpcs'] as const).map((scheme) => validator.client(scheme, { ca }));
    const [first] = clients;
    const block = winning(await validator.server.validator.getRoundInfo(''), 'alice');
    expect((await first?.submitBlock('alice', block))?.message).to.match(/^Block accepted!/);
    for (const client of clients) expect((await client.getBlockchainInfo()).tipHash).to.deep.equal(block.hash);
  });

  it('What is not on loopback may be served over TLS without any warning', async () => {
    const { log } = await started({ listen: ['tls://0.0.0.0:0', 'grpcs://0.0.0.0:0'] });
    expect(alarms(log)).to.deep.equal([]);
  });

  it('Only TLS 1.2 and later is spoken', async () => {
    const validator = await started();
    for (const { secure } of WIRES) {
      const at = validator.at(secure);
      const [two, three] = [await shaken(at, { maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }), await shaken(at)];
      expect([two.getProtocol(), three.getProtocol()]).to.deep.equal(['TLSv1.2', 'TLSv1.3']);
      const weak = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
      expect(await shaken(at, weak).catch((error) => error)).to.be.instanceOf(Error);
    }
  });

  describe('JSON/TCP over it', () => {
    it('takes frames in any pieces, answers in order, and a client that has shut its side down still gets its answers', async () => {
      const validator = await started();
      const client = RawClient.over(await shaken(validator.at('tls')));
      for (const byte of framed(LOCKOUT)) await client.send(Buffer.of(byte));
      expect(await client.answer()).to.equal(NOT_LOCKED);
      const requests = Array.from({ length: 500 }, (_, n) => (n % 2 === 0 ? '"GetBlockchainInfo"' : LOCKOUT));
      client.socket.write(Buffer.concat(requests.map(framed)));
      client.shutDown();
      const kinds = (await client.answers()).map((text) => text.slice(0, 16));
      expect(kinds).to.deep.equal(requests.map((_, n) => (n % 2 === 0 ? '{"BlockchainInfo' : '{"LockoutStatus"')));
    });

    it('tells of a frame that is too long before it closes the connection', async () => {
      const validator = await started();
      const client = RawClient.over(await shaken(validator.at('tls')));
      await client.send(header(0x7fff_ffff));
      expect(await client.answers()).to.have.length(1);
    });
  });

  it('gRPC over it is for those who agree on HTTP/2', async () => {
    const validator = await started();
    const at = validator.at('grpcs');
    expect((await shaken(at, { ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol).to.equal('h2');
    expect(await shaken(at, { ALPNProtocols: ['http/1.1'] }).catch((error) => error)).to.be.instanceOf(Error);
    await expectServed(validator, 'grpcs');
  });

  for (const { wire, secure, plain: open } of WIRES) {
    describe(`on ${wire}`, () => {
      describe('with --tls-client-ca', () => {
        it('a client is who its certificate names, also where it resumes an earlier session', async () => {
          const validator = await started({ clientsOnly: true, auth: 'required' });
          const round = await validator.server.validator.getRoundInfo('');
          const alice = validator.client(secure, ours.credentialsOf('alice'));
          const error = await alice.submitBlock('bob', winning(round, 'bob')).catch((error) => error);
          expect(error).to.include({ reason: 'UNAUTHENTICATED' });
          expect((await alice.submitBlock('alice', winning(round, 'alice'))).message).to.match(/^Block accepted!/);
        });

        it('without --auth everyone submits in the name of their certificate, on this machine, too', async () => {
          const validator = await started({ clientsOnly: true });
          const bob = validator.client(secure, ours.credentialsOf('bob'));
          const round = await validator.server.validator.getRoundInfo('');
          const error = await bob.submitBlock('alice', winning(round, 'alice')).catch((error) => error);
          expect(error).to.include({ reason: 'UNAUTHENTICATED' });
          expect((await bob.submitBlock('bob', winning(round, 'bob'))).message).to.match(/^Block accepted!/);
        });

        it('nobody comes in without a certificate of that authority that is still good, and it is no alarm', async () => {
          const validator = await started({ clientsOnly: true });
          const { ca } = ours.credentialsOf('alice');
          for (const credentials of [{ ca }, { ...others.credentialsOf('alice'), ca }]) {
            const error: unknown = await validator
              .client(secure, credentials)
              .checkLockout('alice')
              .catch((error) => error);
            expect(error).to.be.instanceOf(ConnectionError);
          }
          const expired = await startWhole(atEnd, {
            listen: LISTEN,
            tls: { ...filesOf(ours), clientCa: old.path('ca.pem') },
          });
          const late = expired.client(secure, { ...old.credentialsOf('alice'), ca });
          expect(await late.checkLockout('alice').catch((error) => error)).to.be.instanceOf(ConnectionError);
          for (const { log } of [validator, expired]) expect(alarms(log)).to.deep.equal([]);
          const said = [...validator.log, ...expired.log].join('\n');
          for (const why of ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'CERT_HAS_EXPIRED', 'UNABLE_TO_']) {
            expect(said).to.match(new RegExp(`debug: A TLS handshake has failed: .*${why}`));
          }
          await expectServed(validator, secure);
        });
      });

      it('plain bytes, half a handshake and a handshake that is reset end their own connection, and nothing else', async () => {
        const validator = await started({ limits: { maxConnections: 4 } });
        const at = validator.at(secure);
        for (const bytes of [framed(LOCKOUT), Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(70_000)]) {
          const { socket, closed } = plain(at);
          socket.write(bytes);
          await closed;
        }
        for (let times = 0; times < 10; times++) {
          const { socket, closed } = plain(at);
          socket.write(Buffer.from('16030102000100', 'hex'), () => socket.resetAndDestroy());
          await closed;
        }
        // Each of them has let go of its place.
        await expectServed(validator, secure);
        expect(alarms(validator.log)).to.deep.equal([]);
      });

      it('TLS at a plain port is closed, and nothing else', async () => {
        const validator = await started();
        const error: unknown = await shaken(validator.at(open), { ALPNProtocols: ['h2'] }).catch((error) => error);
        expect(error).to.be.instanceOf(Error);
        expect(await validator.client(open).checkLockout('alice')).to.include({ isLocked: false });
        expect(alarms(validator.log)).to.deep.equal([]);
      });

      it('a handshake that does not end is cut off, however it drips', async () => {
        const validator = await started({ limits: { handshakeTimeout: 300, maxConnections: 2 } });
        const silent = plain(validator.at(secure));
        const dripping = plain(validator.at(secure));
        // A record that announces more than ever comes.
        dripping.socket.write(Buffer.from('1603010200010001fc0303', 'hex'));
        const drip = setInterval(() => dripping.socket.write(Buffer.of(0)), 50);
        atEnd(() => clearInterval(drip));
        await Promise.all([silent.closed, dripping.closed]);
        const said = validator.log.filter((line) => line.endsWith('was refused: its handshake takes too long'));
        expect(said).to.have.length(2);
        await expectServed(validator, secure);
        expect(alarms(validator.log)).to.deep.equal([]);
      });

      it('nobody shakes hands again on a connection, also not once the certificates have changed', async () => {
        const folder = temporaryFolder();
        atEnd(folder.remove);
        const tls = { cert: join(folder.path, 'cert'), key: join(folder.path, 'key') };
        const put = ({ path }: Certificates): void => {
          copyFileSync(path('server.pem'), tls.cert);
          copyFileSync(path('server-key.pem'), tls.key);
        };
        put(ours);
        const validator = await started({ tls });
        const expectNoRenegotiation = async (ca: Buffer): Promise<void> => {
          const socket = await shaken(validator.at(secure), { ca, maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] });
          const failure = new Promise<Error | null>((resolve) => {
            socket.removeAllListeners('error').on('error', resolve);
            socket.once('close', () => resolve(new Error('closed')));
            socket.renegotiate({ rejectUnauthorized: false }, resolve);
          });
          expect(await failure).to.be.instanceOf(Error);
        };
        await expectNoRenegotiation(ours.read('ca.pem'));
        put(others);
        await until(() => validator.log.some((line) => /TLS files have changed/.test(line)), 'they are read again');
        await expectNoRenegotiation(others.read('ca.pem'));
        expect(alarms(validator.log).filter((line) => !/not used/.test(line))).to.deep.equal([]);
      });
    });
  }

  it('A certificate that has expired is good no more, not even by resuming, on TLS 1.2 and 1.3', async () => {
    // Made two years ago, but for a few seconds.
    const brief = await makeCertificates(['--client', 'alice'], -2 * YEAR + 10_000);
    atEnd(() => brief.remove());
    const tls = { cert: brief.path('server.pem'), key: brief.path('server-key.pem'), clientCa: brief.path('ca.pem') };
    const validator = await started({ tls });
    const { ca, cert, key } = brief.credentialsOf('alice');
    const resuming = (['TLSv1.2', 'TLSv1.3'] as const).map(async (maxVersion) => {
      const options = { ca, cert, key, maxVersion };
      const first = await shaken(validator.at('tls'), options);
      const session = new Promise<Buffer>((resolve) => first.once('session', resolve));
      expect(await RawClient.over(first).ask(LOCKOUT)).to.equal(NOT_LOCKED);
      return { ...options, session: maxVersion === 'TLSv1.3' ? await session : first.getSession() };
    });
    const sessions = await Promise.all(resuming);
    const end = Date.parse(new X509Certificate(brief.read('alice.pem')).validTo);
    await sleep(end - Date.now() + 1);
    const refusals = (): number =>
      validator.log.filter((line) => line.includes('certificate of the session that it resumes has expired')).length;
    for (const [told, options] of sessions.entries()) {
      const late = shaken(validator.at('tls'), options).then((socket) => RawClient.over(socket).ask(LOCKOUT));
      expect(await late.catch((error) => error), options.maxVersion).to.be.instanceOf(Error);
      expect(refusals(), options.maxVersion).to.equal(told + 1);
    }
  }).timeout(30_000);

  describe('Certificates that change', () => {
    /** A folder with our certificates, and a validator that uses them. */
    async function withFiles(clientsOnly = false) {
      const folder = temporaryFolder();
      atEnd(folder.remove);
      const files = { cert: join(folder.path, 'server.pem'), key: join(folder.path, 'server-key.pem') };
      const clientCa = join(folder.path, 'ca.pem');
      const sources = { [files.cert]: 'server.pem', [files.key]: 'server-key.pem', [clientCa]: 'ca.pem' };
      for (const [to, from] of Object.entries(sources)) copyFileSync(ours.path(from), to);
      const validator = await started({ tls: clientsOnly ? { ...files, clientCa } : files });
      const said = (what: RegExp) => until(() => validator.log.some((line) => what.test(line)), `it says ${what}`);
      return { validator, said, clientCa, ...files };
    }

    const CHANGED = /^info: The TLS files have changed: new connections use them$/;

    /** Puts a file into another's place, as those who renew certificates do. */
    function replace(path: string, by: Buffer): void {
      writeFileSync(`${path}.new`, by);
      renameSync(`${path}.new`, path);
    }

    for (const [how, put] of [
      ['moved into their place', replace],
      ['written over', writeFileSync],
    ] as const) {
      it(`are used for connections to come once they are ${how}; those that are open stay as they are`, async () => {
        const { validator, said, cert, key } = await withFiles();
        const open = RawClient.over(await shaken(validator.at('tls')));
        const streaming = validator.client('grpcs', { ca: ours.read('ca.pem') });
        const rounds = streaming.watchRounds('alice')[Symbol.asyncIterator]();
        await rounds.next();
        put(key, others.read('server-key.pem'));
        put(cert, others.read('server.pem'));
        await said(CHANGED);
        for (const { secure } of WIRES) {
          const fresh = await shaken(validator.at(secure), { ca: others.read('ca.pem') });
          expect(shownBy(fresh)).to.not.equal(shownBy(open.socket as TLSSocket));
        }
        expect(await open.ask(LOCKOUT)).to.equal(NOT_LOCKED);
        const { validator: node } = validator.server;
        await node.submitBlock('alice', winning(await node.getRoundInfo(''), 'alice'));
        expect((await rounds.next()).value).to.include({ round: 2n });
        await rounds.return?.(undefined);
      });
    }

    it('are not used where they are bad, which is said; the ones before serve on, until there are good ones', async () => {
      const { validator, said, cert, key } = await withFiles();
      const before = shownBy(await shaken(validator.at('tls')));
      replace(cert, Buffer.from('not PEM'));
      await said(/^error: The new TLS files are not used: .*server\.pem is not a certificate in PEM$/);
      replace(cert, others.read('server.pem'));
      await said(/^error: The new TLS files are not used: .*server-key\.pem is not the key of .*server\.pem$/);
      expect(shownBy(await shaken(validator.at('tls')))).to.equal(before);
      replace(key, others.read('server-key.pem'));
      await said(CHANGED);
      expect(shownBy(await shaken(validator.at('tls'), { ca: others.read('ca.pem') }))).to.not.equal(before);
      expect(validator.log.filter((line) => CHANGED.test(line))).to.have.length(1);
    });

    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      it(`may be of another authority for clients: who was let in before is no longer, not even by resuming, on ${maxVersion}`, async () => {
        const { validator, said, clientCa } = await withFiles(true);
        const options = { cert: ours.read('alice.pem'), key: ours.read('alice-key.pem'), maxVersion };
        const first = await shaken(validator.at('tls'), options);
        const session = new Promise<Buffer>((resolve) => first.once('session', resolve));
        expect(await RawClient.over(first).ask(LOCKOUT)).to.equal(NOT_LOCKED);
        // TLS 1.3 has told it by now, 1.2 with the handshake.
        const resuming = { ...options, session: maxVersion === 'TLSv1.3' ? await session : first.getSession() };
        const again = await shaken(validator.at('tls'), resuming);
        expect(again.isSessionReused()).to.equal(true);
        replace(clientCa, others.read('ca.pem'));
        await said(CHANGED);
        const late = shaken(validator.at('tls'), resuming).then((socket) => RawClient.over(socket).ask(LOCKOUT));
        expect(await late.catch((error) => error)).to.be.instanceOf(Error);
        expect(await RawClient.over(again).ask(LOCKOUT)).to.equal(NOT_LOCKED);
      });
    }
  });

  it('Who comes to two ports from one of its own is two clients', async () => {
    const validator = await started({ clientsOnly: true, auth: 'required' });
    const { port: localPort } = await unusedAddress();
    const alice = { ...ours.credentialsOf('alice'), ALPNProtocols: ['h2'] };
    const secured = await shaken(validator.at('grpcs'), alice, localPort);
    const { host, port } = validator.at('grpc');
    const open = connectPlain({ host, port, localAddress: '127.0.0.1', localPort });
    await new Promise((resolve, reject) => open.once('connect', resolve).once('error', reject));
    atEnd(() => open.destroy());
    const sessions = [secured, open].map((socket) => {
      const session = connectHttp2(`http://${formatAddress({ host, port })}`, { createConnection: () => socket });
      atEnd(() => session.destroy());
      return session;
    }) as [ClientHttp2Session, ClientHttp2Session];
    // An answer from the second connection first, so that both are known.
    expect(await statusOf(sessions[1], 'ValidatorService/GetRoundInfo')).to.equal('0');
    const refused = '16';
    expect(await statusOf(sessions[1], 'ValidatorService/SubmitBlock', submission('alice'))).to.equal(refused);
    expect(await statusOf(sessions[0], 'ValidatorService/SubmitBlock', submission('alice'))).to.equal('0');
    await new Promise((resolve) => sessions[1].close(() => resolve(undefined)));
    expect(await statusOf(sessions[0], 'ValidatorService/SubmitBlock', submission('bob'))).to.equal(refused);
    expect(await statusOf(sessions[0], 'ValidatorService/SubmitBlock', submission('alice'))).to.equal('0');
  });

  describe('Files that cannot be used: the validator does not start, says which and why, and begins no chain', () => {
    const rows: readonly (readonly [string, () => TlsFiles, RegExp])[] = [
      [
        'no such certificate',
        () => ({ ...filesOf(ours), cert: '/nowhere/server.pem' }),
        /ENOENT.*\/nowhere\/server\.pem/,
      ],
      ['no such key', () => ({ ...filesOf(ours), key: '/nowhere/key.pem' }), /ENOENT.*\/nowhere\/key\.pem/],
      ['no such authority', () => ({ ...filesOf(ours), clientCa: '/nowhere/ca.pem' }), /ENOENT.*\/nowhere\/ca\.pem/],
      ['a folder', () => ({ ...filesOf(ours), cert: ours.folder }), /EISDIR/],
      [
        'a key for a certificate',
        () => ({ ...filesOf(ours), cert: ours.path('server-key.pem') }),
        /server-key\.pem is not a certificate in PEM/,
      ],
      [
        'a certificate for a key',
        () => ({ ...filesOf(ours), key: ours.path('server.pem') }),
        /server\.pem is not a private key in PEM without a passphrase/,
      ],
      [
        'the key of another certificate',
        () => ({ ...filesOf(ours), key: ours.path('alice-key.pem') }),
        /alice-key\.pem is not the key of .*server\.pem/,
      ],
      [
        'an authority that is none',
        () => ({ ...filesOf(ours), clientCa: ours.path('ca-key.pem') }),
        /ca-key\.pem is not a certificate in PEM/,
      ],
    ];
    for (const [what, tls, why] of rows) {
      it(what, async () => {
        const data = temporaryFolder();
        atEnd(data.remove);
        const options = { address: '127.0.0.1:0', grpc: 'off', data: data.path, difficulty: 7n };
        const error = await new ValidatorServer({ ...options, listen: LISTEN, tls: tls() })
          .start()
          .catch((error) => error);
        expect(error).to.be.instanceOf(StartError);
        expect(error.message)
          .to.match(/^TLS cannot be served: /)
          .and.to.match(why);
        const good = new ValidatorServer({ ...options, difficulty: 8n });
        atEnd(() => good.stop());
        await good.start();
      });
    }
  });
});

/** A submission that is judged, and uses nothing up: it is far from the tip. */
function submission(minerId: string): Uint8Array {
  const block = sealed({
    index: 999,
    timestamp: 1n,
    hash: NO_HASH,
    prevBlockHash: NO_HASH,
    nonce: 0n,
    transactions: [],
  });
  return SubmitBlockRequest.encode({ minerId, block }).finish();
}

/** Makes a call, and gives the status that it ends with. */
function statusOf(session: ClientHttp2Session, method: string, request: Uint8Array = Buffer.of()): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { ':method': 'POST', ':path': `/hourcoin.v1.${method}` };
    const stream = session.request({ ...headers, 'content-type': 'application/grpc', te: 'trailers' });
    const look = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined) resolve(String(headers['grpc-status']));
    };
    stream.on('response', look).on('trailers', look).on('error', reject);
    stream.on('close', () => reject(new Error('no status')));
    stream.resume();
    stream.end(grpcFramed(Buffer.from(request)));
  });
}
