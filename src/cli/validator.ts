/** `hourcoin validator`: keeps a chain and serves miners. */

import { formatDifficulty } from '../engine/difficulty.js';
import { ValidatorServer } from '../validator-server.js';
import { formatAddress } from '../wire/address.js';
import { TIMESCALE_NAMES } from '../wire/answers.js';
import type { LogLevel } from './arguments.js';
import { aborted, ExitError, stopSignal } from './exit.js';
import { makeLog } from './log.js';
import { colour, say } from './text.js';

export interface ValidatorArguments {
  readonly address: string;
  readonly difficulty: bigint | undefined;
  readonly grpc: string;
  readonly data: string;
  readonly timescale: 'tai' | 'utc' | undefined;
  readonly logLevel: LogLevel;
  readonly clockSpeed: number | undefined;
  readonly allowClockBehind: boolean;
}

export async function runValidator({ logLevel, ...options }: ValidatorArguments): Promise<void> {
  const log = await makeLog(logLevel);
  const stop = stopSignal();
  const server = new ValidatorServer({ ...options, log });
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
  say('Waiting for miner connections...');

  const failure = await Promise.race([aborted(stop), server.failed.catch((error: Error) => error)]);
  say('Stopping...');
  await server.stop();
  if (failure !== undefined) throw new ExitError(failure.message);
}
