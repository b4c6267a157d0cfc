/** Load balancers that are named tell whom they speak for, by the PROXY protocol, version 2; others are clients like any others. */

import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect } from 'chai';
import { connectTo } from '../../src/client/connect.js';
import { StartError } from '../../src/doors.js';
import { callerAt, withoutZone } from '../../src/server/caller.js';
import { ValidatorServer } from '../../src/validator-server.js';
import { type Address, formatEndpoint } from '../../src/wire/address.js';
import {
  balancerTo,
  FAR,
  headerFor,
  headerOf,
  LOCAL,
  PROXY,
  SIGNATURE,
  TCP4,
  TCP6,
  throughBalancer,
} from '../support/balancer.js';
import { cleanup } from '../support/cleanup.js';
import { framed, RawClient } from '../support/sockets.js';
import { type Certificates, makeCertificates } from '../support/tls.js';
import { alarms, type Scheme, startWhole, type WholeValidator } from '../support/validators.js';

const LOCKOUT = '{"CheckLockout":{"miner_id":"alice"}}';
const NOT_LOCKED = '{"LockoutStatus":{"is_locked":false,"seconds_remaining":0}}';

const SCHEMES: readonly Scheme[] = ['tcp', 'grpc', 'tls', 'grpcs'];

/** What a balancer may tell beyond addresses: that the client spoke of `validator.example`, and nothing. */
const MORE = Buffer.concat([
  Buffer.from('020011', 'hex'),
  Buffer.from('validator.example'),
  Buffer.from('040000', 'hex'),
]);

describe('The PROXY protocol', () => {
  const atEnd = cleanup();
  let certificates: Certificates;

  before(async () => {
    certificates = await makeCertificates();
  });
  after(() => certificates.remove());

  /** A validator on every wire that takes this machine, or whom it is told, for balancers. */
  function started(proxyFrom: readonly string[] = ['127.0.0.1'], limits = {}): Promise<WholeValidator> {
    const { path } = certificates;
    return startWhole(atEnd, {
      listen: ['tls://127.0.0.1:0', 'grpcs://127.0.0.1:0'],
      tls: { cert: path('server.pem'), key: path('server-key.pem') },
      proxyFrom,
      limits,
    });
  }

  /** A connection to JSON/TCP that has sent some bytes. */
  async function sent(validator: WholeValidator, bytes: Buffer): Promise<RawClient> {
    const client = await RawClient.connect(validator.at('tcp'));
    atEnd(() => client.destroy());
    await client.send(bytes);
    return client;
  }

  for (const scheme of SCHEMES) {
    for (const pieces of ['in one piece with what follows', 'byte by byte'] as const) {
      for (const [how, from, shown, more] of [
        ['over IPv4', FAR, '203.0.113.7:4711', Buffer.of()],
        ['over IPv6', { host: '2001:db8:1:2::7', port: 65_535 }, '[2001:db8:1:2:0:0:0:7]:65535', Buffer.of()],
        ['over IPv4, and of more', FAR, '203.0.113.7:4711', MORE],
      ] as const) {
        it(`tells of a client ${how}, on ${scheme}, ${pieces}`, async () => {
          const validator = await started();
          const balancer = await balancerTo(validator.at(scheme), headerFor(from, more), pieces);
          atEnd(balancer.close);
          const url = throughBalancer(formatEndpoint(validator.at(scheme)), balancer);
          const client = connectTo(url, undefined, { ca: certificates.read('ca.pem') });
          atEnd(() => client.close());
          expect(await client.checkLockout('alice')).to.deep.equal({ isLocked: false, secondsRemaining: 0n });
          expect(await client.getBlockchainInfo()).to.include({ blockCount: 0n });
          expect(validator.log).to.include(`debug: New connection from: ${shown}`);
          expect(alarms(validator.log)).to.deep.equal([]);
        });
      }
    }
  }

  it('lets a balancer speak for itself, whatever else it says then', async () => {
    const validator = await started();
    for (const header of [
      headerOf(LOCAL, 0, Buffer.of()),
      headerOf(LOCAL, TCP4, Buffer.alloc(12, 9)),
      headerOf(LOCAL, 0xff, MORE),
    ]) {
      const client = await sent(validator, Buffer.concat([header, framed(LOCKOUT)]));
      expect(await client.answer()).to.equal(NOT_LOCKED);
    }
    expect(validator.log.filter((line) => /New connection from: 127\.0\.0\.1:/.test(line))).to.have.length(3);
  });

  describe('is asked of who is named, in whichever way', () => {
    for (const network of ['127.0.0.1', '127.0.0.0/8', '::/0,127.0.0.1/32']) {
      it(network, async () => {
        const validator = await started(network.split(','));
        const client = await sent(validator, Buffer.concat([headerFor(FAR), framed(LOCKOUT)]));
        expect(await client.answer()).to.equal(NOT_LOCKED);
        expect(validator.log).to.include('debug: New connection from: 203.0.113.7:4711');
      });
    }
  });

  describe('closes the connection of a balancer that says', () => {
    const rows: readonly (readonly [string, Buffer, RegExp])[] = [
      ['nothing of its client', framed(LOCKOUT), /no PROXY protocol header of version 2/],
      [
        'it by version 1',
        Buffer.from('PROXY TCP4 203.0.113.7 127.0.0.1 4711 8080\r\n'),
        /no PROXY protocol header of version 2/,
      ],
      ['it by version 3', headerOf(0x31, TCP4, Buffer.alloc(12)), /an unknown PROXY protocol command/],
      ['a signature of its own', Buffer.concat([Buffer.from(SIGNATURE).fill(0x0d), Buffer.alloc(16)]), /no PROXY/],
      ['another command', headerOf(0x22, TCP4, Buffer.alloc(12)), /an unknown PROXY protocol command/],
      ['of a client on UDP', headerOf(PROXY, 0x12, Buffer.alloc(12)), /neither TCP over IPv4 nor over IPv6/],
      ['of a client on a unix socket', headerOf(PROXY, 0x31, Buffer.alloc(216)), /neither TCP/],
      ['of a client that it does not know', headerOf(PROXY, 0, Buffer.of()), /neither TCP/],
      ['half an IPv4 address', headerOf(PROXY, TCP4, Buffer.alloc(11)), /neither TCP/],
      ['half an IPv6 address', headerOf(PROXY, TCP6, Buffer.alloc(35)), /neither TCP/],
      ['more than any does', headerOf(PROXY, TCP4, Buffer.alloc(2_049)), /a PROXY protocol header of 2049 bytes/],
      ['that it will say much', headerOf(PROXY, TCP4, Buffer.of(), 65_535), /a PROXY protocol header of 65535 bytes/],
    ];
    for (const [what, bytes, why] of rows) {
      it(what, async () => {
        const validator = await started();
        const client = await sent(validator, Buffer.concat([bytes, framed(LOCKOUT)]));
        expect(await client.answers()).to.deep.equal([]);
        expect(validator.log.join('\n')).to.match(
          new RegExp(`debug: A connection from 127.0.0.1:\\d+ was refused: .*${why.source}`),
        );
        expect(alarms(validator.log)).to.deep.equal([]);
      });
    }

    for (const [what, bytes] of [
      ['nothing, and goes', Buffer.of()],
      ['half a header, and goes', headerFor(FAR).subarray(0, 9)],
      ['a header without its end, and goes', headerFor(FAR).subarray(0, 20)],
    ] as const) {
      it(what, async () => {
        const validator = await started(undefined, { maxConnections: 2 });
        for (let times = 0; times < 5; times++) {
          const client = await sent(validator, bytes);
          client.shutDown();
          await client.closed;
        }
        expect(validator.log.join('\n')).to.contain('a PROXY protocol header that is cut short');
        const honest = await sent(validator, Buffer.concat([headerFor(FAR), framed(LOCKOUT)]));
        expect(await honest.answer()).to.equal(NOT_LOCKED);
      });
    }

    it('nothing for too long, however that drips', async () => {
      const validator = await started(undefined, { handshakeTimeout: 300 });
      const silent = await sent(validator, Buffer.of());
      const dripping = await sent(validator, SIGNATURE);
      const drip = setInterval(() => dripping.socket.write(Buffer.of(PROXY)), 200);
      atEnd(() => clearInterval(drip));
      for (const client of [silent, dripping]) expect(await client.answers()).to.deep.equal([]);
    });
  });

  it('is nothing to those who are not named: their header is bytes like any others', async () => {
    const validator = await started(['192.0.2.0/24', '2001:db8::1']);
    const client = await sent(validator, Buffer.concat([headerFor(FAR), framed(LOCKOUT)]));
    expect(await client.answers()).to.deep.equal([
      '{"Error":{"message":"Frame too long: at most 1048576 bytes of JSON"}}',
    ]);
    expect(await (await sent(validator, framed(LOCKOUT))).answer()).to.equal(NOT_LOCKED);
    expect(validator.log.join('\n')).to.not.contain('203.0.113.7');
  });

  describe('says where limits count', () => {
    /** Whether a client of which a header tells is let in beside those that are open. */
    async function isLetIn(validator: WholeValidator, host: string): Promise<boolean> {
      const client = await sent(validator, Buffer.concat([headerFor({ host, port: 1 }), framed(LOCKOUT)]));
      return (await client.answerOrEnd()) !== undefined;
    }

    for (const [what, first, same, other] of [
      ['an IPv4 address', '203.0.113.7', '203.0.113.7', '203.0.113.8'],
      ['64 bits of an IPv6 address', '2001:db8:1:2::1', '2001:db8:1:2:ffff::1', '2001:db8:1:3::1'],
      ['an IPv4 address that is written as an IPv6 one', '::ffff:203.0.113.7', '203.0.113.7', '::ffff:203.0.113.8'],
    ] as const) {
      it(what, async () => {
        const validator = await started(undefined, { maxConnectionsPerIp: 1 });
        expect(await isLetIn(validator, first)).to.equal(true);
        expect(await isLetIn(validator, same)).to.equal(false);
        expect(await isLetIn(validator, other)).to.equal(true);
      });
    }

    it('and once one of them is gone, another may come', async () => {
      const validator = await started(undefined, { maxConnectionsPerIp: 1 });
      const first = await sent(validator, Buffer.concat([headerFor(FAR), framed(LOCKOUT)]));
      await first.answer();
      expect(await isLetIn(validator, FAR.host)).to.equal(false);
      first.destroy();
      for (let times = 0; !(await isLetIn(validator, FAR.host)); times++) expect(times).to.be.below(1_000);
    });
  });

  it('A loopback address that a balancer tells of is this machine only where the balancer is', async function () {
    for (const [address, via, isLoopback] of [
      ['127.0.0.1', '127.0.0.1', true],
      ['::1', '127.0.0.1', true],
      ['::ffff:127.0.0.1', '::ffff:127.0.0.1', true],
      ['127.0.0.1', '192.0.2.1', false],
      ['192.0.2.1', '127.0.0.1', false],
    ] as const) {
      expect(callerAt(address, via)).to.include({ isLoopback, isPrivate: isLoopback });
    }
    const own = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal);
    if (own === undefined) this.skip();
    const validator = await startWhole(atEnd, {
      address: '0.0.0.0:0',
      proxyFrom: [own.address],
      limits: { maxConnectionsPerIp: 1 },
    });
    const there: Address = { host: own.address, port: validator.at('tcp').port };
    const answers: (string | undefined)[] = [];
    for (let times = 0; times < 2; times++) {
      const socket = connect({ ...there, allowHalfOpen: true });
      const client = RawClient.over(socket);
      atEnd(() => client.destroy());
      await client.send(Buffer.concat([headerFor({ host: '127.0.0.1', port: 1 }), framed(LOCKOUT)]));
      answers.push(await client.answerOrEnd());
    }
    expect(answers).to.deep.equal([NOT_LOCKED, undefined]);
  });

  it('A client is counted where it is: an address of IPv4, 64 bits of IPv6, without the name of an interface', () => {
    for (const [address, network] of [
      ['203.0.113.7', '203.0.113.7'],
      ['::ffff:203.0.113.7', '203.0.113.7'],
      ['0:0:0:0:0:ffff:cb00:7107', '203.0.113.7'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      // By whatever interface it comes, and however that is called.
      ['fe80::1%eth0', 'fe80::/64'],
      ['fe80::1%br-lan', 'fe80::/64'],
      ['fe80::1%eth0.5', 'fe80::/64'],
    ] as const) {
      expect(callerAt(String(withoutZone(address))).network).to.equal(network);
    }
  });

  for (const text of [
    '',
    'balancer.example',
    '10.0.0.0/33',
    '10.0.0.0/',
    '::/129',
    '10.1',
    '10.0.0.1:80',
    '10.0.0.0/-1',
  ]) {
    it(`A balancer that is written "${text}" is no address: the validator does not start`, async () => {
      const error: unknown = await new ValidatorServer({ proxyFrom: [text] }).start().catch((error) => error);
      expect(error).to.be.instanceOf(StartError);
      expect((error as Error).message).to.equal(`${text} is not an address or a network: write 10.1.2.3 or 10.0.0.0/8`);
    });
  }
});
