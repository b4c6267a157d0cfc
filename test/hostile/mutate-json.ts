/** Breaks JSON requests that are good. */

import type { Choose } from '../support/seeded.js';
import { broken, pick } from './mutate.js';

/** Numbers at the edges of what readers count with, and texts that are almost numbers. */
const NUMBERS = [
  ...['0', '-0', '-1', '1', '255', '256', '65536', '2147483647', '2147483648', '4294967295', '4294967296'],
  ...['9007199254740991', '9007199254740993', '9223372036854775808', '18446744073709551615', '18446744073709551616'],
  ...['340282366920938463463374607431768211455', '340282366920938463463374607431768211456', '9'.repeat(400)],
  ...['1.0', '1e0', '1e400', '-1e400', '1e-400', '5e-324', '1.7976931348623157e308', '0.1', '2.0000000000000004'],
  ...[
    '01',
    '+1',
    '.5',
    '5.',
    '0x10',
    '1_000',
    'NaN',
    'Infinity',
    '1e',
    '--1',
    '"1"',
    'null',
    'true',
    '[]',
    '{}',
    '[[[[0]]]]',
  ],
];

/** Texts that are easily misread. */
const TEXTS = [
  ...[
    '',
    '\\u0000',
    '\\ud800',
    '\\udc00\\ud800',
    '\\ud83d\\ude00',
    '\\u00zz',
    '\\x',
    '\u0000',
    '\n',
    '\u{feff}',
    'é',
    '漢字',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'a'.repeat(256),
    'a'.repeat(257),
    'ff'.repeat(32),
    'zz',
    'f',
    '\\"',
    '\\',
  ],
];

/** Breaks one of some texts. What comes out need not be UTF-8; it is never empty, as no frame may be. */
export function brokenJson(texts: readonly string[], choose: Choose): Buffer {
  let text = pick(texts, choose);
  for (let times = choose(3); times > 0; times--) text = pick(CHANGES, choose)(text, choose, texts);
  const bytes = broken(Buffer.from(text), choose(2), choose);
  return bytes.length === 0 ? Buffer.of(choose(256)) : bytes;
}

type Change = (text: string, choose: Choose, texts: readonly string[]) => string;

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const STRING = /"(?:[^"\\]|\\.)*"/g;
/** A member with a value that holds no others. */
const MEMBER = /"(?:[^"\\]|\\.)*":(?:"(?:[^"\\]|\\.)*"|[^[\]{},"]+)/g;

const CHANGES: readonly Change[] = [
  (text, choose) => replaced(text, NUMBER, choose, () => pick(NUMBERS, choose)),
  (text, choose) => replaced(text, STRING, choose, () => `"${pick(TEXTS, choose)}"`),
  // A member renamed, left out, told twice, or of another place.
  (text, choose) => replaced(text, MEMBER, choose, (member) => member.replace('"', `"${pick(TEXTS, choose)}`)),
  (text, choose) => replaced(text, MEMBER, choose, () => ''),
  (text, choose) => replaced(text, MEMBER, choose, (member) => `${member},${member}`),
  (text, choose, texts) =>
    replaced(text, MEMBER, choose, () => pick(pick(texts, choose).match(MEMBER) ?? [''], choose)),
  // A value within another, deeper than any reader goes down.
  (text, choose) => replaced(text, NUMBER, choose, (value) => nested(value, choose(600))),
  // Two halves that do not belong together.
  (text, choose, texts) => text.slice(0, choose(text.length + 1)) + pick(texts, choose).slice(choose(text.length + 1)),
  (text, choose) => text.replaceAll(',', () => pick([',', ', ', ',,', ',\n', ';'], choose)),
];

function nested(value: string, depth: number): string {
  return '['.repeat(depth) + value + ']'.repeat(depth);
}

/** A text with one of its parts of a kind replaced, where it has any. */
function replaced(text: string, kind: RegExp, choose: Choose, by: (part: string) => string): string {
  const parts = [...text.matchAll(kind)];
  if (parts.length === 0) return text;
  const { 0: part, index } = pick(parts, choose);
  return text.slice(0, index) + by(part) + text.slice(index + part.length);
}
