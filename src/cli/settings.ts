/** What a validator is told, and where: on the command line, before the environment, before hourcoin.yaml, before the default. */

import { closeSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Argument, type Command, InvalidArgumentError, type Option } from 'commander';
import { API_KEY, PREFIX, readValue, variable } from './arguments.js';
import type { FileValue } from './config-file.js';
import { ExitError } from './exit.js';

/** One of the things that a validator may be told. */
export interface Setting {
  /** As hourcoin.yaml has it: a long option without its dashes, or an argument. */
  readonly name: string;
  /** Undefined where it is not given, and has no default. */
  readonly value: unknown;
  readonly source: 'command line' | 'environment' | 'file' | 'default';
  /** The variable, or the file and the line in it. */
  readonly where: string | undefined;
}

/** All that a command is told. */
export interface Configuration<Values> {
  /** The file that was read. */
  readonly file: string | undefined;
  readonly settings: readonly Setting[];
  /** The values by the names that the program has for them, such as `maxConnections`. */
  readonly values: Values;
  /** Variables that are named like ours, and that no command knows: misspelt, it may be. */
  readonly strays: readonly string[];
}

/** The file that is read where none is named, and it is there. */
const DEFAULT_FILE = 'hourcoin.yaml';

/** One with every option and its explanation has some kilobytes. */
const MOST_BYTES = 65_536;

/** Options about the file and the output: they are no settings. */
const NO_SETTINGS = ['config', 'json'];

/**
 * What a command is told in all, once commander has read its line, and the environment for its options.
 *
 * Throws an ExitError that says where a value is wrong.
 */
export async function configure<Values>(command: Command): Promise<Configuration<Values>> {
  const options = command.options.filter((option) => !NO_SETTINGS.includes(option.name()));
  const declared = [...command.registeredArguments, ...options];
  const named: string | undefined = command.getOptionValue('config');
  const file = resolve(named ?? DEFAULT_FILE);
  const text = readText(file, named !== undefined);
  const inFile = text === undefined ? undefined : await valuesOf(file, text, declared);

  const settings = declared.map((one, at): Setting => {
    const name = one.name();
    const given = isOption(one) ? ofOption(command, one) : (ofLine(command, at) ?? ofEnvironment(one));
    if (given !== undefined) return { name, ...given };
    const found = inFile?.get(name);
    if (found !== undefined) return { name, value: found.value, source: 'file', where: `${file}:${found.line}` };
    const byDefault = isOption(one) && one.isBoolean() ? false : one.defaultValue;
    return { name, value: byDefault, source: 'default', where: undefined };
  });
  const keys = declared.map((one) => (isOption(one) ? one.attributeName() : one.name()));
  const values = Object.fromEntries(settings.map(({ value }, at) => [keys[at], value])) as Values;
  return { file: text === undefined ? undefined : file, settings, values, strays: strays(command) };
}

/** What orchestrators, too, may set for whatever is called hourcoin: it is told, and no error. */
function strays(command: Command): string[] {
  const known = new Set([API_KEY, ...variables(command.parent ?? command)]);
  return Object.keys(process.env).filter((name) => name.startsWith(PREFIX) && !known.has(name));
}

function variables(command: Command): string[] {
  const own = [...command.registeredArguments, ...command.options].map((one) => variable(one.name()));
  return [...own, ...command.commands.flatMap(variables)];
}

function isOption(declared: Argument | Option): declared is Option {
  return 'attributeName' in declared;
}

type Given = Omit<Setting, 'name'> | undefined;

function ofLine(command: Command, at: number): Given {
  if (at >= command.args.length) return undefined;
  return { value: command.processedArgs[at], source: 'command line', where: undefined };
}

/** commander reads options from the environment, but no arguments. */
function ofEnvironment(argument: Argument): Given {
  const where = variable(argument.name());
  const text = process.env[where];
  if (text === undefined) return undefined;
  try {
    return { value: readValue(argument, text), source: 'environment', where };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new ExitError(`${argument.name()} '${text}' from env '${where}' is invalid. ${error.message}`, 2);
  }
}

function ofOption(command: Command, option: Option): Given {
  const key = option.attributeName();
  const value: unknown = command.getOptionValue(key);
  const source = command.getOptionValueSource(key);
  if (source === 'cli') return { value, source: 'command line', where: undefined };
  if (source === 'env') return { value, source: 'environment', where: option.envVar };
  return undefined;
}

async function valuesOf(
  file: string,
  text: string,
  declared: readonly (Argument | Option)[],
): Promise<ReadonlyMap<string, FileValue>> {
  const { readConfigFile } = await import('./config-file.js');
  return readConfigFile(file, text, new Map(declared.map((one) => [one.name(), one])));
}

/** A file's text; undefined where there is no such file, and none must be. */
function readText(path: string, mustBe: boolean): string | undefined {
  try {
    const bytes = readSome(path, MOST_BYTES + 1);
    if (bytes.length > MOST_BYTES) throw new Error(`it is longer than ${MOST_BYTES / 1_024} KiB`);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !mustBe) return undefined;
    const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8' : message;
    throw new ExitError(`the configuration file ${path} cannot be read: ${why}`, 2);
  }
}

/** The first bytes of a file, whatever its length is said to be: a device's is not. */
function readSome(path: string, most: number): Buffer {
  const bytes = Buffer.alloc(most);
  const file = openSync(path, 'r');
  try {
    let length = 0;
    for (let read = -1; read !== 0; length += read) read = readSync(file, bytes, length, most - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
