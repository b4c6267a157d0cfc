import { expect } from 'chai';
import {
  type Endpoint,
  formatAddress,
  formatEndpoint,
  isLoopback,
  parseAddress,
  parseEndpoint,
  parseNetwork,
} from '../../src/wire/address.js';

describe('Addresses', () => {
  const good: Readonly<Record<string, { host: string; port: number }>> = {
    '127.0.0.1:8080': { host: '127.0.0.1', port: 8080 },
    'localhost:0': { host: 'localhost', port: 0 },
    'validator.example:65535': { host: 'validator.example', port: 65_535 },
    '[::1]:8080': { host: '::1', port: 8080 },
    '[fe80::1%eth0]:1': { host: 'fe80::1%eth0', port: 1 },
  };
  for (const [text, address] of Object.entries(good)) {
    it(`are HOST:PORT, as ${text}`, () => {
      expect(parseAddress(text)).to.deep.equal(address);
      expect(formatAddress(address)).to.equal(text);
    });
  }

  const bad = ['', ':', ':8080', 'localhost', 'localhost:', 'localhost:65536', 'localhost:123456', 'localhost:-1'];
  const worse = [
    'localhost:80 ',
    ' localhost:80',
    '::1:80',
    '[::1]',
    '[]:80',
    'http://localhost:80',
    'a/b:80',
    '1:2:3',
  ];
  for (const text of [...bad, ...worse])
    it(`are nothing else, as ${JSON.stringify(text)}`, () => expect(parseAddress(text)).to.equal(undefined));
});

describe('Endpoints', () => {
  const schemes: Readonly<Record<string, Pick<Endpoint, 'wire' | 'isSecure'>>> = {
    '': { wire: 'json-tcp', isSecure: false },
    'tls://': { wire: 'json-tcp', isSecure: true },
    'grpc://': { wire: 'grpc', isSecure: false },
    'grpcs://': { wire: 'grpc', isSecure: true },
  };
  for (const [scheme, kind] of Object.entries(schemes)) {
    it(`are ${scheme}HOST:PORT for ${kind.wire}${kind.isSecure ? ' over TLS' : ''}`, () => {
      for (const [text, address] of [
        ['localhost:0', { host: 'localhost', port: 0 }],
        ['[::1]:8080', { host: '::1', port: 8080 }],
      ] as const) {
        expect(parseEndpoint(scheme + text)).to.deep.equal({ ...address, ...kind });
        expect(formatEndpoint({ ...address, ...kind })).to.equal(scheme + text);
      }
    });
  }

  for (const text of [
    '',
    'tls://',
    'tls://localhost',
    'tls:localhost:1',
    'TLS://localhost:1',
    ' tls://localhost:1',
    'tls://tls://localhost:1',
    'grpc://tls://localhost:1',
    'http://localhost:1',
    'https://localhost:1',
    'tcp://localhost:1',
    'tls://localhost:1/',
    'tls://user@localhost:65536',
  ]) {
    it(`are nothing else, as ${JSON.stringify(text)}`, () => expect(parseEndpoint(text)).to.equal(undefined));
  }
});

describe('Loopback', () => {
  it('is 127.0.0.0/8, ::1 and localhost, however they are written', () => {
    const own = [
      '127.0.0.1',
      '127.255.255.254',
      '::1',
      '0:0:0:0:0:0:0:1',
      '::ffff:127.0.0.1',
      'localhost',
      'LocalHost',
    ];
    for (const host of own) expect(isLoopback(host), host).to.equal(true);
  });

  it('is nothing else: not the address for all, nor a name that may lead anywhere', () => {
    const others = [
      '0.0.0.0',
      '::',
      '128.0.0.1',
      '10.0.0.1',
      'fe80::1',
      '::ffff:10.0.0.1',
      'localhost.example',
      '127.1',
      '',
    ];
    for (const host of others) expect(isLoopback(host), host).to.equal(false);
  });
});

describe('Networks', () => {
  for (const [text, address, bits, family] of [
    ['10.1.2.3', '10.1.2.3', 32, 'ipv4'],
    ['10.0.0.0/8', '10.0.0.0', 8, 'ipv4'],
    ['0.0.0.0/0', '0.0.0.0', 0, 'ipv4'],
    ['2001:db8::/32', '2001:db8::', 32, 'ipv6'],
    ['::1', '::1', 128, 'ipv6'],
    ['::ffff:10.1.2.3/128', '::ffff:10.1.2.3', 128, 'ipv6'],
  ] as const) {
    it(`are addresses, or what begins as one, as ${text}`, () => {
      expect(parseNetwork(text)).to.deep.equal({ address, bits, family });
    });
  }

  const bad = [
    '',
    '/',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08x',
    '10.0.0.0/-1',
    '10.0.0',
    '10',
    '0x7f.1',
  ];
  for (const text of [
    ...bad,
    'localhost',
    '[::1]',
    'fe80::1%eth0',
    '10.0.0.1:80',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '1.2.3.4,5.6.7.8',
  ]) {
    it(`are nothing else, as ${JSON.stringify(text)}`, () => expect(parseNetwork(text)).to.equal(undefined));
  }
});
