/** Hex texts (spec, section 2 and section 8, "hex texts"). */

const HEX = /^(?:[0-9a-fA-F]{2})*$/;

/** Why a text is not hex, in the deployed programs' words; undefined where it is. Either case, whole bytes, of any length. */
export function hexFault(text: string): string | undefined {
  if (HEX.test(text)) return undefined;
  const bytes = Buffer.from(text);
  if (bytes.length % 2 === 1) return 'Odd number of digits';
  const position = bytes.findIndex((byte) => !isHexDigit(byte));
  return `Invalid character '${character(bytes[position] as number)}' at position ${position}`;
}

function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

/** A byte read as Latin-1, with what does not print escaped as the deployed programs do. */
function character(byte: number): string {
  const text = String.fromCharCode(byte);
  const escaped = { '\0': '\\0', '\t': '\\t', '\n': '\\n', '\r': '\\r', "'": "\\'", '\\': '\\\\' }[text];
  if (escaped !== undefined) return escaped;
  const prints = (byte >= 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  return prints ? text : `\\u{${byte.toString(16)}}`;
}
