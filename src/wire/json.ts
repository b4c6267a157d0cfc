/**
 * A strict JSON reader (spec, section 2, "Reading rules"), led by what is expected: the caller asks for a struct, a string, an integer; what it
 * does not ask for is checked and passed over without being built. So integers are exact, repeated known members are errors, and nothing
 * grows with what is ignored.
 */

import { isAscii, isUtf8 } from 'node:buffer';
import { LIMITS } from '../engine/limits.js';

/** A text is not JSON, or not what was expected. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const SMALL_A = 0x61;
const SMALL_E = 0x65;
const SMALL_F = 0x66;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
/** A text that is too long to be kept for one of its strings, characters. */
const LONG_TEXT = 256;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Reads one JSON value out of some bytes with `read`, and nothing after it. Throws a JsonError. */
export function readJson<T>(bytes: Buffer, read: (reader: JsonReader) => T): T {
  const ascii = isAscii(bytes);
  if (!ascii && !isUtf8(bytes)) throw new JsonError('the text is not UTF-8');
  const reader = new JsonReader(bytes.toString(ascii ? 'latin1' : 'utf8'));
  const value = read(reader);
  reader.end();
  return value;
}

/** Walks through a JSON text. Every method reads one value at the place reached, or throws a JsonError. */
export class JsonReader {
  private at = 0;

  constructor(private readonly text: string) {}

  /** A string. */
  string(): string {
    if (this.peek() !== QUOTE) throw this.expected('a string');
    return this.quoted(false);
  }

  /** A string that may be kept for long: V8 keeps the whole text for a piece of it. */
  keptString(): string {
    const value = this.string();
    return this.text.length > LONG_TEXT ? Buffer.from(value).toString() : value;
  }

  /** An integer from 0 to `max`, written without fraction or exponent; `-0` is none. */
  integer(max: bigint): bigint {
    const literal = this.number();
    const value = /^[0-9]+$/.test(literal) && literal.length < 40 ? BigInt(literal) : undefined;
    if (value === undefined || value > max) throw this.wrong(`${shown(literal)} is not an integer from 0 to ${max}`);
    return value;
  }

  /** The same for what fits a double: `max` is at most 2^53 − 1. */
  smallInteger(max: number): number {
    const literal = this.number();
    const value = /^[0-9]{1,16}$/.test(literal) ? Number(literal) : Number.POSITIVE_INFINITY;
    if (value > max) throw this.wrong(`${shown(literal)} is not an integer from 0 to ${max}`);
    return value;
  }

  /** A double: the nearest to what is written, which must be in range. */
  double(): number {
    const literal = this.number();
    const value = Number(literal);
    if (!Number.isFinite(value)) throw this.wrong(`${shown(literal)} is out of a double's range`);
    return value;
  }

  /** `true` or `false`. */
  boolean(): boolean {
    if (this.literal('true')) return true;
    if (this.literal('false')) return false;
    throw this.expected('true or false');
  }

  /** Whether a null stands here; it is read then. */
  null(): boolean {
    return this.literal('null');
  }

  /** An array's items, each read by `item`, as many as are wanted; others are passed over. */
  array<T>(item: () => T, wanted = Number.POSITIVE_INFINITY): T[] {
    const items: T[] = [];
    if (this.peek() !== OPEN_ARRAY) throw this.expected('an array');
    this.at++;
    for (let more = !this.closes(CLOSE_ARRAY); more; more = this.goesOn(CLOSE_ARRAY)) {
      if (items.length === wanted) {
        this.skip([CLOSE_ARRAY]);
        break;
      }
      items.push(item());
    }
    return items;
  }

  /**
   * An object with known members, or an array that holds them all in that order but for `optional` ones at its end. `read` is called for
   * each member with its position among `names`. Unknown members are passed over, even repeated; a repeated known member is an error, and
   * so is a missing one that is not among `optional`. An array has only the first `positions` of them.
   */
  struct(
    names: readonly string[],
    read: (member: number) => void,
    optional: readonly string[] = [],
    positions = names.length,
  ): void {
    const opening = this.peek();
    if (opening === OPEN_ARRAY) return this.structAsArray(names.slice(0, positions), read, optional);
    if (opening !== OPEN_OBJECT) throw this.expected('an object');
    this.at++;
    let found = 0;
    for (let more = !this.closes(CLOSE_OBJECT); more; more = this.goesOn(CLOSE_OBJECT)) {
      const name = this.memberName();
      const member = names.indexOf(name);
      if (member < 0) {
        this.skip();
        continue;
      }
      if (found & (1 << member)) throw this.wrong(`member ${name} is repeated`);
      found |= 1 << member;
      read(member);
    }
    if (found !== (1 << names.length) - 1) this.mustNotMiss(names, (member) => (found & (1 << member)) !== 0, optional);
  }

  /** An externally tagged value: `"Tag"`, or an object with exactly one member. `read` gets the tag, and whether a value is there. */
  tagged<T>(read: (tag: string, hasValue: boolean) => T): T {
    const opening = this.peek();
    if (opening === QUOTE) return read(this.string(), false);
    if (opening !== OPEN_OBJECT) throw this.expected('a message');
    this.at++;
    if (this.closes(CLOSE_OBJECT)) throw this.wrong('a message has one member: its kind');
    const value = read(this.memberName(), true);
    if (this.goesOn(CLOSE_OBJECT)) throw this.wrong('a second member stands beside the message');
    return value;
  }

  /**
   * Passes over any value, and what is left of those that it stands in, where their closings are given. Its strings may hold lone surrogates and
   * its numbers be out of range; it may nest 256 deep.
   */
  skip(closing: number[] = []): void {
    for (;;) {
      const byte = this.peek();
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        const close = byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
        if (closing.length === LIMITS.jsonDepth) throw this.wrong('the text nests too deeply');
        this.at++;
        if (!this.closes(close)) {
          closing.push(close);
          if (close === CLOSE_OBJECT) this.skipName();
          continue;
        }
      } else if (byte === QUOTE) this.quoted(true);
      else if (byte < SMALL_A) this.number();
      else if (!this.literal('null') && !this.literal('true') && !this.literal('false')) this.number();

      // A value has ended: so may what it stands in.
      let close = closing.at(-1);
      while (close !== undefined && !this.goesOn(close)) {
        closing.pop();
        close = closing.at(-1);
      }
      if (close === undefined) return;
      if (close === CLOSE_OBJECT) this.skipName();
    }
  }

  /** The end of the text. */
  end(): void {
    if (!Number.isNaN(this.peek())) throw this.wrong('text after the value');
  }

  private structAsArray(names: readonly string[], read: (member: number) => void, optional: readonly string[]): void {
    this.at++;
    let member = 0;
    for (let more = !this.closes(CLOSE_ARRAY); more; more = this.goesOn(CLOSE_ARRAY)) {
      if (member === names.length) throw this.wrong(`an array for an object has ${names.length} items`);
      read(member++);
    }
    if (member < names.length) this.mustNotMiss(names, (known) => known < member, optional);
  }

  private mustNotMiss(
    names: readonly string[],
    isFound: (member: number) => boolean,
    optional: readonly string[],
  ): void {
    const missing = names.find((name, member) => !isFound(member) && !optional.includes(name));
    if (missing !== undefined) throw this.wrong(`member ${missing} is missing`);
  }

  private memberName(): string {
    if (this.peek() !== QUOTE) throw this.expected('a member name');
    const name = this.quoted(false);
    this.colon();
    return name;
  }

  private skipName(): void {
    if (this.peek() !== QUOTE) throw this.expected('a member name');
    this.quoted(true);
    this.colon();
  }

  private colon(): void {
    if (this.peek() !== COLON) throw this.expected('a colon');
    this.at++;
  }

  /** After an opening: whether it closes at once; it is read then. */
  private closes(close: number): boolean {
    if (this.peek() !== close) return false;
    this.at++;
    return true;
  }

  /** After an item: whether a comma and another follow, or the closing; that is read. */
  private goesOn(close: number): boolean {
    const byte = this.peek();
    if (byte !== COMMA && byte !== close) throw this.expected(`a comma or ${String.fromCharCode(close)}`);
    this.at++;
    if (byte === COMMA && this.peek() === close) throw this.wrong('a comma stands before the end');
    return byte === COMMA;
  }

  /** A string, from its opening quote on. A `passed` one is only checked: its lone surrogates stand. */
  private quoted(passed: boolean): string {
    const { text } = this;
    const start = ++this.at;
    let built = '';
    let from = start;
    let surrogates = false;
    for (;;) {
      const unit = text.charCodeAt(this.at);
      if (unit === QUOTE) break;
      if (unit === BACKSLASH) {
        if (!passed) built += text.slice(from, this.at);
        const escaped = this.escape();
        surrogates ||= escaped >= '\ud800' && escaped <= '\udfff';
        if (!passed) built += escaped;
        from = this.at;
      } else if (unit >= 0x20) this.at++;
      else
        throw Number.isNaN(unit)
          ? this.wrong('a string does not end')
          : this.wrong('a control character stands in a string');
    }
    const value = passed ? '' : built + text.slice(from, this.at);
    this.at++;
    if (surrogates && !passed && LONE_SURROGATE.test(value)) throw this.wrong('a lone surrogate stands in a string');
    return value;
  }

  private escape(): string {
    const kind = this.text[this.at + 1] ?? '';
    if (kind === 'u') {
      let unit = 0;
      for (let at = this.at + 2; at < this.at + 6; at++) unit = 16 * unit + hexDigit(this.text.charCodeAt(at));
      if (Number.isNaN(unit)) throw this.wrong('an escape has four hexadecimal digits');
      this.at += 6;
      return String.fromCharCode(unit);
    }
    const character = ESCAPED[kind];
    if (character === undefined) throw this.wrong('an unknown escape stands in a string');
    this.at += 2;
    return character;
  }

  private number(): string {
    const { text } = this;
    let unit = this.peek();
    let end = this.at;
    while (unit >= ZERO && unit <= NINE) unit = text.charCodeAt(++end);
    // Most are digits alone, and end where something else begins: whatever else a number may be is left to the pattern.
    const isWhole = end > this.at && unit !== POINT && (unit | 0x20) !== SMALL_E;
    if (!isWhole || (end > this.at + 1 && text.charCodeAt(this.at) === ZERO)) return this.patterned();
    const literal = text.slice(this.at, end);
    this.at = end;
    return literal;
  }

  private patterned(): string {
    NUMBER.lastIndex = this.at;
    if (!NUMBER.test(this.text)) throw this.expected('a value of the right kind');
    const literal = this.text.slice(this.at, NUMBER.lastIndex);
    this.at = NUMBER.lastIndex;
    const next = this.text.charCodeAt(this.at);
    // `01`, `1.` and `1e` stop in the middle of what looks like a number.
    if ((next >= ZERO && next <= NINE) || next === POINT || (next | 0x20) === SMALL_E)
      throw this.wrong('a number is malformed');
    return literal;
  }

  private literal(word: string): boolean {
    this.peek();
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  /** Passes over white space; the code unit that follows, NaN at the end. */
  private peek(): number {
    for (;;) {
      const unit = this.text.charCodeAt(this.at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return unit;
      this.at++;
    }
  }

  private expected(what: string): JsonError {
    return this.at < this.text.length
      ? this.wrong(`expected ${what}`)
      : this.wrong(`the text ends where ${what} is expected`);
  }

  private wrong(what: string): JsonError {
    return new JsonError(`${what}, at character ${this.at}`);
  }
}

/** What a hexadecimal digit stands for; NaN for anything else. */
function hexDigit(unit: number): number {
  if (unit >= ZERO && unit <= NINE) return unit - ZERO;
  const small = unit | 0x20;
  return small >= SMALL_A && small <= SMALL_F ? small - SMALL_A + 10 : Number.NaN;
}

/** What a peer has sent, short enough for an error. */
function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
