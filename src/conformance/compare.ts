/** Whether what a validator said is what it must say: by value, with further members allowed (test/vectors/README.md, "Comparing"). */

import { isLosslessNumber, type LosslessNumber, parse } from 'lossless-json';

/** A validator has said something else than it must, or nothing. */
export class Difference extends Error {
  override readonly name = 'Difference';
}

/** What a text ends with whose rest is left open. */
const OPEN_END = '…';

/** Holds a JSON text against the expected one. Throws a Difference. */
export function mustBeJson(expected: string, received: string): void {
  let value: unknown;
  try {
    value = parse(received);
  } catch (error) {
    throw new Difference(`it sent what is not JSON (${(error as Error).message}): ${short(received)}`);
  }
  if (!isSame(parse(expected), value)) throw new Difference(`expected ${short(expected)}, received ${short(received)}`);
}

/** Holds a decoded message against the expected one. Throws a Difference. */
export function mustBeMessage(expected: object, received: object): void {
  if (!isSame(expected, received)) throw new Difference(`expected ${shown(expected)}, received ${shown(received)}`);
}

/** A text for one line of a report. */
export function short(text: string): string {
  return text.length > 600 ? `${text.slice(0, 600)}… (${text.length} characters)` : text;
}

function isSame(expected: unknown, received: unknown, name = ''): boolean {
  if (isLosslessNumber(expected)) return isLosslessNumber(received) && isSameNumber(expected, received);
  if (Buffer.isBuffer(expected)) return Buffer.isBuffer(received) && expected.equals(received);
  if (Array.isArray(expected)) {
    if (!Array.isArray(received) || received.length !== expected.length) return false;
    return expected.every((item, position) => isSame(item, received[position]));
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof received !== 'object' || received === null) return false;
    return Object.entries(expected).every(([member, value]) =>
      isSame(value, (received as Record<string, unknown>)[member], member),
    );
  }
  if (name === 'message' && typeof expected === 'string' && expected.endsWith(OPEN_END)) {
    return typeof received === 'string' && received.startsWith(expected.slice(0, -OPEN_END.length));
  }
  return Object.is(expected, received);
}

/** Integers exactly, and as integers; others as the doubles that they are. */
function isSameNumber({ value: expected }: LosslessNumber, { value: received }: LosslessNumber): boolean {
  const integer = /^-?[0-9]{1,100}$/;
  if (integer.test(expected)) return integer.test(received) && BigInt(expected) === BigInt(received);
  return Object.is(Number(expected), Number(received));
}

function shown(message: object): string {
  return short(
    JSON.stringify(message, (_, value: unknown) => {
      if (typeof value === 'bigint') return String(value);
      const bytes = value as { type?: unknown; data?: unknown } | null;
      return bytes?.type === 'Buffer' ? Buffer.from(bytes.data as number[]).toString('hex') : value;
    }),
  );
}
