/** What a client shows and whom it trusts, from the files that were named and, for the API key, the environment. */

import { readFileSync, statSync } from 'node:fs';
import { type Credentials, isApiKey, secureContext } from '../client/credentials.js';
import { API_KEY } from './arguments.js';
import { ExitError } from './exit.js';
import { colour } from './text.js';

/** Paths of the files of TLS. */
export interface TlsOptions {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** All that a client's credentials are read from. */
export interface CredentialOptions extends TlsOptions {
  readonly apiKeyFile?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** Reads the files of TLS. Throws an ExitError where one of them is not what it should be. */
export function readTls({ ca, cert, key }: TlsOptions): Credentials {
  const named = (option: string, path: string | undefined): string =>
    path === undefined ? option : `${option} ${path}`;
  const names = { ca: named('--ca', ca), cert: named('--cert', cert), key: named('--key', key) };
  const credentials = {
    ca: ca && readFile(names.ca, ca),
    cert: cert && readFile(names.cert, cert),
    key: key && readSecret(names.key, key),
  };
  rightly(() => secureContext(credentials, names));
  return credentials;
}

/** Reads everything. Throws an ExitError where something is not what it should be. */
export function readCredentials(options: CredentialOptions): Credentials {
  return { ...readTls(options), apiKey: readApiKey(options.apiKeyFile), insecure: options.insecure };
}

/** Makes what the library makes. What is wrong with its arguments is wrong with the program's. */
export function rightly<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof TypeError) throw new ExitError(error.message, 2);
    throw error;
  }
}

/** The token, which is never an argument: those can be seen by everyone on the machine. */
function readApiKey(path: string | undefined): string | undefined {
  if (path === undefined) return process.env[API_KEY];
  const name = `--api-key-file ${path}`;
  const token = String(readSecret(name, path)).replace(/\r?\n$/, '');
  if (isApiKey(token)) return token;
  throw new ExitError(`${name} does not hold an API key: one line, without spaces`, 2);
}

function readSecret(name: string, path: string): Buffer {
  const bytes = readFile(name, path);
  const file = statSync(path);
  if (process.platform !== 'win32' && file.isFile() && (file.mode & 0o077) !== 0) {
    const text = `warning: others on this machine can read ${path}, which is secret: chmod 600 ${path}`;
    process.stderr.write(`${colour('yellow', text, process.stderr)}\n`);
  }
  return bytes;
}

function readFile(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ExitError(`cannot read ${name}: ${(error as Error).message}`, 2);
  }
}
