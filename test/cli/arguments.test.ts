/** What the programs take on their command line, and what they refuse: with one line and exit code 2. */

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InvalidArgumentError } from 'commander';
import * as read from '../../src/cli/arguments.js';
import { MAX_U128 } from '../../src/engine/bytes.js';
import { type Ended, expectRefusal, run } from '../support/ended.js';
import { temporaryFolder } from '../support/programs.js';
import { present } from '../support/stores.js';

describe('Arguments', () => {
  const taken: [string, (text: string) => unknown, [string, unknown][]][] = [
    [
      'a difficulty is 0x hexadecimal or decimal, 1 to 2^128 − 1',
      read.difficulty,
      [
        ['1', 1n],
        ['0x1', 1n],
        ['0XfF', 255n],
        ['1000', 1_000n],
        ['0x00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF', 0x00ff_ffff_ffff_ffff_ffff_ffff_ffff_ffffn],
        ['340282366920938463463374607431768211455', MAX_U128],
      ],
    ],
    [
      'an address to listen at is HOST:PORT',
      read.listenAddress,
      ['127.0.0.1:0', '0.0.0.0:65535', 'localhost:80', '[::1]:8080'].map((text) => [text, text]),
    ],
    ['gRPC may be off', read.listenAddressOrOff, ['off', '127.0.0.1:0'].map((text) => [text, text])],
    [
      'a validator is at host:port or grpc://host:port, or over TLS at tls://host:port or grpcs://host:port',
      read.validatorAddress,
      ['127.0.0.1:8080', 'grpc://localhost:1', 'grpc://[::1]:65535', 'tls://a.example:1', 'grpcs://[::1]:1'].map(
        (text) => [text, text],
      ),
    ],
    [
      'a block is asked for over gRPC',
      read.grpcAddress,
      ['grpc://127.0.0.1:1', 'grpcs://127.0.0.1:1'].map((text) => [text, text]),
    ],
    [
      'a certificate is for names and addresses',
      read.hosts,
      ['localhost', 'a.b-c.example', '*.example', 'my_host', '10.0.0.5', '2001:db8::1'].map((text) => [text, [text]]),
    ],
    ['a path is any text', read.file, [['tls/ca.pem', 'tls/ca.pem']]],
    ['a name has 1 to 256 bytes', read.name, ['a', 'é'.repeat(128), ' '].map((text) => [text, text])],
    [
      'a whole number lies within its bounds',
      read.integer(1, 1_000),
      [
        ['1', 1],
        ['1000', 1_000],
        ['0007', 7],
      ],
    ],
    [
      'a clock speed is above 0 and at most 1,000,000',
      read.clockSpeed,
      [
        ['0.5', 0.5],
        ['600', 600],
        ['1000000', 1_000_000],
      ],
    ],
    [
      'threads are 1 to 256, or all that the host has',
      read.threads,
      [
        ['1', 1],
        ['256', 256],
        ['all', Math.min(availableParallelism(), 256)],
      ],
    ],
    ['a hash has 64 digits of either case', read.hash, [['aB'.repeat(32), Buffer.alloc(32, 0xab)]]],
    [
      'a block is an index, a hash or the tip',
      read.blockName,
      [
        ['0', { index: 0 }],
        ['4294967295', { index: 0xffff_ffff }],
        ['AB'.repeat(32), { hash: Buffer.alloc(32, 0xab) }],
        ['tip', 'tip'],
      ],
    ],
  ];
  for (const [what, reader, values] of taken) {
    it(`Taken: ${what}`, () => {
      for (const [text, value] of values) expect(reader(text), text).to.deep.equal(value);
    });
  }

  const refused: [string, (text: string) => unknown, string[]][] = [
    [
      'difficulties',
      read.difficulty,
      ['', '0', '0x0', '0x', '-1', '1.0', '1e3', 'FF', '0xG', ' 1', '1 ', String(MAX_U128 + 1n), '9'.repeat(70)],
    ],
    [
      'addresses to listen at',
      read.listenAddress,
      ['', '127.0.0.1', ':80', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:-1', '127.0.0.1:8x', '::1:80', 'off'],
    ],
    [
      'addresses of validators',
      read.validatorAddress,
      [
        '',
        'host',
        'host:0',
        'grpc://host',
        'tls://host:0',
        'http://host:80',
        'https://host:80',
        'grpc://tls://host:80',
      ],
    ],
    ['addresses on gRPC', read.grpcAddress, ['', '127.0.0.1:8080', 'grpc://host', 'GRPC://host:80', 'tls://host:80']],
    [
      'names of hosts',
      read.hosts,
      ['', 'a b', 'a:1', '[::1]', 'fe80::1%eth0', 'http://a', 'a..b', '.a', 'a/b', 'é', 'a'.repeat(64), 'a.*', 'a,b'],
    ],
    ['folders', read.folder, ['']],
    ['files', read.file, ['']],
    ['numbers of threads', read.threads, ['', '0', '257', '1.5', '-1', 'ALL', 'all ']],
    ['names', read.name, ['', 'a'.repeat(257), 'é'.repeat(129)]],
    [
      'whole numbers',
      read.integer(1, 1_000),
      ['', '0', '1001', '-1', '+1', '1.0', '1e2', '0x10', 'x', '9'.repeat(400)],
    ],
    ['clock speeds', read.clockSpeed, ['', '0', '0.0', '-1', '1000000.1', '1e3', 'fast', 'Infinity', '.5', '5.']],
    ['hashes', read.hash, ['', 'ab', 'g'.repeat(64), 'a'.repeat(63), 'a'.repeat(65)]],
    ['blocks', read.blockName, ['', '-1', '4294967296', '1.0', 'top', 'TIP', 'a'.repeat(63)]],
  ];
  for (const [what, reader, texts] of refused) {
    it(`Refused: ${what}`, () => {
      for (const text of texts) expect(() => reader(text), text).to.throw(InvalidArgumentError, /[Ww]rite /);
    });
  }
});

describe('Wrong arguments end the real program with one line on stderr and exit code 2', () => {
  const folder = temporaryFolder();
  const data = join(folder.path, 'data');

  const FORMS = 'Write host:port or tls://host:port for JSON/TCP, grpc://host:port or grpcs://host:port for gRPC.';

  const rows: [string, string[], string, NodeJS.ProcessEnv?][] = [
    ['validator: address', ['validator', '127.0.0.1'], 'Write HOST:PORT'],
    ['validator: difficulty', ['validator', '127.0.0.1:0', '0xZZ'], 'Write 0x hexadecimal or decimal, 1 to 2^128 - 1.'],
    ['validator: a third argument', ['validator', '127.0.0.1:0', '1', '2'], 'too many arguments'],
    ['validator: --grpc', ['validator', '127.0.0.1:0', '--grpc', 'on'], "'--grpc <address>' argument 'on' is invalid"],
    ['validator: --timescale', ['validator', '--timescale', 'gps'], 'Allowed choices are tai, utc.'],
    ['validator: --log-level', ['validator', '--log-level', 'loud'], 'trace, debug, info, warn, error, silent.'],
    ['validator: --clock-speed', ['validator', '--clock-speed', '0'], 'Write a number above 0, at most 1000000.'],
    ['validator: --data without a folder', ['validator', '--data'], "option '--data <dir>' argument missing"],
    [
      'validator: a variable',
      ['validator'],
      "'fast' from env 'HOURCOIN_CLOCK_SPEED' is invalid",
      { HOURCOIN_CLOCK_SPEED: 'fast' },
    ],
    ['validator: --data of no name', ['validator', '--data', ''], 'Write a path.'],
    ['miner: id', ['miner', 'm'.repeat(257)], 'Write 1 to 256 bytes of UTF-8.'],
    ['miner: validator', ['miner', 'alice', 'nowhere'], FORMS],
    ['miner: reward address', ['miner', 'alice', '127.0.0.1:1', ''], 'Write 1 to 256 bytes of UTF-8.'],
    ['miner: a fourth argument', ['miner', 'a', '127.0.0.1:1', 'b', 'c'], 'too many arguments'],
    ['miner: --blocks', ['miner', '--blocks', '0'], 'Write a whole number from 1 to 1000000000.'],
    ['miner: --timeout', ['miner', '--timeout', '1s'], 'Write a whole number from 1 to 3600000.'],
    ['miner: --max-attempts', ['miner', '--max-attempts', '-1'], 'Write a whole number from 1 to 1000000.'],
    ['miner: --index', ['miner', '--index', '4294967296'], 'Write a whole number from 0 to 4294967295.'],
    ['miner: --prev-hash', ['miner', '--prev-hash', 'abc'], 'Write 64 hexadecimal digits.'],
    ['status: validator', ['status', 'nowhere'], FORMS],
    ['block: none', ['block'], "missing required argument 'block'"],
    ['block: block', ['block', 'first'], 'Write an index, a hash of 64 hexadecimal digits, or tip.'],
    [
      'block: a validator on JSON/TCP',
      ['block', '0', '127.0.0.1:1'],
      'This needs gRPC: write grpc://host:port or grpcs://host:port.',
    ],
    ['verify: --data of no name', ['verify', '--data', ''], 'Write a path.'],
    ['verify: an argument', ['verify', 'data'], 'too many arguments'],
    ['backup: none', ['backup'], "missing required argument 'dir'"],
    ['backup: of no name', ['backup', ''], 'Write a path.'],
    ['restore: none', ['restore'], "missing required argument 'backup'"],
    ['export: none', ['export'], "missing required argument 'file'"],
    ['export: --from', ['export', '-', '--from', '-1'], 'Write a whole number from 0 to 4294967295.'],
    ['export: --to', ['export', '-', '--to', 'tip'], 'Write a whole number from 0 to 4294967295.'],
    ['import: none', ['import'], "missing required argument 'file'"],
    ['demo: --miners', ['demo', '--miners', '101'], 'Write a whole number from 1 to 100.'],
    ['demo: --clock-speed', ['demo', '--clock-speed', 'x'], 'Write a number above 0, at most 1000000.'],
    ['demo: --seconds', ['demo', '--seconds', '0'], 'Write a whole number from 1 to 86400.'],
    ['tls: no folder', ['tls', 'init'], "missing required argument 'dir'"],
    ['tls: no miner id', ['tls', 'client', 'tls'], "missing required argument 'miner-id'"],
    ['tls: an unknown command', ['tls', 'make'], "unknown command 'make'"],
    ['an unknown command', ['mine'], "unknown command 'mine'"],
    ['an unknown option', ['status', '--xml'], "unknown option '--xml'"],
  ];

  /** Run three at a time: each takes as long as Node does to start. */
  const endings = new Map<string, Ended>();
  before(async () => {
    const waiting = [...rows];
    const runner = async (): Promise<void> => {
      for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
        const [name, args, , env] = row;
        endings.set(name, await run(args, { HOURCOIN_DATA: data, ...env }));
      }
    };
    await Promise.all([runner(), runner(), runner()]);
  }).timeout(60_000);
  after(() => folder.remove());

  for (const [name, , why] of rows) {
    it(name, () => expectRefusal(present(endings.get(name)), 2, why));
  }

  it('No data folder was made', () => {
    expect(existsSync(data)).to.equal(false);
  });

  it('No command at all: where to find them, and exit code 2', async () => {
    expectRefusal(await run([]), 2, 'which command? See hourcoin --help');
  });

  it('`--help` of each command says what is taken by default, and is no error', async () => {
    const helps = await Promise.all(['validator', 'miner', 'block'].map((command) => run([command, '--help'])));
    expect(helps.map(({ code }) => code)).to.deep.equal([0, 0, 0]);
    const [validator, miner, block] = helps.map(({ stdout }) => stdout);
    for (const text of [
      '"127.0.0.1:8080"',
      '"127.0.0.1:50051"',
      '"./hourcoin-data"',
      '"info"',
      'HOURCOIN_CLOCK_SPEED',
    ]) {
      expect(validator).to.include(text);
    }
    for (const text of ['miner_ and a random number', '"127.0.0.1:8080"', '10000', '100000'])
      expect(miner).to.include(text);
    expect(block).to.include('"grpc://127.0.0.1:50051"');
  });
});
