/** Reading arguments: each throws what commander shows as one line, with exit code 2. */

import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { type Argument, InvalidArgumentError, Option } from 'commander';
import { MAX_U32 } from '../engine/bytes.js';
import { parseDifficulty } from '../engine/difficulty.js';
import { LIMITS } from '../engine/limits.js';
import { MOST_THREADS } from '../miner/effort.js';
import { parseSource, SOURCE_FORMS, splitSources } from '../time/source-spec.js';
import { ENDPOINT_FORMS, parseAddress, parseEndpoint, parseNetwork } from '../wire/address.js';

/** What may be logged, the most first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** How the environment's names for options and arguments begin. */
export const PREFIX = 'HOURCOIN_';

/** An option that the environment may give too: `--clock-speed` is HOURCOIN_CLOCK_SPEED. */
export function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(variable(made.name()));
}

/** The environment's name for an option or argument. */
export function variable(name: string): string {
  return `${PREFIX}${name.toUpperCase().replaceAll('-', '_')}`;
}

/** Reads a value that is not on the command line as it is read there. `before`: the value that a repeatable option has so far. */
export function readValue(declared: Argument | Option, text: string, before?: unknown): unknown {
  if (declared instanceof Option && declared.isBoolean()) return readFlag(text);
  return declared.parseArg === undefined ? text : declared.parseArg(text, before);
}

/** An option without a value, where it is given one: on or off. */
export function readFlag(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new InvalidArgumentError('Write true or false.');
}

/** A miner's token, which is no option: a command line can be seen by everyone on the machine. */
export const API_KEY = variable('api-key');

/** HOST:PORT to listen at. */
export function listenAddress(text: string): string {
  if (parseAddress(text) === undefined) throw new InvalidArgumentError('Write HOST:PORT, as in 127.0.0.1:8080.');
  return text;
}

/** Further addresses to listen at. */
export function listenEndpoints(text: string, before: readonly string[] = []): string[] {
  for (const one of text.split(',')) {
    if (parseEndpoint(one) === undefined) {
      throw new InvalidArgumentError('Write host:port, tls://host:port, grpc://host:port or grpcs://host:port.');
    }
  }
  return list(text, before);
}

/** Addresses and networks. */
export function networks(text: string, before: readonly string[] = []): string[] {
  for (const one of text.split(',')) {
    if (parseNetwork(one) === undefined) throw new InvalidArgumentError('Write 10.1.2.3 or 10.0.0.0/8.');
  }
  return list(text, before);
}

/** Several texts: given one by one, or with commas between. */
function list(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',')];
}

/** Whose time to go by. */
export function timeSources(text: string, before: readonly string[] = []): string[] {
  const specs = splitSources(text);
  for (const spec of specs) {
    if (spec !== 'system' && parseSource(spec) === undefined) {
      throw new InvalidArgumentError(`Write system, ${SOURCE_FORMS}.`);
    }
  }
  return [...before, ...specs];
}

/** HOST:PORT or `off`. */
export function listenAddressOrOff(text: string): string {
  return text === 'off' ? text : listenAddress(text);
}

/** Where a validator is, on either wire, with TLS or without. */
export function validatorAddress(text: string): string {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined || endpoint.port === 0) throw new InvalidArgumentError(`Write ${ENDPOINT_FORMS}.`);
  return text;
}

/** Where several validators are. */
export function validatorAddresses(text: string, before: readonly string[] = []): string[] {
  return [...before, validatorAddress(text)];
}

/** Where a validator is, on gRPC. */
export function grpcAddress(text: string): string {
  if (!/^grpcs?:\/\//.test(text)) {
    throw new InvalidArgumentError('This needs gRPC: write grpc://host:port or grpcs://host:port.');
  }
  return validatorAddress(text);
}

/** Names and addresses of a host, for its certificate. */
export function hosts(text: string, before: readonly string[] = []): string[] {
  const isName = /^(\*\.)?[\w-]{1,63}(\.[\w-]{1,63})*$/.test(text) && text.length <= 253;
  if (!isName && (isIP(text) === 0 || text.includes('%'))) {
    throw new InvalidArgumentError('Write a name or an address, without a port.');
  }
  return [...before, text];
}

/** Several miner ids. */
export function names(text: string, before: readonly string[] = []): string[] {
  return [...before, name(text)];
}

/** A difficulty. */
export function difficulty(text: string): bigint {
  const value = parseDifficulty(text);
  if (value === undefined) throw new InvalidArgumentError('Write 0x hexadecimal or decimal, 1 to 2^128 - 1.');
  return value;
}

/** A miner id or an address. */
export function name(text: string): string {
  if (text === '' || Buffer.byteLength(text) > LIMITS.minerIdBytes) {
    throw new InvalidArgumentError(`Write 1 to ${LIMITS.minerIdBytes} bytes of UTF-8.`);
  }
  return text;
}

/** A folder's path. */
export function folder(text: string): string {
  if (text === '') throw new InvalidArgumentError('Write a path.');
  return text;
}

/** A file's path. */
export const file = folder;

/** A whole number within bounds. */
export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** How many threads search: a number, or `all`, one for each processor that the program may use. */
export function threads(text: string): number {
  if (text === 'all') return Math.min(availableParallelism(), MOST_THREADS);
  return integer(1, MOST_THREADS)(text);
}

/** How many times as fast as real time. */
export function clockSpeed(text: string): number {
  const value = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0 && value <= 1_000_000)) throw new InvalidArgumentError('Write a number above 0, at most 1000000.');
  return value;
}

/** A hash: 64 hexadecimal digits. */
export function hash(text: string): Buffer {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new InvalidArgumentError('Write 64 hexadecimal digits.');
  return Buffer.from(text, 'hex');
}

/** A block: an index, a hash or `tip`. */
export function blockName(text: string): { index: number } | { hash: Buffer } | 'tip' {
  if (text === 'tip') return text;
  if (/^[0-9a-fA-F]{64}$/.test(text)) return { hash: Buffer.from(text, 'hex') };
  if (/^[0-9]{1,10}$/.test(text) && Number(text) <= MAX_U32) return { index: Number(text) };
  throw new InvalidArgumentError('Write an index, a hash of 64 hexadecimal digits, or tip.');
}
