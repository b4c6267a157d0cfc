/** Clients over TLS: the validator is who its address names, and shows it; the client is who its certificate names. */

import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { connectTo, connectToGrpc } from '../../src/client/connect.js';
import { type Credentials, isApiKey } from '../../src/client/credentials.js';
import { ConnectionError, type ConnectionReason } from '../../src/client/errors.js';
import type { GrpcClient } from '../../src/client/grpc.js';
import type { JsonTcpClient } from '../../src/client/json-tcp.js';
import { type Address, formatAddress } from '../../src/wire/address.js';
import { cleanup } from '../support/cleanup.js';
import { grow } from '../support/growth.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { serveGrpc, serveJsonTcp } from '../support/servers.js';
import { listenRaw, unusedAddress } from '../support/sockets.js';
import { type Certificates, frontOf, H2, makeCertificates, type TlsFront } from '../support/tls.js';
import { until } from '../support/wait.js';
import { fixedChance, watching } from '../support/watching.js';

const WIRES = [
  { wire: 'JSON/TCP', scheme: 'tls://', plain: '', serve: serveJsonTcp, alpn: {} },
  { wire: 'gRPC', scheme: 'grpcs://', plain: 'grpc://', serve: serveGrpc, alpn: H2 },
] as const;

const YEAR = 365 * 86_400_000;

describe('TLS at the client', () => {
  /** Of this network, of another one, and of one whose certificates are out of date or not valid yet. */
  let ours: Certificates;
  let others: Certificates;
  let old: Certificates;
  let early: Certificates;

  before(async () => {
    [ours, others, old, early] = await Promise.all([
      makeCertificates(['--client', 'alice', 'bob']),
      makeCertificates(['--client', 'alice']),
      makeCertificates([], -11 * YEAR),
      makeCertificates([], YEAR),
    ]);
  }).timeout(60_000);
  after(() => {
    for (const certificates of [ours, others, old, early]) certificates.remove();
  });

  for (const { wire, scheme, plain, serve, alpn } of WIRES) {
    describe(`A client over TLS, on ${wire}`, () => {
      const atEnd = cleanup();
      let test: TestNode;

      beforeEach(async () => {
        test = await memoryNode();
        atEnd(() => test.node.stop());
      });

      /** A validator behind TLS. */
      async function front(
        { server }: Certificates,
        { clientsOnly = false, at }: { clientsOnly?: boolean; at?: Address } = {},
      ): Promise<TlsFront> {
        const served = await serve(test.node);
        atEnd(served.close);
        const made = await frontOf(served.address, { ...server(clientsOnly), ...alpn }, at);
        atEnd(made.close);
        return made;
      }

      function clientOf(address: Address, credentials?: Credentials): JsonTcpClient | GrpcClient {
        const client = connectTo(scheme + formatAddress(address), undefined, credentials);
        atEnd(() => client.close());
        return client;
      }

      /** A call fails: with this reason, and words that name the address. */
      async function expectFailure(
        client: JsonTcpClient | GrpcClient,
        address: Address,
        reason: ConnectionReason,
        ...words: readonly string[]
      ): Promise<void> {
        // The same again: what went wrong is told each time.
        for (let times = 0; times < 2; times++) {
          const error: unknown = await client.getRoundInfo('alice').catch((error) => error);
          expect(error).to.be.an.instanceOf(ConnectionError);
          const { reason: given, message } = error as ConnectionError;
          expect(given, message).to.equal(reason);
          for (const word of [formatAddress(address), ...words]) expect(message).to.contain(word);
        }
      }

      it('asks a validator whose certificate is of an authority that it was given, and for its address', async () => {
        const { address } = await front(ours);
        for (const host of ['127.0.0.1', 'localhost']) {
          const client = clientOf({ ...address, host }, { ca: ours.read('ca.pem') });
          expect(await client.getRoundInfo('alice')).to.deep.include({ round: 1n, nextIndex: 0 });
          expect(await client.getBlockchainInfo()).to.deep.include({ blockCount: 0n });
        }
      });

      it('asks for the validator by its name, where it has one', async () => {
        const { address, asked } = await front(ours);
        for (const host of ['localhost', '127.0.0.1']) {
          await clientOf({ ...address, host }, { ca: ours.read('ca.pem') }).getRoundInfo('alice');
        }
        expect(asked).to.deep.equal(['localhost', false]);
      });

      it('takes PEM as text too, and several authorities in one', async () => {
        const { address } = await front(ours);
        const ca = `${others.read('ca.pem')}${ours.read('ca.pem')}`;
        expect(await clientOf(address, { ca }).getRoundInfo('alice')).to.deep.include({ round: 1n });
      });

      it('shows its certificate where it is asked to', async () => {
        const { address, clients } = await front(ours, { clientsOnly: true });
        for (const minerId of ['alice', 'bob'])
          await clientOf(address, ours.credentialsOf(minerId)).checkLockout(minerId);
        expect(clients).to.deep.equal(['alice', 'bob']);
      });

      describe('does not trust', () => {
        it('a certificate of an authority that is none of its own, nor of those that Node.js trusts: UNTRUSTED', async () => {
          const { address } = await front(ours);
          for (const credentials of [{ ca: others.read('ca.pem') }, {}, undefined]) {
            await expectFailure(clientOf(address, credentials), address, 'UNTRUSTED', 'no authority', '--ca');
          }
        });

        it('a certificate that is for a miner: UNTRUSTED', async () => {
          const { cert, key } = ours.credentialsOf('alice');
          const { address } = await front({ ...ours, server: () => ({ cert, key }) });
          await expectFailure(clientOf(address, { ca: ours.read('ca.pem') }), address, 'UNTRUSTED', 'cannot be used');
        });

        it('any of these, and tells them nothing', async () => {
          for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
            const { address, said } = await front({ ...others, server: () => ({ ...others.server(), maxVersion }) });
            const client = clientOf(address, { ca: ours.read('ca.pem'), apiKey: 'hck_secret' });
            await expectFailure(client, address, 'UNTRUSTED');
            expect(said()).to.equal(0);
          }
        });

        it('a certificate for another address: UNTRUSTED', async function () {
          // Elsewhere there is but one address of loopback.
          if (process.platform !== 'linux') this.skip();
          const { address } = await front(ours, { at: { host: '127.0.0.2', port: 0 } });
          const names = 'is not for 127.0.0.2, but for localhost, 127.0.0.1';
          await expectFailure(clientOf(address, { ca: ours.read('ca.pem') }), address, 'UNTRUSTED', names);
        });

        it('a certificate out of date, or not valid yet: UNTRUSTED', async () => {
          for (const [certificates, words] of [
            [old, 'has expired'],
            [early, 'is not valid yet'],
          ] as const) {
            const { address } = await front(certificates);
            await expectFailure(clientOf(address, { ca: certificates.read('ca.pem') }), address, 'UNTRUSTED', words);
          }
        });
      });

      it('says so where the validator wants a certificate and it has none: UNTRUSTED', async () => {
        const { address } = await front(ours, { clientsOnly: true });
        const client = clientOf(address, { ca: ours.read('ca.pem') });
        await expectFailure(client, address, 'UNTRUSTED', 'wants a certificate', '--cert');
      });

      it('says what it may be where the validator does not take its certificate, and closes the connection: UNREACHABLE', async () => {
        const { address } = await front(ours, { clientsOnly: true });
        const client = clientOf(address, { ...others.credentialsOf('alice'), ca: ours.read('ca.pem') });
        await expectFailure(client, address, 'UNREACHABLE', "does not take this client's certificate");
      });

      it('says so where the port speaks plainly: BAD_ANSWER', async () => {
        const { address, close } = await serve(test.node);
        atEnd(close);
        const credentials = { ca: ours.read('ca.pem') };
        const words = `does not speak TLS: a plain port is written ${plain}${formatAddress(address)}`;
        await expectFailure(clientOf(address, credentials), address, 'BAD_ANSWER', words);
      });

      it('says so where nobody listens, and where the connection is closed at once: UNREACHABLE', async () => {
        const address = await unusedAddress();
        await expectFailure(clientOf(address), address, 'UNREACHABLE', 'nobody listens there');
        const closing = await listenRaw((socket) => socket.end());
        atEnd(closing.close);
        await expectFailure(clientOf(closing.address), closing.address, 'UNREACHABLE', 'closed the connection');
      });

      it('goes on once the validator is there again, or has another certificate', async () => {
        const first = await front(others);
        const { address } = first;
        const client = clientOf(address, { ca: ours.read('ca.pem') });
        await expectFailure(client, address, 'UNTRUSTED');
        await first.close();
        await front(ours, { at: address });
        for (;;) {
          const answer: unknown = await client.getRoundInfo('alice').catch((error) => error);
          if (!(answer instanceof Error)) break;
          expect(answer).to.be.an.instanceOf(ConnectionError);
        }
      });

      it('hides its key and its token from whoever looks at it', async () => {
        const { address } = await front(ours);
        const client = clientOf(address, { ...ours.credentialsOf('alice'), apiKey: 'hck_secret' });
        // The validator does not know that key, and says so.
        await client.getRoundInfo('alice').catch(() => {});
        const seen = inspect(client, { depth: 20, showHidden: true, maxStringLength: null, maxArrayLength: null });
        expect(seen).to.not.contain('PRIVATE KEY').and.not.contain('hck_secret');
      });
    });
  }

  describe('A client of gRPC over TLS', () => {
    const atEnd = cleanup();

    it('says so where the port speaks TLS, but not gRPC: BAD_ANSWER', async () => {
      const { node } = await memoryNode();
      atEnd(() => node.stop());
      const served = await serveJsonTcp(node);
      atEnd(served.close);
      const { address, close } = await frontOf(served.address, ours.server());
      atEnd(close);
      const client = connectToGrpc(`grpcs://${formatAddress(address)}`, undefined, { ca: ours.read('ca.pem') });
      atEnd(() => client.close());
      const error: unknown = await client.getBlockchainInfo().catch((error) => error);
      expect(error).to.be.an.instanceOf(ConnectionError).and.to.include({ reason: 'BAD_ANSWER' });
      expect((error as Error).message).to.contain(`JSON/TCP is written tls://${formatAddress(address)}`);
    });

    it('watches on over a validator that comes back, and throws UNTRUSTED where that is somebody else', async () => {
      const test = await memoryNode();
      atEnd(() => test.node.stop());
      atEnd(fixedChance(0));
      const served = await serveGrpc(test.node);
      atEnd(served.close);
      const options = { ...ours.server(), ...H2 };
      let front = await frontOf(served.address, options);
      atEnd(() => front.close());
      const { address } = front;
      const client = connectToGrpc(`grpcs://${formatAddress(address)}`, undefined, { ca: ours.read('ca.pem') });
      atEnd(() => client.close());
      const blocks = watching(client.watchBlocks(0));
      await grow(test, 2);
      await blocks.count(2);
      front.dropAll();
      await grow(test, 1);
      await blocks.count(3);
      await front.close();
      front = await frontOf(served.address, { ...others.server(), ...H2 }, address);
      expect(await blocks.error())
        .to.be.an.instanceOf(ConnectionError)
        .with.property('reason', 'UNTRUSTED');
      expect(blocks.messages).to.have.length(3);
    });
  });

  describe('Credentials', () => {
    const encrypted = (): string =>
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'secret',
      }) as string;

    const wrong: readonly (readonly [string, () => Credentials, RegExp])[] = [
      ['an authority that is no PEM', () => ({ ca: 'tls/ca.pem' }), /^credentials\.ca is not a certificate in PEM$/],
      ['an authority that is empty', () => ({ ca: '' }), /^credentials\.ca is not a certificate in PEM$/],
      ['an authority that is a key', () => ({ ca: ours.read('ca-key.pem') }), /^credentials\.ca is not a certificate/],
      [
        'authorities of which one is cut short',
        () => ({ ca: `${ours.read('ca.pem')}${ours.read('ca.pem').subarray(0, 300)}` }),
        /^credentials\.ca is not a certificate in PEM$/,
      ],
      [
        'a certificate without its key',
        () => ({ cert: ours.read('alice.pem') }),
        /cert and credentials\.key go together$/,
      ],
      ['a key without its certificate', () => ({ key: ours.read('alice-key.pem') }), /key go together$/],
      [
        "a key that is another certificate's",
        () => ({ cert: ours.read('alice.pem'), key: ours.read('bob-key.pem') }),
        /^credentials\.key is not the key of credentials\.cert$/,
      ],
      [
        'a key that is none',
        () => ({ cert: ours.read('alice.pem'), key: ours.read('alice.pem') }),
        /^credentials\.key is not a private key in PEM without a passphrase$/,
      ],
      [
        'a key that is encrypted',
        () => ({ cert: ours.read('alice.pem'), key: encrypted() }),
        /^credentials\.key is not a private key in PEM without a passphrase$/,
      ],
      ['a token of two lines', () => ({ apiKey: 'hck_secret\nhck_secret' }), /^the API key is not one: /],
      ['a token that is empty', () => ({ apiKey: '' }), /^the API key is not one: /],
    ];
    for (const [what, credentials, message] of wrong) {
      it(`cannot be ${what}: a TypeError at once, which does not tell them`, () => {
        for (const scheme of ['tls://', 'grpcs://']) {
          const given = credentials();
          const connect = (): unknown => connectTo(`${scheme}127.0.0.1:1`, undefined, given);
          expect(connect).to.throw(TypeError, message);
          expect(connect).to.not.throw(/hck_secret|-----BEGIN/);
        }
      });
    }

    for (const [plain, secure] of [
      ['192.0.2.1:8080', 'tls://192.0.2.1:8080'],
      ['grpc://validator.example:50051', 'grpcs://validator.example:50051'],
      ['0.0.0.0:1', 'tls://0.0.0.0:1'],
      ['[2001:db8::1]:1', 'tls://[2001:db8::1]:1'],
    ] as const) {
      it(`are not for ${plain}, which is plain and beyond loopback: a TypeError that says what to write instead`, () => {
        const keyed = { apiKey: 'hck_secret' };
        expect(() => connectTo(plain, undefined, keyed)).to.throw(TypeError, `write ${secure}; --insecure`);
        expect(() => connectTo(plain, undefined, keyed)).to.not.throw(/hck_secret/);
        const { ca } = ours.credentialsOf('alice');
        expect(() => connectTo(plain, undefined, { ca })).to.throw(TypeError, `write ${secure}`);
        connectTo(plain, undefined, { ...keyed, insecure: true }).close();
        connectTo(plain).close();
      });
    }

    it('may be given on loopback, where nobody is between', () => {
      for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '[::1]', '[::ffff:127.0.0.1]']) {
        for (const scheme of ['', 'grpc://']) {
          connectTo(`${scheme}${host}:1`, undefined, { ...ours.credentialsOf('alice'), apiKey: 'hck_secret' }).close();
        }
      }
    });

    it('hold any token of printable ASCII', () => {
      for (const token of ['hck_a-B_9', 'a', '!~"\\{}']) expect(isApiKey(token), token).to.equal(true);
      for (const token of ['', ' ', 'a b', 'a\r', 'é', '\u0000']) expect(isApiKey(token), token).to.equal(false);
    });
  });

  describe('A client that begins TLS', () => {
    const atEnd = cleanup();

    it('and is closed meanwhile fails its calls as closed', async () => {
      for (const scheme of ['tls://', 'grpcs://']) {
        let asked = false;
        const silent = await listenRaw((socket) => {
          socket.on('data', () => {
            asked = true;
          });
        });
        atEnd(silent.close);
        const client = connectTo(scheme + formatAddress(silent.address));
        const error = client.getRoundInfo('alice').catch((error) => error);
        await until(() => asked, 'the handshake has begun');
        client.close();
        expect(await error)
          .to.be.an.instanceOf(ConnectionError)
          .with.property('reason', 'CLOSED');
      }
    });
  });
});
