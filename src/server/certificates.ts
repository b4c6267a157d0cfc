/** The files of TLS: read at start, and again when they change. */

import { constants } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf } from '../engine/fault.js';
import { certificates, privateKey } from '../wire/pem.js';
import type { Log } from './log.js';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The server's certificate, with those between it and its authority. */
  readonly cert: string;
  /** Its private key, without a passphrase. */
  readonly key: string;
  /** Authorities whose certificates clients must show; undefined where clients need none. */
  readonly clientCa?: string | undefined;
}

/** What is in them. */
interface Contents {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
}

/** How often the files are looked at, milliseconds. */
const LOOK_EVERY_MS = 1_000;

export class Certificates {
  private listeners: ((context: SecureContextOptions) => void)[] = [];
  private readonly look = (): void => this.reload();
  private contents: Contents;
  /** What was wrong with new files when they were looked at last. */
  private problem = '';
  private again: NodeJS.Timeout | undefined;

  /** Throws an Error that names the file where one cannot be read or they do not fit. */
  constructor(
    private readonly files: TlsFiles,
    private readonly log: Log,
  ) {
    this.contents = readFiles(files);
  }

  /** How TLS is served with them. */
  get current(): SecureContextOptions {
    return {
      ...this.contents,
      minVersion: 'TLSv1.2',
      // Renegotiating costs the server more than the client.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    };
  }

  get asksClients(): boolean {
    return this.files.clientCa !== undefined;
  }

  /** Looks for changes from now on. */
  watch(): void {
    // By name and time: a certificate is renewed by moving another into its place, or a link.
    for (const path of this.paths) watchFile(path, { interval: LOOK_EVERY_MS, persistent: false }, this.look);
    // They may have changed since they were read.
    this.reload();
  }

  /** Hears of new certificates, for connections to come. */
  onChange(listener: (context: SecureContextOptions) => void): void {
    this.listeners.push(listener);
  }

  close(): void {
    for (const path of this.paths) unwatchFile(path, this.look);
    clearTimeout(this.again);
    this.listeners = [];
  }

  private get paths(): string[] {
    return Object.values(this.files).filter((path) => path !== undefined);
  }

  private reload(): void {
    const before = this.contents;
    clearTimeout(this.again);
    try {
      this.contents = readFiles(this.files);
    } catch (error) {
      // One of them may have been replaced, and the other not yet; or it is not they that are wrong: nothing can be opened just now.
      const problem = messageOf(error);
      if (problem !== this.problem) this.log.error(`The new TLS files are not used: ${problem}`);
      this.problem = problem;
      this.again = setTimeout(this.look, LOOK_EVERY_MS).unref();
      return;
    }
    this.problem = '';
    if (isSame(before, this.contents)) return;
    for (const listener of this.listeners) listener(this.current);
    this.log.info('The TLS files have changed: new connections use them');
  }
}

function readFiles({ cert, key, clientCa }: TlsFiles): Contents {
  const contents = {
    cert: readFileSync(cert),
    key: readFileSync(key),
    ca: clientCa === undefined ? undefined : readFileSync(clientCa),
  };
  const [own] = certificates(cert, contents.cert);
  if (!own.checkPrivateKey(privateKey(key, contents.key))) throw new Error(`${key} is not the key of ${cert}`);
  // Else nobody could come in.
  if (clientCa !== undefined && contents.ca !== undefined) certificates(clientCa, contents.ca);
  try {
    createSecureContext(contents);
  } catch (error) {
    throw new Error(`${cert} cannot be used: ${messageOf(error)}`);
  }
  return contents;
}

function isSame(one: Contents, other: Contents): boolean {
  const { cert, key, ca = cert } = other;
  return one.cert.equals(cert) && one.key.equals(key) && (one.ca ?? one.cert).equals(ca);
}
