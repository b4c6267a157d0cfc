/** Random JSON texts, and an independent exact reading of any. */

import fc from 'fast-check';
import { parse, parseNumberAndBigInt } from 'lossless-json';
import { MAX_U128 } from '../../src/engine/bytes.js';
import { anyFinite, anyText } from './random.js';

/** A JSON value: integers as bigints, what has a fraction or an exponent as a double. */
export type Json = null | boolean | bigint | number | string | Json[] | { [name: string]: Json };

/** Reads a JSON text by another reader than ours. */
export function exact(text: string): Json {
  return parse(text, undefined, parseNumberAndBigInt) as Json;
}

/** A random value, and a text of it with random white space, escapes, member order and forms of numbers. */
export const anyJson: fc.Arbitrary<{ value: Json; text: string }> = fc
  .tuple(
    fc.letrec<{ value: Json; members: Json }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom<Json>(null, true, false),
        fc.bigInt({ min: 0n, max: MAX_U128 }),
        anyFinite,
        anyText,
        fc.array(tie('value'), { maxLength: 5 }),
        tie('members'),
      ),
      // A member of that name would be a prototype to the readers that are compared with.
      members: fc.dictionary(
        anyText.filter((name) => name !== '__proto__'),
        tie('value'),
        { maxKeys: 5, noNullPrototype: true },
      ),
    })).value,
    fc.array(fc.nat(255), { minLength: 1, maxLength: 64 }),
  )
  .map(([value, choices]) => {
    let made = 0;
    return { value, text: spaced(value, (among) => (choices[made++ % choices.length] as number) % among) };
  });

/** Chooses a number below `among`. */
type Choose = (among: number) => number;

function spaced(value: Json, choose: Choose): string {
  const space = (): string => ['', '', '', ' ', '\n\t', '\r\n'][choose(6)] as string;
  return `${space()}${written(value, choose)}${space()}`;
}

function written(value: Json, choose: Choose): string {
  if (typeof value === 'string') return quoted(value, choose);
  if (typeof value === 'number') return double(value, choose);
  if (Array.isArray(value)) return `[${value.map((item) => spaced(item, choose)).join()}]`;
  if (value === null || typeof value !== 'object') return String(value);
  const members = Object.entries(value);
  const rotated = [...members, ...members].slice(choose(members.length + 1)).slice(0, members.length);
  const texts = rotated.map(([name, item]) => `${spaced(name, choose)}:${spaced(item, choose)}`);
  return `{${texts.join()}${members.length === 0 ? ['', ' '][choose(2)] : ''}}`;
}

const SHORT_ESCAPES = { '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '"': '"', '\\': '\\', '/': '/' };

function quoted(text: string, choose: Choose): string {
  const characters = [...text].map((character) => {
    const short = SHORT_ESCAPES[character as keyof typeof SHORT_ESCAPES];
    if (short !== undefined && choose(2) === 0) return `\\${short}`;
    const mustEscape = character < ' ' || character === '"' || character === '\\';
    return mustEscape || choose(4) === 0 ? unitsEscaped(character, choose) : character;
  });
  return `"${characters.join('')}"`;
}

function unitsEscaped(character: string, choose: Choose): string {
  const units = character.split('').map((unit) => {
    const digits = unit.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${choose(2) === 0 ? digits : digits.toUpperCase()}`;
  });
  return units.join('');
}

function double(value: number, choose: Choose): string {
  const exponential = value.toExponential();
  const signed = Object.is(value, -0) ? `-${exponential}` : exponential;
  const plain = Object.is(value, -0) ? '-0' : String(value);
  return [signed, signed.toUpperCase(), /[.e]/.test(plain) ? plain : `${plain}.0`][choose(3)] as string;
}
