/** `hourcoin validator`: keeps a chain and serves miners. */

import type { DoorOptions } from '../doors.js';
import { formatDifficulty } from '../engine/difficulty.js';
import type { OperatorLimits } from '../engine/limits.js';
import type { TlsFiles } from '../server/certificates.js';
import { ValidatorServer } from '../validator-server.js';
import { formatAddress, formatEndpoint } from '../wire/address.js';
import { TIMESCALE_NAMES } from '../wire/answers.js';
import type { LogLevel } from './arguments.js';
import { aborted, ExitError, stopSignal } from './exit.js';
import { makeLog } from './log.js';
import { colour, say } from './text.js';

export interface ValidatorArguments extends Omit<DoorOptions, 'tls' | 'limits'>, OperatorLimits {
  readonly difficulty: bigint | undefined;
  readonly data: string;
  readonly timescale: 'tai' | 'utc' | undefined;
  readonly logLevel: LogLevel;
  readonly clockSpeed: number | undefined;
  readonly allowClockBehind: boolean;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
}

export async function runValidator({ logLevel, ...options }: ValidatorArguments): Promise<void> {
  const log = await makeLog(logLevel);
  const stop = stopSignal();
  const server = new ValidatorServer({ ...options, tls: tlsFiles(options), limits: options, log });
  const listening = await server.start(stop).catch((error: Error) => {
    // Ctrl-C while it waited for the clock.
    if (stop.aborted) return undefined;
    throw error;
  });
  if (listening === undefined) return;
  const { parameters, clockSpeed } = server.chain;

  say('=== Hourcoin Validator Server ===');
  say();
  say('Configuration:');
  say(`  Address: ${formatAddress(listening.jsonTcp)}`);
  say(`  gRPC: ${listening.grpc ? formatAddress(listening.grpc) : 'off'}`);
  say(`  Difficulty: ${formatDifficulty(parameters.difficulty)}`);
  say(`  Timescale: ${TIMESCALE_NAMES[parameters.timescale]}`);
  say(`  Data: ${options.data}`);
  if (clockSpeed !== 1) {
    say(
      colour(
        'yellow',
        `  Clock speed: ${clockSpeed} - THIS CLOCK RUNS ${clockSpeed} TIMES AS FAST AS REAL TIME: for trying out only`,
      ),
    );
  }
  say();
  say(`JSON/TCP listening on ${formatAddress(listening.jsonTcp)}`);
  if (listening.grpc) say(`gRPC listening on ${formatAddress(listening.grpc)}`);
  for (const endpoint of listening.listen) {
    const protocol = endpoint.wire === 'grpc' ? 'gRPC' : 'JSON/TCP';
    say(`${protocol}${endpoint.isSecure ? ' over TLS' : ''} listening on ${formatEndpoint(endpoint)}`);
  }
  say('Waiting for miner connections...');

  const failure = await Promise.race([aborted(stop), server.failed.catch((error: Error) => error)]);
  say('Stopping...');
  await server.stop();
  if (failure !== undefined) throw new ExitError(failure.message);
}

/** The files of TLS: a certificate is of no use without its key. */
function tlsFiles({
  tlsCert,
  tlsKey,
  tlsClientCa,
}: Pick<ValidatorArguments, 'tlsCert' | 'tlsKey' | 'tlsClientCa'>): TlsFiles | undefined {
  if (tlsCert !== undefined && tlsKey !== undefined) return { cert: tlsCert, key: tlsKey, clientCa: tlsClientCa };
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  throw new ExitError('TLS needs both --tls-cert and --tls-key', 2);
}
