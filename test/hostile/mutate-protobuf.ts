/** Breaks protobuf messages that are good: their fields, and then their bytes. */

import { tag, varint } from '../support/protobuf-bytes.js';
import type { Choose } from '../support/seeded.js';
import { broken, pick } from './mutate.js';

/** A field of a message. What has a length may itself be fields. */
interface Field {
  number: number;
  wireType: number;
  content: Buffer | Field[];
}

/** How many bytes a value has that has no length, by wire type; 0: a varint. */
const FIXED: Readonly<Record<number, number>> = { 0: 0, 1: 8, 5: 4 };

const DELIMITED = 2;

/** How deep messages of ours lie within each other. */
const DEEPEST = 5;

const NUMBERS = [0, 1, 2, 3, 5, 6, 15, 16, 2_047, 0x1fff_ffff];

const VARINTS = [
  ...['00', '01', '7f', '8000', 'ffffffff0f', 'ffffffffffffffff7f', 'ffffffffffffffffff01', 'ffffffffffffffffff7f'],
  ...['80', 'ffffffffffffffffffff01', '8080808080808080808000'],
].map((hex) => Buffer.from(hex, 'hex'));

const CONTENTS = [
  ...['', '00', 'ff', 'c328', 'eda080', 'f0288cbc', '0800', '0a00', '0b', '0c', '0d', '1200', '3200'],
  ...['61'.repeat(256), '61'.repeat(257), '00'.repeat(31), '00'.repeat(32), 'ff'.repeat(2_000)],
  ...['000000000000f07f', '000000000000f87f', '0000000000000080', '0100000000000000', 'ffffffffffffef7f'],
].map((hex) => Buffer.from(hex, 'hex'));

/** Breaks one of some messages. */
export function brokenProtobuf(messages: readonly Buffer[], choose: Choose): Buffer {
  const message = pick(messages, choose);
  const fields = fieldsOf(message);
  // What is no message, as some of the vectors, is broken as it is.
  if (fields === undefined) return broken(message, 3, choose);
  for (let times = choose(3); times > 0; times--) change(fields, choose);
  return broken(encoded(fields), choose(2), choose);
}

/** Changes a field somewhere in a message. */
function change(fields: Field[], choose: Choose): void {
  const at = choose(fields.length + 1);
  const field = fields[at];
  if (field === undefined) {
    fields.push({ number: pick(NUMBERS, choose), wireType: DELIMITED, content: pick(CONTENTS, choose) });
    return;
  }
  // Deep places are as likely as outer ones.
  if (Array.isArray(field.content) && choose(4) > 0) return change(field.content, choose);
  pick(CHANGES, choose)(fields, at, field, choose);
}

type Change = (fields: Field[], at: number, field: Field, choose: Choose) => void;

const CHANGES: readonly Change[] = [
  // Left out, told again, told often, or in another place.
  (fields, at) => void fields.splice(at, 1),
  (fields, _at, field) => void fields.push(field),
  (fields, at, field, choose) => void fields.splice(at, 0, ...Array<Field>(choose(300)).fill(field)),
  (fields, at, _field, choose) => void fields.splice(choose(fields.length), 0, ...fields.splice(at, 1)),
  // Another field's number, or another type.
  (_fields, _at, field, choose) => {
    field.number = pick(NUMBERS, choose);
  },
  (_fields, _at, field, choose) => {
    field.wireType = choose(8);
  },
  // Another value.
  (_fields, _at, field, choose) => {
    field.content = pick(field.wireType === 0 ? VARINTS : CONTENTS, choose);
  },
  // Within itself.
  (_fields, _at, field, choose) => {
    for (let times = choose(100); times > 0; times--) field.content = [{ ...field }];
    field.wireType = DELIMITED;
  },
];

/** The fields of a message; undefined where the bytes are none. */
function fieldsOf(bytes: Buffer, depth = 0): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const number = (): number | undefined => {
    let value = 0;
    for (let place = 0; place < 7 && at < bytes.length; place++) {
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * 2 ** (7 * place);
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const key = number();
    if (key === undefined || key < 8) return undefined;
    const wireType = key % 8;
    const from = at;
    const fixed = FIXED[wireType];
    if (fixed === undefined && wireType !== DELIMITED) return undefined;
    let to = from + (fixed ?? 0);
    if (fixed === 0) {
      // Its value does not matter.
      while (to < bytes.length && (bytes[to] as number) >= 0x80) to++;
      to++;
    }
    if (wireType === DELIMITED) {
      const length = number();
      if (length === undefined) return undefined;
      to = at + length;
    }
    if (to > bytes.length) return undefined;
    const content = bytes.subarray(wireType === DELIMITED ? at : from, to);
    const inner =
      wireType === DELIMITED && content.length > 0 && depth < DEEPEST ? fieldsOf(content, depth + 1) : undefined;
    fields.push({ number: Math.floor(key / 8), wireType, content: inner ?? content });
    at = to;
  }
  return fields;
}

function encoded(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(({ number, wireType, content }) => {
      const bytes = Array.isArray(content) ? encoded(content) : content;
      return wireType === DELIMITED
        ? [tag(number, wireType), varint(bytes.length), bytes]
        : [tag(number, wireType), bytes];
    }),
  );
}
