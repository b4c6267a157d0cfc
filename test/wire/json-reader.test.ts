import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_U64, MAX_U128 } from '../../src/engine/bytes.js';
import { LIMITS } from '../../src/engine/limits.js';
import { JsonError, type JsonReader, readJson } from '../../src/wire/json.js';
import { anyJson, exact, type Json } from '../support/json-text.js';

const MAX_U32 = 0xffff_ffff;

function read<T>(text: string | Buffer, read: (json: JsonReader) => T): T {
  return readJson(Buffer.from(text), read);
}

/** Reads what is expected to be a value's text: the value says what to ask for, as callers do. */
function readLike(json: JsonReader, value: Json): Json {
  if (value === null) return json.null() ? null : 'no null';
  if (typeof value === 'string') return json.string();
  if (typeof value === 'boolean') return json.boolean();
  if (typeof value === 'bigint') return json.integer(MAX_U128);
  if (typeof value === 'number') return json.double();
  if (Array.isArray(value)) {
    let item = 0;
    return json.array(() => readLike(json, value[item++] ?? null));
  }
  const names = Object.keys(value).sort();
  const members: Record<string, Json> = {};
  json.struct(names, (member) => {
    const name = names[member] as string;
    members[name] = readLike(json, value[name] as Json);
  });
  return members;
}

/** A value with its integers as doubles: what a reader makes of them that knows no others. */
function inDoubles(value: Json): Json {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(inDoubles);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, inDoubles(item)]));
}

/** Whether the reader takes some bytes as one JSON value. */
function taken(bytes: Buffer): boolean {
  try {
    readJson(bytes, (json) => json.skip());
    return true;
  } catch (error) {
    if (error instanceof JsonError) return false;
    throw error;
  }
}

/** Whether the platform's own UTF-8 and JSON readers take them. */
function takenByPlatform(bytes: Buffer): boolean {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/** Checks that each text is refused, for its reason. */
function refuses(ask: (json: JsonReader) => unknown, table: Readonly<Record<string, RegExp>>): void {
  for (const [text, reason] of Object.entries(table)) {
    expect(() => read(text, ask), JSON.stringify(text)).to.throw(JsonError, reason);
  }
}

describe('The JSON reader', () => {
  describe('Any JSON text', () => {
    it('is read to the value that other readers find, with exact integers', () => {
      fc.assert(
        fc.property(anyJson, ({ value, text }) => {
          expect(exact(text)).to.deep.equal(value);
          expect(JSON.parse(text)).to.deep.equal(inDoubles(value));
          expect(read(text, (json) => readLike(json, value))).to.deep.equal(value);
        }),
        { numRuns: 400 },
      );
    });

    it('is passed over whole where nobody asks for it', () => {
      fc.assert(
        fc.property(anyJson, ({ text }) => {
          const after = read(`[${text},7]`, (json) => {
            let item = 0;
            return json.array(() => (item++ === 0 ? json.skip() : json.smallInteger(9)));
          });
          expect(after).to.deep.equal([undefined, 7]);
        }),
        { numRuns: 400 },
      );
    });

    it('is passed over as an unknown member of an object', () => {
      fc.assert(
        fc.property(anyJson, ({ text }) => {
          let known = 0;
          read(`{"x":${text},"known":7,"x":${text}}`, (json) =>
            json.struct(['known'], () => {
              known = json.smallInteger(9);
            }),
          );
          expect(known).to.equal(7);
        }),
        { numRuns: 200 },
      );
    });

    it('is taken with any bytes changed, added, repeated or taken away exactly where the platform takes it', () => {
      const anyByte = fc.oneof(
        fc.constantFrom(...Buffer.from('{}[]",:\\/ \t\n\r0123456789.eE+-truefalsn\u0000\u001f\u007f\ufeffé\u2028')),
        fc.nat(255),
      );
      const anyChange = fc.record({ at: fc.nat(), length: fc.nat(3), bytes: fc.array(anyByte, { maxLength: 2 }) });
      fc.assert(
        fc.property(
          anyJson,
          fc.array(anyChange, { minLength: 1, maxLength: 3 }),
          fc.boolean(),
          (json, changes, twice) => {
            let bytes = Buffer.from(json.text);
            for (const { at, length, bytes: added } of changes) {
              const from = at % (bytes.length + 1);
              const repeated = twice ? bytes.subarray(from, from + length) : Buffer.alloc(0);
              const rest = bytes.subarray(twice ? from : from + length);
              bytes = Buffer.concat([bytes.subarray(0, from), repeated, Buffer.from(added), rest]);
            }
            expect(taken(bytes), JSON.stringify(bytes.toString())).to.equal(takenByPlatform(bytes));
          },
        ),
        { numRuns: 10_000 },
      );
    });

    it('is taken exactly where the platform takes it, when its characters are thrown together', () => {
      const anySymbol = fc.constantFrom(
        ...['{', '}', '[', ']', '"', ',', ':', '\\', '\\u', 'd83d', '-', '0', '1', '9', '.', 'e', 'E', '+', ' ', '\n'],
        ...['null', 'true', 'false', 'nul', '"a"', '"a":', '\u0001', '\ufeff', 'é'],
      );
      fc.assert(
        fc.property(fc.array(anySymbol, { maxLength: 8 }), (symbols) => {
          const bytes = Buffer.from(symbols.join(''));
          expect(taken(bytes), JSON.stringify(bytes.toString())).to.equal(takenByPlatform(bytes));
        }),
        { numRuns: 12_000 },
      );
    });
  });

  describe('Ignored values', () => {
    const shapes: Readonly<Record<string, (depth: number) => string>> = {
      arrays: (depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`,
      'arrays with neighbours': (depth) => `${'[1,'.repeat(depth)}0${']'.repeat(depth)}`,
      objects: (depth) => `${'{"x":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`,
      'objects in arrays': (depth) => `${'[{"x":'.repeat(depth / 2)}0${'}]'.repeat(depth / 2)}`,
    };

    for (const [what, text] of Object.entries(shapes)) {
      it(`may nest 256 deep and no deeper, as ${what}`, () => {
        const message = (depth: number): string => `{"known":0,"x":${text(depth)}}`;
        const known = (json: JsonReader): void => json.struct(['known'], () => json.smallInteger(9));
        expect(LIMITS.jsonDepth).to.equal(256);
        read(text(256), (json) => json.skip());
        read(message(256), known);
        expect(() => read(message(258), known)).to.throw(JsonError, /the text nests too deeply/);
        expect(() => read(message(100_000), known)).to.throw(JsonError, /the text nests too deeply/);
      });
    }

    it('are refused at a depth of exactly 257', () => {
      for (const shape of [shapes.arrays, shapes.objects]) {
        const text = shape?.(257) ?? '';
        expect(() => read(text, (json) => json.skip())).to.throw(JsonError, /the text nests too deeply/);
      }
    });

    it('may nest as deep again, and again, beside each other', () => {
      const one = shapes.arrays?.(255);
      read(`[${one},${one},${one}]`, (json) => json.skip());
    });

    it('may hold numbers out of every range', () => {
      for (const number of ['1e999', '-1e999', '1e-999', '9'.repeat(400), `0.${'0'.repeat(400)}1`, '1E+0000999'])
        read(`{"x":${number}}`, (json) => json.struct([], () => {}));
    });

    it('may hold lone surrogates, in their strings and in the names within them', () => {
      for (const value of [String.raw`"\ud83d"`, String.raw`"\ude00"`, String.raw`"\ude00\ud83d"`])
        read(`{"x":${value},"y":{${value}:[${value}]}}`, (json) => json.struct([], () => {}));
    });

    it('grow nothing: a million of them are read in a heap that cannot hold them', async () => {
      // The same worker reads the text in both ways; the one that builds values is the proof that its heap is small.
      const text = `[${Array(1_000_000).fill('{"x":[0]}').join()}]`;
      expect(await outcome('readJson(bytes, (json) => json.skip())', text)).to.equal('read');
      expect(await outcome('JSON.parse(bytes.toString())', text)).to.equal('out of memory');
      const members = `{${Array(1_000_000).fill('"x":[0]').join()}}`;
      expect(await outcome('readJson(bytes, (json) => json.struct([], () => {}))', members)).to.equal('read');
    });
  });

  describe('Integers', () => {
    const kinds: Readonly<Record<string, readonly [max: bigint, (json: JsonReader) => bigint]>> = {
      u32: [BigInt(MAX_U32), (json) => BigInt(json.smallInteger(MAX_U32))],
      u64: [MAX_U64, (json) => json.integer(MAX_U64)],
      u128: [MAX_U128, (json) => json.integer(MAX_U128)],
    };

    for (const [kind, [max, ask]] of Object.entries(kinds)) {
      it(`of ${kind} are exact from 0 to ${max}`, () => {
        for (const value of [0n, 1n, 9n, 10n, max / 3n, max - 1n, max]) expect(read(`${value}`, ask)).to.equal(value);
      });

      it(`of ${kind} are refused above`, () => {
        for (const value of [max + 1n, max * 10n, 10n ** 40n, 10n ** 1000n])
          expect(() => read(`${value}`, ask)).to.throw(JsonError, new RegExp(`is not an integer from 0 to ${max}`));
      });

      it(`of ${kind} are numbers without sign, fraction or exponent`, () => {
        refuses(ask, {
          '-0': /^-0 is not an integer/,
          '-1': /^-1 is not an integer/,
          '1.0': /^1\.0 is not an integer/,
          '0.0': /^0\.0 is not an integer/,
          '1e0': /^1e0 is not an integer/,
          '1E0': /^1E0 is not an integer/,
          '1e+2': /^1e\+2 is not an integer/,
          '01': /a number is malformed/,
          '00': /a number is malformed/,
          '1.': /a number is malformed/,
          '1e': /a number is malformed/,
          '1.e1': /a number is malformed/,
          '1e+': /a number is malformed/,
          '-': /expected a value of the right kind/,
          '--1': /expected a value of the right kind/,
          '+1': /expected a value of the right kind/,
          '.5': /expected a value of the right kind/,
          NaN: /expected a value of the right kind/,
          Infinity: /expected a value of the right kind/,
          '"1"': /expected a value of the right kind/,
          null: /expected a value of the right kind/,
          true: /expected a value of the right kind/,
          '[1]': /expected a value of the right kind/,
          '': /the text ends where a value of the right kind is expected/,
          '0x1': /text after the value/,
          '1_000': /text after the value/,
          '1n': /text after the value/,
          '1 2': /text after the value/,
        });
      });
    }

    it('that are long are told short', () => {
      expect(() => read('9'.repeat(100_000), (json) => json.integer(MAX_U64)))
        .to.throw(JsonError)
        .with.property('message')
        .with.lengthOf.below(150);
    });
  });

  describe('Doubles', () => {
    const double = (json: JsonReader): number => json.double();

    it('may be written as integers, with a fraction, with an exponent', () => {
      const table: ReadonlyArray<readonly [string, number]> = [
        ['2', 2],
        ['2.0', 2],
        ['2e0', 2],
        ['20E-1', 2],
        ['0.2e+1', 2],
        ['0', 0],
        ['-0', -0],
        ['-0.0', -0],
        ['-2.5', -2.5],
        ['1e-400', 0],
        ['0e999', 0],
        ['1.7976931348623157e308', Number.MAX_VALUE],
        ['5e-324', Number.MIN_VALUE],
        ['18446744073709551616', 2 ** 64],
      ];
      for (const [text, value] of table) expect(Object.is(read(text, double), value), text).to.equal(true);
    });

    it('out of range, and what is no number, are refused', () => {
      refuses(double, {
        '1e400': /^1e400 is out of a double's range/,
        '-1e400': /^-1e400 is out of a double's range/,
        '1.7976931348623159e308': /out of a double's range/,
        '.5': /expected a value of the right kind/,
        '5.': /a number is malformed/,
        '1e': /a number is malformed/,
        '01': /a number is malformed/,
        '+1': /expected a value of the right kind/,
        NaN: /expected a value of the right kind/,
        '-Infinity': /expected a value of the right kind/,
        '"2.0"': /expected a value of the right kind/,
        null: /expected a value of the right kind/,
      });
    });
  });

  describe('Strings', () => {
    const string = (json: JsonReader): string => json.string();
    const skip = (json: JsonReader): void => json.skip();

    it('hold every escape of JSON and nothing else', () => {
      expect(read(String.raw`"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDe00"`, string)).to.equal('"\\/\b\f\n\r\té😀');
      for (let code = 0x20; code < 0x7f; code++) {
        const escaped = String.fromCharCode(code);
        if ('"\\/bfnrtu'.includes(escaped)) continue;
        refuses(string, { [`"\\${escaped}"`]: /an unknown escape stands in a string/ });
        refuses(skip, { [`"\\${escaped}"`]: /an unknown escape stands in a string/ });
      }
      for (const digits of ['', '1', '12', '123', '12g4', '+123', ' 123', '-123', '0x12', '１２３４']) {
        refuses(string, { [`"\\u${digits}"`]: /an escape has four hexadecimal digits/ });
        refuses(skip, { [`"\\u${digits}"`]: /an escape has four hexadecimal digits/ });
      }
    });

    it('hold no control characters, ignored or not', () => {
      for (let code = 0; code < 0x20; code++) {
        const text = `"a${String.fromCharCode(code)}"`;
        refuses(string, { [text]: /a control character stands in a string, at character 2/ });
        refuses(skip, { [text]: /a control character stands in a string, at character 2/ });
      }
    });

    it('hold every other character as it is', () => {
      const text = '\u007f\u0080\u00a0\u00ad\u2028\u2029\ufeff\ufffd\uffff\u{10ffff}';
      expect(read(`"${text}"`, string)).to.equal(text);
      expect(read('""', string)).to.equal('');
    });

    it('that are asked for hold no lone surrogates, and neither do the names beside them', () => {
      const lone = [String.raw`\ud83d`, String.raw`\ude00`, String.raw`\ude00\ud83d`, String.raw`\ud83dé`];
      const pairs = [String.raw`\ud83d\ud83d\ude00`, String.raw`\ud83d\ude00\ude00`, String.raw`\ud83d😀`];
      for (const text of [...lone, ...pairs]) {
        refuses(string, { [`"${text}"`]: /a lone surrogate stands in a string/ });
        refuses((json) => json.struct([], () => {}), { [`{"${text}":1}`]: /a lone surrogate/ });
        refuses((json) => json.tagged((tag) => tag), { [`{"${text}":1}`]: /a lone surrogate/ });
      }
    });

    it('end', () => {
      for (const ask of [string, skip])
        refuses(ask, {
          '"': /a string does not end/,
          '"a': /a string does not end/,
          '"\\': /an unknown escape/,
          '"\\"': /a string does not end/,
          '"\\u12': /four hexadecimal digits/,
        });
      refuses(string, { a: /expected a string, at character 0/, "'a'": /expected a string/, '1': /expected a string/ });
    });
  });

  describe('Objects', () => {
    const names = ['a', 'b', 'tonce'];
    const members = (json: JsonReader): Record<string, number> => {
      const found: Record<string, number> = {};
      json.struct(
        names,
        (member) => {
          found[names[member] as string] = json.smallInteger(9);
        },
        ['tonce'],
      );
      return found;
    };

    it('have their members in any order, and unknown ones among them, even repeated', () => {
      for (const text of [
        '{"a":1,"b":2,"tonce":3}',
        '{"tonce":3,"b":2,"a":1}',
        ' { "x" : 0 , "a" : 1 , "x" : [ 0 ] , "b" : 2 , "x" : { } , "tonce" : 3 } ',
        String.raw`{"\u0061":1,"b":2,"\u0074once":3}`,
        '{"A":0,"a ":0,"":0,"__proto__":{},"a":1,"b":2,"tonce":3}',
      ])
        expect(read(text, members), text).to.deep.equal({ a: 1, b: 2, tonce: 3 });
    });

    it('may lack optional members', () => {
      expect(read('{"b":2,"a":1}', members)).to.deep.equal({ a: 1, b: 2 });
    });

    it('lack no other, and repeat none that is known', () => {
      refuses(members, {
        '{}': /member a is missing/,
        '{"a":1}': /member b is missing/,
        '{"b":1}': /member a is missing/,
        '{"A":1,"b":1}': /member a is missing/,
        '{"a":1,"b":2,"a":1}': /member a is repeated/,
        '{"a":1,"b":2,"b":3}': /member b is repeated/,
        '{"a":1,"b":2,"tonce":3,"tonce":3}': /member tonce is repeated/,
        '{"a":1,"b":2,"\\u0061":1}': /member a is repeated/,
      });
    });

    it('are objects, and well formed', () => {
      refuses(members, {
        '': /the text ends where an object is expected/,
        null: /expected an object/,
        '"a"': /expected an object/,
        '{': /the text ends where a member name is expected/,
        '{,}': /expected a member name/,
        '{a:1}': /expected a member name/,
        '{1:1}': /expected a member name/,
        '{"a"}': /expected a colon/,
        '{"a" 1}': /expected a colon/,
        '{"a":}': /expected a value of the right kind/,
        '{"a":1': /the text ends where a comma or } is expected/,
        '{"a":1]': /expected a comma or }/,
        '{"a":1 "b":2}': /expected a comma or }/,
        '{"a":1,}': /a comma stands before the end/,
        '{"a":1,,"b":2}': /expected a member name/,
        '{"a":1,"b":2,}': /a comma stands before the end/,
        '{"a":1,"b":2,"x":[1,]}': /a comma stands before the end/,
        '{"a":1,"b":2,"x":{"y":1,}}': /a comma stands before the end/,
        '{"a":1,"b":2,"x":{"y"}}': /expected a colon/,
        '{"a":1,"b":2,"x":{y:1}}': /expected a member name/,
        '{"a":1,"b":2,"x":[1}}': /expected a comma or ]/,
        '{"a":1,"b":2,"x":}': /expected a value of the right kind/,
        '{"a":1,"b":2,"x":nul}': /expected a value of the right kind/,
        '{"a":1,"b":2,"x":nullx}': /expected a comma or }/,
        '{"a":1,"b":2/**/}': /expected a comma or }/,
      });
    });

    it('may stand as arrays of all their members in order', () => {
      expect(read('[1,2,3]', members)).to.deep.equal({ a: 1, b: 2, tonce: 3 });
      expect(read(' [ 1 , 2 , 3 ] ', members)).to.deep.equal({ a: 1, b: 2, tonce: 3 });
      refuses(members, {
        '[]': /member a is missing/,
        '[1]': /member b is missing/,
        '[1,2,3,4]': /an array for an object has 3 items/,
        '[1,2,3,]': /a comma stands before the end/,
        '[1,2,3': /the text ends/,
      });
    });

    it('that stand as arrays may lack optional members at their end', () => {
      expect(read('[1,2]', members)).to.deep.equal({ a: 1, b: 2 });
    });
  });

  describe('Messages', () => {
    const message = (json: JsonReader): [string, unknown] =>
      json.tagged((tag, hasValue) => [tag, hasValue ? json.smallInteger(9) : undefined]);

    it('are a bare tag, or an object of one member', () => {
      expect(read('"Tag"', message)).to.deep.equal(['Tag', undefined]);
      expect(read(' {"Tag" : 1 } ', message)).to.deep.equal(['Tag', 1]);
      expect(read(String.raw`"T\u0061g"`, message)).to.deep.equal(['Tag', undefined]);
    });

    it('have no second member, not even the same', () => {
      refuses(message, {
        '{}': /a message has one member/,
        '{"Tag":1,"x":1}': /a second member stands beside the message/,
        '{"Tag":1,"Tag":1}': /a second member stands beside the message/,
        '{"Tag":1,}': /a comma stands before the end/,
        '["Tag"]': /expected a message/,
        '1': /expected a message/,
        null: /expected a message/,
        '': /the text ends where a message is expected/,
      });
    });
  });

  describe('Other values', () => {
    it('are true, false and null, spelt so', () => {
      expect(read('true', (json) => json.boolean())).to.equal(true);
      expect(read(' false ', (json) => json.boolean())).to.equal(false);
      expect(read(' null ', (json) => json.null())).to.equal(true);
      refuses((json) => json.boolean(), { True: /true or false/, '1': /true or false/, '"true"': /true or false/ });
      refuses((json) => json.boolean(), { '': /the text ends where true or false is expected/ });
    });

    it('are arrays, and no objects for them', () => {
      const numbers = (json: JsonReader): number[] => json.array(() => json.smallInteger(9));
      expect(read('[]', numbers)).to.deep.equal([]);
      expect(read('[ 1,2 , 3]', numbers)).to.deep.equal([1, 2, 3]);
      refuses(numbers, {
        '{}': /expected an array/,
        null: /expected an array/,
        '[1,]': /a comma stands before the end/,
        '[,]': /expected a value/,
        '[1 2]': /expected a comma or ]/,
        '[1': /the text ends where a comma or ] is expected/,
      });
    });
  });

  describe('The text', () => {
    const skip = (json: JsonReader): void => json.skip();

    it('is UTF-8', () => {
      const notUtf8: Readonly<Record<string, string>> = {
        'a stray continuation': '80',
        'a character cut short': 'e282',
        'an overlong NUL': 'c080',
        'an overlong slash': 'e080af',
        'a surrogate': 'eda080',
        'a surrogate pair': 'eda0bdedb880',
        'above U+10FFFF': 'f4908080',
        'no lead byte': 'ff',
      };
      for (const [what, hex] of Object.entries(notUtf8)) {
        const bytes = Buffer.concat([Buffer.from('"'), Buffer.from(hex, 'hex'), Buffer.from('"')]);
        expect(() => readJson(bytes, skip), what).to.throw(JsonError, 'the text is not UTF-8');
      }
    });

    it('begins with no byte-order mark', () => {
      refuses(skip, { '\ufeff1': /expected a value of the right kind, at character 0/ });
    });

    it('holds nothing after the value but white space', () => {
      read('1 \n\r\t', skip);
      refuses(skip, {
        '1 x': /text after the value, at character 2/,
        '1\u0000': /text after the value/,
        '1\u00a0': /text after the value/,
        '1\u000b': /text after the value/,
        '1\ufeff': /text after the value/,
        '{}{}': /text after the value/,
        '"a",': /text after the value/,
      });
    });
  });
});

/** What becomes of reading a text in a worker whose heap holds 16 MiB; the text's own bytes are outside it. */
function outcome(reading: string, text: string): Promise<string> {
  const script = `
    const { workerData: { bytes, url } } = require('node:worker_threads');
    import(url).then(({ readJson }) => ${reading.replace('bytes', 'Buffer.from(bytes)')});`;
  const worker = new Worker(script, {
    eval: true,
    workerData: { bytes: Buffer.from(text), url: new URL('../../src/wire/json.js', import.meta.url).href },
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
  });
  return new Promise((resolve) => {
    worker.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out of memory' : `${error}`);
    });
    worker.once('exit', () => resolve('read'));
  });
}
