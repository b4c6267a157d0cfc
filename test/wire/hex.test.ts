import { expect } from 'chai';
import fc from 'fast-check';
import { hexFault } from '../../src/wire/hex.js';

/** What the deployed programs print of a bad byte, read as Latin-1: the debug form of a character in their language. */
function printed(byte: number): string {
  const named = new Map([
    [0x00, '\\0'],
    [0x09, '\\t'],
    [0x0a, '\\n'],
    [0x0d, '\\r'],
    [0x27, "\\'"],
    [0x5c, '\\\\'],
  ]).get(byte);
  return named ?? (byte < 0x20 || byte === 0x7f ? `\\u{${byte.toString(16)}}` : Buffer.from([byte]).toString('latin1'));
}

describe('Hex texts', () => {
  it('are whole bytes in either case, of any length', () => {
    for (const text of ['', '00', 'abcdef', 'ABCDEF', 'aBCdEf0123456789', 'f'.repeat(62), '0'.repeat(66)])
      expect(hexFault(text), text).to.equal(undefined);
  });

  it('of any bytes are hex', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), (bytes, upper) => {
        const text = Buffer.from(bytes).toString('hex');
        expect(hexFault(upper ? text.toUpperCase() : text)).to.equal(undefined);
      }),
    );
  });

  it('of an odd length are told so before their bad characters', () => {
    for (const text of ['0', 'x', 'zzz', '0x000', "'", '\n']) expect(hexFault(text)).to.equal('Odd number of digits');
  });

  it('have their length counted in UTF-8 bytes', () => {
    for (const text of ['é1', 'aé', '漢', '漢00', '😀0']) expect(hexFault(text), text).to.equal('Odd number of digits');
    expect(hexFault('é')).to.equal("Invalid character 'Ã' at position 0");
    expect(hexFault('漢0')).to.equal("Invalid character 'æ' at position 0");
    expect(hexFault('😀')).to.equal("Invalid character 'ð' at position 0");
  });

  it('name the first bad byte, at its position in UTF-8 bytes', () => {
    expect(hexFault('zz')).to.equal("Invalid character 'z' at position 0");
    expect(hexFault('0x00')).to.equal("Invalid character 'x' at position 1");
    expect(hexFault('00 0gg')).to.equal("Invalid character ' ' at position 2");
    expect(hexFault('abcé')).to.equal('Odd number of digits');
    expect(hexFault('abcdé')).to.equal("Invalid character 'Ã' at position 4");
    expect(hexFault(`${'0'.repeat(63)}g`)).to.equal("Invalid character 'g' at position 63");
  });

  it('name every ASCII character that is no digit as the deployed programs do', () => {
    for (let byte = 0; byte < 0x80; byte++) {
      const character = String.fromCharCode(byte);
      if (/[0-9a-fA-F]/.test(character)) continue;
      expect(hexFault(`0${character}`), character).to.equal(`Invalid character '${printed(byte)}' at position 1`);
    }
  });

  it('name the first byte of any other character, which prints as a letter or a sign of Latin-1', () => {
    const spaces = { '\u0080': 'Â', '\u00a0': 'Â', '\u00ad': 'Â', ÿ: 'Ã', '\u0300': 'Ì', '\u2028': 'â', '\ufeff': 'ï' };
    for (const [character, first] of Object.entries(spaces)) {
      const even = Buffer.byteLength(character) % 2 === 0 ? '00' : '0';
      expect(hexFault(`${even}${character}`)).to.equal(`Invalid character '${first}' at position ${even.length}`);
    }
    for (let code = 0x80; code <= 0x10ffff; code += code < 0x800 ? 1 : 997) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const bytes = Buffer.from(String.fromCodePoint(code));
      const text = `${bytes}${bytes.length % 2 === 0 ? '' : '0'}`;
      expect(hexFault(text)).to.equal(`Invalid character '${printed(bytes[0] as number)}' at position 0`);
    }
  });
});
