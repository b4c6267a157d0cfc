/** Answers of the JSON protocol (spec, section 2 and section 8, "Further members"): written by the server, read by the client. */

import {
  ChainCode,
  type CheckLockoutResponse,
  type GetBlockchainInfoResponse,
  type RoundInfo,
  type SubmitBlockResponse,
  SubmitResult,
  Timescale,
} from '../../gen/hourcoin/v1/validator_service.js';
import { MAX_U32, MAX_U64, MAX_U128 } from '../engine/bytes.js';
import { Fault } from '../engine/fault.js';
import { CHAIN_CODE_NAMES, RESULT_NAMES } from '../engine/verdict.js';
import { hexFault } from './hex.js';
import { JsonError, type JsonReader, readJson } from './json.js';
import { doubleToJson } from './numbers.js';
import type { Request } from './requests.js';

/** How a timescale is called. */
export const TIMESCALE_NAMES: Readonly<Record<number, string>> = { [Timescale.TAI]: 'tai', [Timescale.UTC]: 'utc' };

/** What a submission is answered that was not judged begins with this. */
const NOT_TAKEN = 'Not taken: ';

/** Writes what is told to many as the same object: once. */
function writtenOnce<T extends object>(write: (value: T) => string): (value: T) => string {
  const texts = new WeakMap<T, string>();
  return (value) => {
    const text = texts.get(value) ?? write(value);
    texts.set(value, text);
    return text;
  };
}

/** Writes `RoundInfo`. */
export const roundInfoToJson = writtenOnce(writeRoundInfo);

/** Writes `BlockchainInfo`. */
export const blockchainInfoToJson = writtenOnce(writeBlockchainInfo);

function writeRoundInfo(info: RoundInfo): string {
  return (
    `{"RoundInfo":{"round_start":${info.roundStart},"tonce":${info.tonce ?? null},` +
    `"challenge_seconds_remaining":${info.challengeSecondsRemaining},"attempted_miners":${info.attemptedMiners},` +
    `"active_lockouts":${info.activeLockouts},"difficulty":"${info.difficulty}","round":${info.round},` +
    `"next_index":${info.nextIndex},"prev_block_hash":"${info.prevBlockHash.toString('hex')}",` +
    `"tip_timestamp":${info.tipTimestamp ?? null},"server_time":${info.serverTime},` +
    `"timescale":"${TIMESCALE_NAMES[info.timescale]}","window_past_ms":${info.windowPastMs},` +
    `"window_future_ms":${info.windowFutureMs},"lockout_ms":${info.lockoutMs},"clock_speed":${doubleToJson(info.clockSpeed)}}}`
  );
}

/** Writes `BlockResult`. */
export function blockResultToJson({ result, message }: SubmitBlockResponse): string {
  return `{"BlockResult":{"result":"${RESULT_NAMES[result]}","message":${JSON.stringify(message)}}}`;
}

/** Writes what a well-formed submission is answered that could not be judged (spec, section 8, "Limits"). */
export function notTakenToJson(reason: string): string {
  return `{"BlockResult":{"result":"RejectedBlockchainValidation","message":${JSON.stringify(NOT_TAKEN + reason)}}}`;
}

/**
 * Writes what who may not ask is answered, with a further member `refused` that says why: a deployed miner waits, and neither ends nor asks again at
 * once (spec, section 7).
 */
export function refusedToJson(call: Request['call'], why: string): string {
  const refused = `"refused":${JSON.stringify(why)}`;
  switch (call) {
    case 'SubmitBlock':
      return `{"BlockResult":{"result":"RejectedBlockchainValidation","message":${JSON.stringify(NOT_TAKEN + why)},${refused}}}`;
    // Without a tonce it asks again in five seconds.
    case 'GetRoundInfo':
      return (
        '{"RoundInfo":{"round_start":0,"tonce":null,"challenge_seconds_remaining":0,"attempted_miners":0,"active_lockouts":0,' +
        `"difficulty":"0x1",${refused}}}`
      );
    case 'CheckLockout':
      return `{"LockoutStatus":{"is_locked":true,"seconds_remaining":60,${refused}}}`;
    // Which it never asks.
    case 'GetBlockchainInfo':
      return `{"Error":{"message":${JSON.stringify(why)},${refused}}}`;
  }
}

/** Writes `LockoutStatus`. */
export function lockoutStatusToJson({ isLocked, secondsRemaining }: CheckLockoutResponse): string {
  return `{"LockoutStatus":{"is_locked":${isLocked},"seconds_remaining":${secondsRemaining}}}`;
}

function writeBlockchainInfo({ blockCount, difficulty, tipHash }: GetBlockchainInfoResponse): string {
  const tip = tipHash === undefined ? 'null' : `"${tipHash.toString('hex')}"`;
  return `{"BlockchainInfo":{"block_count":${blockCount},"difficulty":"${difficulty}","tip_hash":${tip}}}`;
}

/** Writes `Error`. */
export function errorToJson(message: string): string {
  return `{"Error":{"message":${JSON.stringify(message)}}}`;
}

const ROUND_INFO = [
  'round_start',
  'tonce',
  'challenge_seconds_remaining',
  'attempted_miners',
  'active_lockouts',
  'difficulty',
];
const FURTHER_ROUND_INFO = [
  'round',
  'next_index',
  'prev_block_hash',
  'tip_timestamp',
  'server_time',
  'timescale',
  'window_past_ms',
  'window_future_ms',
  'lockout_ms',
  'clock_speed',
  'refused',
];

/**
 * Reads `RoundInfo`. A deployed validator sends no further members: `round` is 0 then, and the others are empty. Like every reader here
 * it throws a JsonError where the text is something else, and a Fault where it is an `Error`.
 */
export function roundInfoFromJson(bytes: Buffer): RoundInfo {
  const info: { -readonly [K in keyof RoundInfo]: RoundInfo[K] } = {
    roundStart: 0n,
    tonce: undefined,
    challengeSecondsRemaining: 0n,
    attemptedMiners: 0n,
    activeLockouts: 0n,
    difficulty: '',
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
  readAnswer(bytes, 'RoundInfo', (json) => {
    const read = [
      () => (info.roundStart = json.integer(MAX_U128)),
      () => (info.tonce = json.null() ? undefined : json.smallInteger(255)),
      () => (info.challengeSecondsRemaining = json.integer(MAX_U64)),
      () => (info.attemptedMiners = json.integer(MAX_U64)),
      () => (info.activeLockouts = json.integer(MAX_U64)),
      () => (info.difficulty = json.string()),
      () => (info.round = json.integer(MAX_U64)),
      () => (info.nextIndex = json.smallInteger(MAX_U32)),
      () => (info.prevBlockHash = readHash(json)),
      () => (info.tipTimestamp = json.null() ? undefined : json.integer(MAX_U64)),
      () => (info.serverTime = json.integer(MAX_U64)),
      () => (info.timescale = readTimescale(json)),
      () => (info.windowPastMs = json.integer(MAX_U64)),
      () => (info.windowFutureMs = json.integer(MAX_U64)),
      () => (info.lockoutMs = json.integer(MAX_U64)),
      () => (info.clockSpeed = json.double()),
      () => readRefusal(json),
    ];
    json.struct([...ROUND_INFO, ...FURTHER_ROUND_INFO], (member) => read[member]?.(), ['tonce', ...FURTHER_ROUND_INFO]);
  });
  return info;
}

/** Reads `BlockResult`. Throws a Fault where the block was not judged: UNAUTHENTICATED or UNAVAILABLE. */
export function blockResultFromJson(bytes: Buffer): SubmitBlockResponse {
  let name = '';
  let message = '';
  readAnswer(bytes, 'BlockResult', (json) =>
    json.struct(
      ['result', 'message', 'refused'],
      (member) => {
        if (member === 0) name = json.string();
        else if (member === 1) message = json.string();
        else readRefusal(json);
      },
      ['refused'],
      2,
    ),
  );
  if (message.startsWith(NOT_TAKEN)) throw new Fault('UNAVAILABLE', message);
  const code = message.slice(message.lastIndexOf(' ') + 1);
  return {
    result: numberOf(RESULT_NAMES, name) ?? SubmitResult.UNRECOGNIZED,
    message,
    code: name === 'RejectedBlockchainValidation' ? (numberOf(CHAIN_CODE_NAMES, code) ?? ChainCode.UNRECOGNIZED) : 0,
    retryAfterMs: 0n,
  };
}

/** Reads `LockoutStatus`. */
export function lockoutStatusFromJson(bytes: Buffer): CheckLockoutResponse {
  let isLocked = false;
  let secondsRemaining = 0n;
  readAnswer(bytes, 'LockoutStatus', (json) =>
    json.struct(
      ['is_locked', 'seconds_remaining', 'refused'],
      (member) => {
        if (member === 0) isLocked = json.boolean();
        else if (member === 1) secondsRemaining = json.integer(MAX_U64);
        else readRefusal(json);
      },
      ['refused'],
      2,
    ),
  );
  return { isLocked, secondsRemaining };
}

/** Reads `BlockchainInfo`. A deployed validator tells no tip. */
export function blockchainInfoFromJson(bytes: Buffer): GetBlockchainInfoResponse {
  let blockCount = 0n;
  let difficulty = '';
  let tipHash: Buffer | undefined;
  readAnswer(bytes, 'BlockchainInfo', (json) =>
    json.struct(
      ['block_count', 'difficulty', 'tip_hash'],
      (member) => {
        if (member === 0) blockCount = json.integer(MAX_U64);
        else if (member === 1) difficulty = json.string();
        else tipHash = json.null() ? undefined : readHash(json);
      },
      ['tip_hash'],
    ),
  );
  return { blockCount, difficulty, tipHash };
}

function readAnswer(bytes: Buffer, expected: string, read: (json: JsonReader) => void): void {
  const error = readJson(bytes, (json) =>
    json.tagged((tag, hasValue) => {
      if (tag === 'Error' && hasValue) return readError(json);
      if (tag !== expected || !hasValue)
        throw new JsonError(`expected ${expected}, and the validator sent something else`);
      read(json);
      return undefined;
    }),
  );
  if (error !== undefined) throw new Fault('MALFORMED', error);
}

/** An answer that says nothing but why. */
function readRefusal(json: JsonReader): never {
  throw new Fault('UNAUTHENTICATED', json.string());
}

function readError(json: JsonReader): string {
  let message = '';
  json.struct(
    ['message', 'refused'],
    (member) => {
      if (member === 0) message = json.string();
      else readRefusal(json);
    },
    ['refused'],
    1,
  );
  return message;
}

function readHash(json: JsonReader): Buffer {
  const text = json.string();
  if (hexFault(text) !== undefined) throw new JsonError('a hash is not hexadecimal');
  return Buffer.from(text, 'hex');
}

function readTimescale(json: JsonReader): Timescale {
  return numberOf(TIMESCALE_NAMES, json.string()) ?? Timescale.UNRECOGNIZED;
}

function numberOf(names: Readonly<Record<number, string>>, name: string): number | undefined {
  const found = Object.entries(names).find(([, known]) => known === name);
  return found && Number(found[0]);
}
