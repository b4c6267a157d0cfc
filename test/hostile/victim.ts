/** The validator that is attacked: the real program, on a chain of its own. */

import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { LIMITS } from '../../src/engine/limits.js';
import { parseAddress } from '../../src/wire/address.js';
import { coinbaseTo, EASY, mined, output, timestampFrom } from '../support/blocks.js';
import { grpcAddress, jsonTcpAddress, overGrpc } from '../support/clients.js';
import { run } from '../support/ended.js';
import { footprint } from '../support/footprint.js';
import { MAIN, type Program, type RunningValidator, start } from '../support/programs.js';
import { present } from '../support/stores.js';
import type { Certificates } from '../support/tls.js';
import type { Attack, Target, Victim } from './attack.js';
import { BOUNDS, type Holds } from './bounds.js';

/** What is loaded before the program, compiled. */
const COLLECT = new URL('./collect.js', import.meta.url).href;

/** Where an attacker comes from that is limited by its address. */
const ATTACKER = '127.0.0.2';

/** Starts it. It may not listen yet. */
export function startVictim(
  data: string,
  { options = [], isLimited, descriptors }: Attack,
  tls: Certificates | undefined,
): Program {
  const where = ['127.0.0.1:0', String(EASY), '--grpc', '127.0.0.1:0', '--data', data];
  const secure = ['--listen', 'tls://127.0.0.1:0', '--listen', 'grpcs://127.0.0.1:0'];
  const files =
    tls === undefined ? [] : ['--tls-cert', tls.path('server.pem'), '--tls-key', tls.path('server-key.pem')];
  const further = [
    ...(tls === undefined ? [] : secure),
    ...files,
    '--log-level',
    'warn',
    ...options,
    ...(isLimited ? ['--limit-loopback'] : []),
  ];
  const limited = descriptors === undefined ? '' : `ulimit -n ${descriptors}; `;
  return start('sh', [
    '-c',
    `${limited}exec "$@"`,
    'sh',
    process.execPath,
    ...['--import', COLLECT, MAIN, 'validator', ...where, ...further],
  ]);
}

/** Waits until it listens. */
export async function listening(program: Program): Promise<RunningValidator> {
  const [, jsonTcp] = await program.printed(/^JSON\/TCP listening on (\S+)$/m);
  const [, grpc] = await program.printed(/^gRPC listening on (\S+)$/m);
  await program.printed(/^Waiting for miner connections\.\.\.$/m);
  return { ...program, jsonTcp: String(jsonTcp), grpc: `grpc://${grpc}` };
}

/** Where an attacker finds it. */
export function victimOf(validator: RunningValidator, { isLimited }: Attack): Victim {
  const from = isLimited ? { localAddress: ATTACKER } : {};
  const secure = (scheme: string): Target | undefined => {
    const [, address] = RegExp(` listening on ${scheme}://(\\S+)$`, 'm').exec(validator.stdout()) ?? [];
    return address === undefined ? undefined : { ...present(parseAddress(address)), ...from };
  };
  return {
    jsonTcp: { ...jsonTcpAddress(validator), ...from },
    grpc: { ...grpcAddress(validator), ...from },
    tls: secure('tls'),
    grpcs: secure('grpcs'),
  };
}

/** What it holds on to. */
export async function holds(validator: RunningValidator): Promise<Holds> {
  const times = [...validator.stdout().matchAll(/^holds /gm)].length;
  validator.process.kill('SIGUSR2');
  const [, memory] = await validator.printed(RegExp(`^holds (\\S+) MiB \\(${times + 1}\\)$`, 'm'));
  return { memory: Number(memory), descriptors: footprint(validator).descriptors };
}

/** Lets its chain begin with blocks that are about as large as can be, each by a miner of its own. */
export async function makeLargeBlocks(validator: RunningValidator, count: number): Promise<void> {
  const client = overGrpc(validator);
  for (let made = 0, tries = 0; made < count; tries++) {
    const {
      nextIndex: index,
      prevBlockHash,
      serverTime,
      tipTimestamp = -1n,
      tonce = 1,
    } = await client.getRoundInfo('');
    const timestamp = timestampFrom(serverTime > tipTimestamp ? serverTime : tipTimestamp + 1n, tonce);
    const [paid] = coinbaseTo('a'.repeat(64), timestamp).outputs;
    if (paid === undefined) throw new Error('a coinbase pays nobody');
    const unpaid = Array.from({ length: LIMITS.outputs - 1 }, (_, n) => output(`${n}`.padStart(80, '0'), 0, timestamp));
    const transactions = [{ inputs: [], outputs: [paid, ...unpaid] }];
    const block = mined({ index, prevBlockHash, timestamp, transactions });
    const { result } = await client.submitBlock(`large ${tries}`, block);
    if (result === SubmitResult.ACCEPTED) made++;
  }
  client.close();
}

/** Ends it as an operator does, and says what was not as it must be: its end, what it had to say, its chain. */
export async function endVictim(validator: Program, data: string, { mayLog }: Attack): Promise<string[]> {
  const problems: string[] = [];
  const begun = performance.now();
  validator.process.kill('SIGTERM');
  const late = setTimeout(() => validator.process.kill('SIGKILL'), 2 * BOUNDS.endsMs);
  const code = await validator.ended;
  clearTimeout(late);
  const took = performance.now() - begun;
  if (code !== 0) problems.push(`after SIGTERM it ended with ${code}`);
  if (took > BOUNDS.endsMs) problems.push(`after SIGTERM it took ${Math.round(took)} ms to end`);
  const unexpected = validator
    .stderr()
    .split('\n')
    .filter((line) => line !== '' && !mayLog?.test(line));
  if (unexpected.length > 0)
    problems.push(`stderr, ${unexpected.length} lines:\n${unexpected.slice(0, 20).join('\n')}`);
  const verified = await run(['verify', '--data', data]);
  if (verified.code !== 0) problems.push(`its chain is not sound:\n${verified.stdout}${verified.stderr}`);
  return problems;
}
