import { expect } from 'chai';
import { formatAddress, parseAddress } from '../../src/wire/address.js';

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
