import { expect } from 'chai';
import fc from 'fast-check';
import {
  ChainCode,
  type GetBlockchainInfoResponse,
  type RoundInfo,
  type SubmitBlockResponse,
  SubmitResult,
  Timescale,
} from '../../gen/hourcoin/v1/validator_service.js';
import { MAX_U64, MAX_U128, NO_HASH } from '../../src/engine/bytes.js';
import { Fault } from '../../src/engine/fault.js';
import { CHAIN_CODE_NAMES, RESULT_NAMES } from '../../src/engine/verdict.js';
import {
  blockchainInfoFromJson,
  blockchainInfoToJson,
  blockResultFromJson,
  blockResultToJson,
  errorToJson,
  lockoutStatusFromJson,
  lockoutStatusToJson,
  notTakenToJson,
  refusedToJson,
  roundInfoFromJson,
  roundInfoToJson,
  TIMESCALE_NAMES,
} from '../../src/wire/answers.js';
import { JsonError } from '../../src/wire/json.js';
import { doubleToJson } from '../../src/wire/numbers.js';
import { exact, type Json } from '../support/json-text.js';
import { anyBytes, anyFinite, anyText, anyU32, anyU64 } from '../support/random.js';
import { bitsOfDouble, doubleFromBits, vectors } from '../support/vectors.js';

interface Messages {
  readonly responses: ReadonlyArray<{ name: string; json: string }>;
  readonly doubles: ReadonlyArray<{ bits: string; text: string }>;
}

const { responses, doubles } = vectors<Messages>('messages');

const DIFFICULTY = '0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF';

const ROUND: RoundInfo = {
  roundStart: 1_762_800_000_123n,
  tonce: 7,
  challengeSecondsRemaining: 58n,
  attemptedMiners: 2n,
  activeLockouts: 1n,
  difficulty: DIFFICULTY,
  round: 12n,
  nextIndex: 3,
  prevBlockHash: Buffer.alloc(32, 0xab),
  tipTimestamp: 1_762_799_999_999n,
  serverTime: 1_762_800_001_500n,
  timescale: Timescale.TAI,
  windowPastMs: 300_000n,
  windowFutureMs: 500n,
  lockoutMs: 3_600_000n,
  clockSpeed: 1,
};

const ROUND_TEXT =
  `{"RoundInfo":{"round_start":1762800000123,"tonce":7,"challenge_seconds_remaining":58,"attempted_miners":2,` +
  `"active_lockouts":1,"difficulty":"${DIFFICULTY}","round":12,"next_index":3,"prev_block_hash":"${'ab'.repeat(32)}",` +
  `"tip_timestamp":1762799999999,"server_time":1762800001500,"timescale":"tai","window_past_ms":300000,` +
  `"window_future_ms":500,"lockout_ms":3600000,"clock_speed":1.0}}`;

/** What a reader makes of a text. */
function read<T>(reader: (bytes: Buffer) => T, text: string): T {
  return reader(Buffer.from(text));
}

/** What an answer of the deployed programs holds, as our readers find it. */
function found(text: string): Json {
  const [kind] = Object.keys(exact(text) as object);
  if (kind === 'RoundInfo') {
    const info = read(roundInfoFromJson, text);
    return {
      RoundInfo: {
        round_start: info.roundStart,
        tonce: info.tonce === undefined ? null : BigInt(info.tonce),
        challenge_seconds_remaining: info.challengeSecondsRemaining,
        attempted_miners: info.attemptedMiners,
        active_lockouts: info.activeLockouts,
        difficulty: info.difficulty,
      },
    };
  }
  if (kind === 'BlockResult') {
    const { result, message } = read(blockResultFromJson, text);
    return { BlockResult: { result: String(RESULT_NAMES[result]), message } };
  }
  if (kind === 'LockoutStatus') {
    const { isLocked, secondsRemaining } = read(lockoutStatusFromJson, text);
    return { LockoutStatus: { is_locked: isLocked, seconds_remaining: secondsRemaining } };
  }
  if (kind === 'BlockchainInfo') {
    const { blockCount, difficulty } = read(blockchainInfoFromJson, text);
    return { BlockchainInfo: { block_count: blockCount, difficulty } };
  }
  return { Error: { message: faultOf(text).message } };
}

/** The fault that a client throws on an answer. */
function faultOf(text: string): Fault {
  try {
    read(blockResultFromJson, text);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error(`is no fault: ${text}`);
}

/** Checks that a reader refuses texts, each for its reason. */
function refuses(reader: (bytes: Buffer) => unknown, table: Readonly<Record<string, RegExp>>): void {
  for (const [text, reason] of Object.entries(table))
    expect(() => read(reader, text), text).to.throw(JsonError, reason);
}

describe('Answers in JSON', () => {
  describe('of deployed validators are read with every value exact', () => {
    for (const { name, json } of responses)
      it(`${name}: ${json.slice(0, 90)}`, () => expect(found(json)).to.deep.equal(exact(json)));
  });

  describe('RoundInfo', () => {
    it('is written with the members of section 2, then the further ones of section 8', () => {
      expect(roundInfoToJson(ROUND)).to.equal(ROUND_TEXT);
    });

    it('has a null for what there is not, 64 zeros before the first block, and fractions of speed', () => {
      const first = { ...ROUND, tonce: undefined, tipTimestamp: undefined, prevBlockHash: NO_HASH };
      const text = roundInfoToJson({ ...first, timescale: Timescale.UTC, clockSpeed: 2.5 });
      expect(text).to.include('"tonce":null,').and.to.include('"tip_timestamp":null,');
      expect(text).to.include(`"prev_block_hash":"${'0'.repeat(64)}"`);
      expect(text)
        .to.include('"timescale":"utc"')
        .and.to.match(/"clock_speed":2\.5\}\}$/);
    });

    it('is read back as it was', () => {
      const anyRound: fc.Arbitrary<RoundInfo> = fc.record({
        roundStart: anyU64,
        tonce: fc.option(fc.nat(255), { nil: undefined }),
        challengeSecondsRemaining: anyU64,
        attemptedMiners: anyU64,
        activeLockouts: anyU64,
        difficulty: fc.constantFrom('0x1', DIFFICULTY),
        round: anyU64,
        nextIndex: anyU32,
        prevBlockHash: anyBytes,
        tipTimestamp: fc.option(anyU64, { nil: undefined }),
        serverTime: anyU64,
        timescale: fc.constantFrom(Timescale.TAI, Timescale.UTC),
        windowPastMs: anyU64,
        windowFutureMs: anyU64,
        lockoutMs: anyU64,
        clockSpeed: anyFinite,
      });
      fc.assert(
        fc.property(anyRound, (info) => {
          expect(read(roundInfoFromJson, roundInfoToJson(info))).to.deep.equal(info);
        }),
      );
    });

    it('of a deployed validator tells no more than section 2 has', () => {
      const deployed = ROUND_TEXT.replace(/,"round":.*\}\}/, '}}');
      const info: RoundInfo = {
        ...ROUND,
        round: 0n,
        nextIndex: 0,
        prevBlockHash: Buffer.alloc(0),
        tipTimestamp: undefined,
        serverTime: 0n,
        timescale: Timescale.UNSPECIFIED,
        windowPastMs: 0n,
        windowFutureMs: 0n,
        lockoutMs: 0n,
        clockSpeed: 1,
      };
      expect(read(roundInfoFromJson, deployed)).to.deep.equal(info);
      // An array may stand for the object.
      const array = `{"RoundInfo":[1762800000123,7,58,2,1,"${DIFFICULTY}"]}`;
      expect(read(roundInfoFromJson, array)).to.deep.equal(info);
    });

    it('may lack its tonce, which is then unknown, and nothing else of section 2', () => {
      expect(read(roundInfoFromJson, ROUND_TEXT.replace('"tonce":7,', '')).tonce).to.equal(undefined);
      for (const member of [
        'round_start',
        'challenge_seconds_remaining',
        'attempted_miners',
        'active_lockouts',
        'difficulty',
      ])
        refuses(roundInfoFromJson, {
          [ROUND_TEXT.replace(`"${member}":`, '"x":')]: new RegExp(`member ${member} is missing`),
        });
    });

    it('has members that this client does not know passed over', () => {
      const text = ROUND_TEXT.replace('"round":', '"later":{"a":[1e999]},"later":0,"round":');
      expect(read(roundInfoFromJson, text)).to.deep.equal(ROUND);
    });

    it('holds values of the right kinds, in range', () => {
      const range = /is not an integer from 0 to/;
      const members: ReadonlyArray<readonly [member: string, max: bigint]> = [
        ['round_start', MAX_U128],
        ['tonce', 255n],
        ['challenge_seconds_remaining', MAX_U64],
        ['attempted_miners', MAX_U64],
        ['active_lockouts', MAX_U64],
        ['round', MAX_U64],
        ['next_index', 0xffff_ffffn],
        ['tip_timestamp', MAX_U64],
        ['server_time', MAX_U64],
        ['window_past_ms', MAX_U64],
        ['window_future_ms', MAX_U64],
        ['lockout_ms', MAX_U64],
      ];
      for (const [member, max] of members) {
        const having = (value: string): string => ROUND_TEXT.replace(new RegExp(`("${member}":)[0-9]+`), `$1${value}`);
        read(roundInfoFromJson, having(`${max}`));
        refuses(roundInfoFromJson, { [having(`${max + 1n}`)]: range, [having('1.0')]: range, [having('-0')]: range });
        refuses(roundInfoFromJson, { [having('"1"')]: /expected a value of the right kind/ });
      }
      refuses(roundInfoFromJson, {
        [ROUND_TEXT.replace(`"${DIFFICULTY}"`, '5')]: /expected a string/,
        [ROUND_TEXT.replace('abab', 'abxb')]: /a hash is not hexadecimal/,
        [ROUND_TEXT.replace('abab', 'aba')]: /a hash is not hexadecimal/,
        [ROUND_TEXT.replace('"clock_speed":1.0', '"clock_speed":1e400')]: /out of a double's range/,
        [ROUND_TEXT.replace('"clock_speed":1.0', '"clock_speed":null')]: /expected a value/,
      });
    });

    it('may be on a timescale that this client does not know', () => {
      const { timescale } = read(roundInfoFromJson, ROUND_TEXT.replace('"tai"', '"gps"'));
      expect(timescale).to.equal(Timescale.UNRECOGNIZED);
      expect(TIMESCALE_NAMES[timescale]).to.equal(undefined);
    });
  });

  describe('BlockResult', () => {
    const answered = (result: SubmitResult, message: string, code = ChainCode.UNSPECIFIED): SubmitBlockResponse => ({
      result,
      message,
      code,
      retryAfterMs: 0n,
    });

    it('names each result as section 2 does', () => {
      const names: ReadonlyArray<readonly [SubmitResult, string]> = [
        [SubmitResult.ACCEPTED, 'Accepted'],
        [SubmitResult.REJECTED_INVALID_HASH, 'RejectedInvalidHash'],
        [SubmitResult.REJECTED_INVALID_TIMESTAMP, 'RejectedInvalidTimestamp'],
        [SubmitResult.REJECTED_TONCE_CHALLENGE, 'RejectedTonceChallenge'],
        [SubmitResult.REJECTED_MINER_IN_LOCKOUT, 'RejectedMinerInLockout'],
        [SubmitResult.REJECTED_MINER_ALREADY_ATTEMPTED, 'RejectedMinerAlreadyAttempted'],
      ];
      for (const [result, name] of names) {
        const text = `{"BlockResult":{"result":"${name}","message":"why \\"so\\""}}`;
        expect(blockResultToJson(answered(result, 'why "so"'))).to.equal(text);
        expect(read(blockResultFromJson, text)).to.deep.equal(answered(result, 'why "so"'));
      }
    });

    it('tells the code of a broken chain rule in its text', () => {
      for (const [number, name] of Object.entries(CHAIN_CODE_NAMES)) {
        const message = `Blockchain validation failed: ${name}`;
        const text = `{"BlockResult":{"result":"RejectedBlockchainValidation","message":"${message}"}}`;
        const answer = answered(SubmitResult.REJECTED_BLOCKCHAIN_VALIDATION, message, Number(number));
        expect(blockResultToJson(answer)).to.equal(text);
        expect(read(blockResultFromJson, text)).to.deep.equal(answer);
      }
    });

    it('has a code only where a chain rule is broken', () => {
      const text = '{"BlockResult":{"result":"RejectedInvalidHash","message":"by InvalidHash"}}';
      expect(read(blockResultFromJson, text).code).to.equal(ChainCode.UNSPECIFIED);
    });

    it('of a result or a code that this client does not know is read as such', () => {
      const result = '{"BlockResult":{"message":"later","result":"RejectedByALaterRule"}}';
      expect(read(blockResultFromJson, result)).to.deep.equal(answered(SubmitResult.UNRECOGNIZED, 'later'));
      const message = 'Blockchain validation failed: LaterRule';
      const code = `{"BlockResult":{"result":"RejectedBlockchainValidation","message":"${message}"}}`;
      const { REJECTED_BLOCKCHAIN_VALIDATION: rejected } = SubmitResult;
      expect(read(blockResultFromJson, code)).to.deep.equal(answered(rejected, message, ChainCode.UNRECOGNIZED));
    });

    it('of a block that was not judged is RejectedBlockchainValidation in the text, and a fault to our client', () => {
      const text = notTakenToJson('a block has at most 1000 transactions');
      expect(text).to.equal(
        '{"BlockResult":{"result":"RejectedBlockchainValidation","message":"Not taken: a block has at most 1000 transactions"}}',
      );
      const fault = faultOf(text);
      expect(fault.reason).to.equal('UNAVAILABLE');
      expect(fault.message).to.equal('Not taken: a block has at most 1000 transactions');
    });

    it('keeps any text', () => {
      fc.assert(
        fc.property(anyText, (message) => {
          const answer = answered(SubmitResult.ACCEPTED, message);
          expect(read(blockResultFromJson, blockResultToJson(answer))).to.deep.equal(answer);
          expect(faultOf(notTakenToJson(message)).message).to.equal(`Not taken: ${message}`);
        }),
      );
    });

    it('lacks neither member', () => {
      refuses(blockResultFromJson, {
        '{"BlockResult":{"result":"Accepted"}}': /member message is missing/,
        '{"BlockResult":{"message":"x"}}': /member result is missing/,
        '{"BlockResult":{"result":null,"message":"x"}}': /expected a string/,
      });
    });
  });

  describe('LockoutStatus', () => {
    it('is written as section 2 has it, and read back', () => {
      for (const [isLocked, secondsRemaining] of [
        [true, 3_599n],
        [false, 0n],
        [true, MAX_U64],
      ] as const) {
        const text = `{"LockoutStatus":{"is_locked":${isLocked},"seconds_remaining":${secondsRemaining}}}`;
        expect(lockoutStatusToJson({ isLocked, secondsRemaining })).to.equal(text);
        expect(read(lockoutStatusFromJson, text)).to.deep.equal({ isLocked, secondsRemaining });
      }
    });

    it('says true or false, and whole seconds', () => {
      refuses(lockoutStatusFromJson, {
        '{"LockoutStatus":{"is_locked":1,"seconds_remaining":0}}': /expected true or false/,
        '{"LockoutStatus":{"is_locked":true,"seconds_remaining":1.5}}': /is not an integer/,
        '{"LockoutStatus":{"is_locked":true}}': /member seconds_remaining is missing/,
      });
    });
  });

  describe('BlockchainInfo', () => {
    it('is written as sections 2 and 8 have it, and read back', () => {
      const table: ReadonlyArray<readonly [GetBlockchainInfoResponse, string]> = [
        [
          { blockCount: 0n, difficulty: DIFFICULTY, tipHash: undefined },
          `{"BlockchainInfo":{"block_count":0,"difficulty":"${DIFFICULTY}","tip_hash":null}}`,
        ],
        [
          { blockCount: MAX_U64, difficulty: '0x1', tipHash: Buffer.alloc(32, 0xcd) },
          `{"BlockchainInfo":{"block_count":${MAX_U64},"difficulty":"0x1","tip_hash":"${'cd'.repeat(32)}"}}`,
        ],
      ];
      for (const [info, text] of table) {
        expect(blockchainInfoToJson(info)).to.equal(text);
        expect(read(blockchainInfoFromJson, text)).to.deep.equal(info);
      }
    });

    it('of a deployed validator tells no tip', () => {
      const info = { blockCount: 5n, difficulty: '0x1', tipHash: undefined };
      expect(read(blockchainInfoFromJson, '{"BlockchainInfo":{"block_count":5,"difficulty":"0x1"}}')).to.deep.equal(
        info,
      );
      expect(read(blockchainInfoFromJson, '{"BlockchainInfo":[5,"0x1"]}')).to.deep.equal(info);
    });

    it('holds a tip in hexadecimal', () => {
      refuses(blockchainInfoFromJson, {
        '{"BlockchainInfo":{"block_count":5,"difficulty":"0x1","tip_hash":"0g"}}': /a hash is not hexadecimal/,
        '{"BlockchainInfo":{"block_count":5,"difficulty":"0x1","tip_hash":7}}': /expected a string/,
      });
    });
  });

  describe('of who may not ask', () => {
    const WHY = 'show "who" you are';
    const rows = [
      [
        'SubmitBlock',
        blockResultFromJson,
        String.raw`{"BlockResult":{"result":"RejectedBlockchainValidation","message":"Not taken: show \"who\" you are","refused":"show \"who\" you are"}}`,
      ],
      [
        'GetRoundInfo',
        roundInfoFromJson,
        '{"RoundInfo":{"round_start":0,"tonce":null,"challenge_seconds_remaining":0,"attempted_miners":0,"active_lockouts":0,' +
          String.raw`"difficulty":"0x1","refused":"show \"who\" you are"}}`,
      ],
      [
        'CheckLockout',
        lockoutStatusFromJson,
        String.raw`{"LockoutStatus":{"is_locked":true,"seconds_remaining":60,"refused":"show \"who\" you are"}}`,
      ],
      [
        'GetBlockchainInfo',
        blockchainInfoFromJson,
        String.raw`{"Error":{"message":"show \"who\" you are","refused":"show \"who\" you are"}}`,
      ],
    ] as const;
    for (const [call, reader, text] of rows) {
      it(`${call}: is one that a deployed miner waits after, and a fault of reason UNAUTHENTICATED to our client`, () => {
        expect(refusedToJson(call, WHY)).to.equal(text);
        expect(() => read<unknown>(reader, text))
          .to.throw(Fault, WHY)
          .that.includes({ reason: 'UNAUTHENTICATED' });
        expect(() => read<unknown>(reader, text.replace(/"refused":.*?"(?=\})/, '"refused":7'))).to.throw(JsonError);
      });
    }
  });

  describe('Error', () => {
    const readers = { roundInfoFromJson, blockResultFromJson, lockoutStatusFromJson, blockchainInfoFromJson };

    it('is written as section 2 has it', () => {
      expect(errorToJson('bad "hex"\n')).to.equal('{"Error":{"message":"bad \\"hex\\"\\n"}}');
    });

    for (const [name, reader] of Object.entries(readers)) {
      it(`is a fault of reason MALFORMED to ${name}`, () => {
        expect(() => read<unknown>(reader, errorToJson('Invalid request: why')))
          .to.throw(Fault, 'Invalid request: why')
          .that.includes({ reason: 'MALFORMED' });
      });

      it(`is no excuse for what is no JSON, to ${name}`, () => {
        refuses(reader, {
          '{"Error":{"message":"x"}} x': /text after the value/,
          '{"Error":{"message":"x"},"y":0}': /a second member/,
          '{"Error":{"message":7}}': /expected a string/,
          '{"Error":{}}': /member message is missing/,
        });
      });

      it(`and what is no answer to the question are told apart by ${name}`, () => {
        refuses(reader, {
          '{"Other":{"message":"x"}}': /expected \w+, and the validator sent something else/,
          '"Error"': /and the validator sent something else/,
          '"RoundInfo"': /and the validator sent something else/,
          '"BlockResult"': /and the validator sent something else/,
          '"LockoutStatus"': /and the validator sent something else/,
          '"BlockchainInfo"': /and the validator sent something else/,
          '{}': /a message has one member/,
          '[]': /expected a message/,
          '': /the text ends/,
        });
      });
    }
  });

  describe('Doubles', () => {
    it('are written so that the same double is read', () => {
      for (const { bits, text } of doubles) {
        const printed = doubleToJson(doubleFromBits(bits));
        expect(bitsOfDouble(Number(printed)), text).to.equal(bits);
        // Where the deployed programs print plain decimals, we print the same.
        if (!text.includes('e') && Math.abs(Number(text)) >= 1e-4) expect(printed).to.equal(text);
      }
      fc.assert(
        fc.property(anyFinite, (value) => {
          expect(bitsOfDouble(JSON.parse(doubleToJson(value)))).to.equal(bitsOfDouble(value));
        }),
      );
    });

    it('are the shortest decimals, with .0 where they are whole', () => {
      const table: ReadonlyArray<readonly [number, string]> = [
        [2, '2.0'],
        [0, '0.0'],
        [-0, '-0.0'],
        [-2.5, '-2.5'],
        [0.1 + 0.2, '0.30000000000000004'],
        [2 ** 53, '9007199254740992.0'],
        [1e20, '100000000000000000000.0'],
        [1e21, '1e+21'],
        [5e-324, '5e-324'],
      ];
      for (const [value, text] of table) expect(doubleToJson(value)).to.equal(text);
    });

    it('that JSON cannot write are none', () => {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
        expect(() => doubleToJson(value)).to.throw(RangeError, `${value} cannot be written in JSON`);
    });
  });
});
