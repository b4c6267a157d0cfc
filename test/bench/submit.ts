/** JSON/TCP SubmitBlock: refused before it is recorded, refused and recorded durably, accepted; beside bare commits of LMDB. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { RoundInfo } from '../../gen/hourcoin/v1/validator_service.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import { parseDifficulty } from '../../src/engine/difficulty.js';
import { coinbase, findNonce, findTimestamp } from '../../src/miner/search.js';
import { parseAddress } from '../../src/wire/address.js';
import { requestToJson } from '../../src/wire/requests.js';
import { end, type RunningValidator, start, startValidator, temporaryFolder } from '../support/programs.js';
import { type Measured, median, middle, script, underLoad } from './measure.js';
import type { Benchmark, Effort, Row } from './row.js';

/** Blocks whose acceptance is timed. */
const ACCEPTED = 40;

export const submit: Benchmark = {
  name: 'submit',
  async *rows(effort): AsyncGenerator<Row, void> {
    yield await refused(effort);
    yield await recorded(effort);
    yield await accepted();
  },
};

/** A block that is not on the tip. */
async function refused(effort: Effort): Promise<Row> {
  const runs = await runsOf(effort, async (validator) => {
    const request = await requestFor(validator, (round) => ({ index: round.nextIndex + 7 }));
    return underLoad(validator, { ...PLAN, address: validator.jsonTcp, seconds: effort.seconds, requests: [request] });
  });
  const { cpuUs, answered, seconds, p99 } = middle(runs);
  return {
    work: 'refused before it is recorded, 16 connections, 16 in flight',
    figure: 1e6 / cpuUs,
    unit: 'a CPU-second',
    beside: 'the goal',
    floor: 60_000,
    ratio: 1e6 / cpuUs / 60_000,
    goal: 'at least 60,000 a CPU-second',
    met: 1e6 / cpuUs >= 60_000,
    more: { 'a second': answered / seconds, p99 },
  };
}

/** A timestamp outside the window costs the attempt, which is durable before the answer; every submission is another miner's. */
async function recorded(effort: Effort): Promise<Row> {
  const floors: number[] = [];
  const runs = await runsOf(effort, async (validator) => {
    floors.push(await bareCommits(effort.seconds, 256));
    const request = await requestFor(validator, (round) => ({ timestamp: round.serverTime + 3_600_000n }));
    return underLoad(validator, { ...PLAN, address: validator.jsonTcp, seconds: effort.seconds, requests: [request] });
  });
  const { cpuUs, answered, seconds, p99 } = middle(runs);
  const floor = median(floors);
  return {
    work: 'refused and recorded durably, 16 connections, 16 in flight',
    figure: answered / seconds,
    unit: 'a second',
    beside: '256 writers of such records to bare LMDB',
    floor,
    ratio: answered / seconds / floor,
    goal: 'at least 60 % of bare commits',
    met: answered / seconds >= 0.6 * floor,
    more: { 'a CPU-second': 1e6 / cpuUs, p99 },
  };
}

/** Good blocks one after the other, each from a miner of its own. */
async function accepted(): Promise<Row> {
  const folder = temporaryFolder();
  const validator = await startValidator(folder.path, ['--log-level', 'warn']);
  const client = connectTo(validator);
  const times: number[] = [];
  try {
    for (let i = 0; i < ACCEPTED; i++) {
      const round = await client.getRoundInfo('');
      const block = await blockFor(round);
      // As an honest miner: else each block's timestamp would be further ahead of the clock, until one is beyond the window.
      await sleep(Number(block.timestamp - round.serverTime));
      const begun = performance.now();
      const { message } = await client.submitBlock(`miner-${i}`, block);
      if (!message.startsWith('Block accepted')) throw new Error(message);
      times.push(performance.now() - begun);
    }
  } finally {
    client.close();
    await end(validator);
    folder.remove();
  }
  const sync = 1_000 / (await bareCommits(1, 1));
  const time = median(times);
  return {
    work: 'accepted',
    figure: time,
    unit: 'ms',
    beside: 'one bare LMDB commit',
    floor: sync,
    ratio: time / sync,
    goal: "one sync's time + 2 ms",
    met: time <= sync + 2,
    more: { p99: [...times].sort((a, b) => a - b)[Math.floor(0.99 * times.length)] as number },
  };
}

const PLAN = { wire: 'json-tcp', connections: 16, inFlight: 16 } as const;

/** Each run has a validator of its own, so that all have their attempts before them. */
async function runsOf(
  { rounds }: Effort,
  measure: (validator: RunningValidator) => Promise<Measured>,
): Promise<Measured[]> {
  const runs: Measured[] = [];
  for (let i = 0; i < rounds; i++) {
    const folder = temporaryFolder();
    const validator = await startValidator(folder.path, ['--log-level', 'warn']);
    try {
      runs.push(await measure(validator));
    } finally {
      await end(validator);
      folder.remove();
    }
  }
  return runs;
}

function connectTo({ jsonTcp }: RunningValidator): JsonTcpClient {
  const address = parseAddress(jsonTcp);
  if (address === undefined) throw new Error(`${jsonTcp} is not an address`);
  return new JsonTcpClient(address);
}

/** A submission by miner-{N}, where the load puts a number of its own for {N}. */
async function requestFor(
  validator: RunningValidator,
  change: (round: RoundInfo) => { index?: number; timestamp?: bigint },
): Promise<string> {
  const client = connectTo(validator);
  const round = await client.getRoundInfo('');
  const block = { ...(await blockFor(round)), ...change(round) };
  client.close();
  return requestToJson({ call: 'SubmitBlock', minerId: 'miner-{N}', block });
}

async function blockFor(round: RoundInfo) {
  const { serverTime, tipTimestamp = -1n, tonce = 1, nextIndex: index, prevBlockHash, difficulty } = round;
  const timestamp = findTimestamp(serverTime > tipTimestamp ? serverTime : tipTimestamp + 1n, tonce);
  if (timestamp === undefined) throw new Error('no timestamp meets the tonce');
  const template = { index, timestamp, prevBlockHash, transactions: [coinbase('alice', timestamp)] };
  const block = await findNonce(template, parseDifficulty(difficulty) ?? 1n);
  if (block === undefined) throw new Error('no block was found');
  return block;
}

/** Records a second that LMDB takes by itself, from so many writers that wait for each of theirs. */
async function bareCommits(seconds: number, writers: number): Promise<number> {
  const folder = temporaryFolder();
  const program = start(process.execPath, [script('floor'), 'lmdb', folder.path, String(seconds), String(writers)]);
  const [, rate] = await program.printed(/^records a second: (\S+)$/m);
  await program.ended;
  folder.remove();
  return Number(rate);
}
