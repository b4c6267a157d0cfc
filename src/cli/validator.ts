/** `hourcoin validator`: keeps a chain and serves miners. */

import type { DoorOptions } from '../doors.js';
import { formatDifficulty } from '../engine/difficulty.js';
import type { OperatorLimits } from '../engine/limits.js';
import type { TimeOptions } from '../outside-time.js';
import type { TlsFiles } from '../server/certificates.js';
import type { Log } from '../server/log.js';
import { ValidatorServer } from '../validator-server.js';
import { formatAddress, formatEndpoint } from '../wire/address.js';
import { TIMESCALE_NAMES } from '../wire/answers.js';
import type { LogLevel } from './arguments.js';
import { aborted, ExitError, stopSignal } from './exit.js';
import { makeLog } from './log.js';
import type { Configuration } from './settings.js';
import { colour, harmless, say } from './text.js';

export interface ValidatorArguments extends Omit<DoorOptions, 'tls' | 'limits'>, TimeOptions, OperatorLimits {
  readonly difficulty: bigint | undefined;
  readonly data: string;
  readonly timescale: 'tai' | 'utc' | undefined;
  readonly logLevel: LogLevel;
  readonly clockSpeed: number | undefined;
  readonly allowClockBehind: boolean;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
  readonly http: string;
  readonly grace: number;
}

/** How long spans may always take to be sent at the end, milliseconds. */
const FLUSH_MS = 500;

export async function runValidator({ file, values, strays }: Configuration<ValidatorArguments>): Promise<void> {
  const { logLevel, ...options } = values;
  const log = await makeLog(logLevel);
  warnOf(strays, log);
  const stop = stopSignal();
  const traces = wantsTraces(process.env) ? (await import('../traces.js')).startTraces(log) : undefined;
  const { onEvent, onRequest } = traces ?? {};
  const server = new ValidatorServer({ ...options, ...doorOptions(options), log, onEvent, onRequest });
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
  if (file !== undefined) say(`  File: ${harmless(file)}`);
  say(`  Address: ${formatAddress(listening.jsonTcp)}`);
  say(`  gRPC: ${listening.grpc ? formatAddress(listening.grpc) : 'off'}`);
  say(`  Difficulty: ${formatDifficulty(parameters.difficulty)}`);
  say(`  Timescale: ${TIMESCALE_NAMES[parameters.timescale]}`);
  const sources = server.timeStatus?.sources.map(({ name }) => name);
  if (sources !== undefined) say(`  Time: ${harmless(sources.join(', '))}`);
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
  if (listening.http) say(`HTTP listening on ${formatAddress(listening.http)}`);
  say('Waiting for miner connections...');

  const failure = await Promise.race([aborted(stop), server.failed.catch((error: Error) => error)]);
  say('Stopping...');
  const deadline = performance.now() + options.grace;
  await server.stop();
  await traces?.stop(Math.max(FLUSH_MS, deadline - performance.now()));
  if (failure !== undefined) throw new ExitError(failure.message);
}

/** A variable that is misspelt sets nothing. */
export function warnOf(strays: readonly string[], log: Log): void {
  if (strays.length > 0) log.warn(`The environment has ${strays.join(', ')}, which no option is called: ignored`);
}

/** Where to listen, and to whom, as a server takes it. Throws an ExitError where it is half a pair. */
export function doorOptions(options: Omit<ValidatorArguments, 'logLevel'>): DoorOptions {
  return { ...options, tls: tlsFiles(options), limits: options };
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

/** Whether OpenTelemetry's own variables ask for traces. */
function wantsTraces(env: NodeJS.ProcessEnv): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false;
  if (env.OTEL_TRACES_EXPORTER) return env.OTEL_TRACES_EXPORTER !== 'none';
  return Boolean(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT);
}
