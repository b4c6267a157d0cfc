/** A whole validator within the test's own process, with all its doors. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectTo } from '../../src/client/connect.js';
import type { Credentials } from '../../src/client/credentials.js';
import type { GrpcClient } from '../../src/client/grpc.js';
import type { JsonTcpClient } from '../../src/client/json-tcp.js';
import { command } from '../../src/server/control.js';
import type { Log } from '../../src/server/log.js';
import { type ValidatorOptions, ValidatorServer } from '../../src/validator-server.js';
import { type Endpoint, formatEndpoint } from '../../src/wire/address.js';
import { EASY } from './blocks.js';
import type { AtEnd } from './makers.js';
import { temporaryFolder } from './programs.js';
import { present } from './stores.js';

/** A scheme of an address that a validator listens at. */
export type Scheme = 'tcp' | 'grpc' | 'tls' | 'grpcs';

/** A validator that runs. */
export interface WholeValidator {
  readonly server: ValidatorServer;
  readonly folder: string;
  /** What it has logged, a line at a time with its level before it: `debug: New connection from: …`. */
  readonly log: readonly string[];
  /** Where it listens. */
  at(scheme: Scheme): Endpoint;
  /** A client of that. */
  client(scheme: 'tcp' | 'tls', credentials?: Credentials): JsonTcpClient;
  client(scheme: 'grpc' | 'grpcs', credentials?: Credentials): GrpcClient;
  client(scheme: Scheme, credentials?: Credentials): JsonTcpClient | GrpcClient;
  /** Makes a key, as `hourcoin key add` does beside a running validator. */
  addKey(minerId: string): Promise<{ readonly id: string; readonly token: string }>;
  /** Revokes one. */
  revokeKey(id: string): Promise<void>;
}

/** Starts a validator on free ports of 127.0.0.1: JSON/TCP, gRPC and what `listen` adds. It is stopped after the test. */
export async function startWhole(atEnd: AtEnd, options: ValidatorOptions = {}): Promise<WholeValidator> {
  const data = temporaryFolder();
  atEnd(data.remove);
  const log: string[] = [];
  const at = (level: keyof Log) => (text: string) => void log.push(`${level}: ${text}`);
  const server = new ValidatorServer({
    address: '127.0.0.1:0',
    grpc: '127.0.0.1:0',
    difficulty: EASY,
    data: data.path,
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    ...options,
  });
  atEnd(() => server.stop());
  const { jsonTcp, grpc, listen } = await server.start();
  const opened: Endpoint[] = [{ ...jsonTcp, wire: 'json-tcp', isSecure: false }, ...listen];
  if (grpc !== undefined) opened.push({ ...grpc, wire: 'grpc', isSecure: false });
  const found = (scheme: Scheme): Endpoint => {
    const prefix = scheme === 'tcp' ? /^[^/]*$/ : new RegExp(`^${scheme}://`);
    const endpoint = present(opened.find((endpoint) => prefix.test(formatEndpoint(endpoint))));
    // Every address is this machine's too.
    return { ...endpoint, host: endpoint.host === '0.0.0.0' ? '127.0.0.1' : endpoint.host };
  };
  const ask = async (name: string, argument: string): Promise<unknown> =>
    present(await command(data.path, name, argument)).done;
  return {
    server,
    folder: data.path,
    log,
    at: found,
    client: (scheme: Scheme, credentials?: Credentials) => {
      const client = connectTo(formatEndpoint(found(scheme)), undefined, credentials);
      atEnd(() => client.close());
      return client as JsonTcpClient & GrpcClient;
    },
    addKey: async (minerId) => (await ask('add-key', minerId)) as { id: string; token: string },
    revokeKey: async (id) => {
      present(await ask('revoke-key', id));
    },
  };
}

/** The lines of a log that say more than an operator who only wants to know that all is well. */
export function alarms(log: readonly string[]): string[] {
  return log.filter((line) => /^(warn|error): /.test(line));
}

/** Whether a text stands anywhere in the files of a folder. */
export function isWritten(text: string, folder: string): boolean {
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .some(({ name }) => readFileSync(join(folder, name)).includes(text));
}
