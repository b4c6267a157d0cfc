/** WatchRounds and WatchBlocks: how soon a thousand hear of a new block, beside a bare grpc-js server, and beside one who does not read. */

import { once } from 'node:events';
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { WatchBlocksRequest, WatchBlocksResponse } from '../../gen/hourcoin/v1/chain_service.js';
import { WatchRoundsRequest, WatchRoundsResponse } from '../../gen/hourcoin/v1/validator_service.js';
import { connectToGrpc } from '../../src/client/connect.js';
import type { GrpcClient } from '../../src/client/grpc.js';
import { winning } from '../support/blocks.js';
import { grpcFramed } from '../support/grpc.js';
import { end, type Program, start, startValidator, temporaryFolder } from '../support/programs.js';
import { cpuSeconds, median, script } from './measure.js';
import type { Benchmark, Effort, Row } from './row.js';
import type { Heard, Watched } from './watchers.js';

const CONNECTIONS = 20;
/** On each connection. */
const STREAMS = 50;
const ALL = CONNECTIONS * STREAMS;

/** A stream of the API: what asks for it, and a message as it has them. */
interface Stream {
  readonly name: string;
  readonly method: string;
  readonly request: Uint8Array;
  message(client: GrpcClient): Promise<Uint8Array>;
}

const ROUNDS: Stream = {
  name: 'WatchRounds',
  method: '/hourcoin.v1.ValidatorService/WatchRounds',
  request: WatchRoundsRequest.encode({ minerId: 'alice' }).finish(),
  message: async (client) => WatchRoundsResponse.encode({ roundInfo: await client.getRoundInfo('') }).finish(),
};

const BLOCKS: Stream = {
  name: 'WatchBlocks',
  method: '/hourcoin.v1.ChainService/WatchBlocks',
  request: WatchBlocksRequest.encode({ fromIndex: 0 }).finish(),
  message: async (client) => WatchBlocksResponse.encode({ block: await client.getBlock({ index: 0 }) }).finish(),
};

export const watch: Benchmark = {
  name: 'watch',
  async *rows(effort) {
    yield* rowsOf(ROUNDS, effort);
    yield* rowsOf(BLOCKS, effort);
  },
};

/** Causes a message to all who watch. Tells when that began, and when it was durable: milliseconds of the system's monotonic clock. */
type Cause = () => Promise<{ readonly begun: number; readonly durable: number }>;

/** A message to all: how long half of them, all but a hundredth, and all waited for it, milliseconds. */
interface Wave extends Heard {
  /** As `last`, since it was durable. */
  readonly sinceDurable: number;
}

/** Such messages one after the other, and the server's CPU for each that one of them got, microseconds. */
interface Waves {
  readonly waves: readonly Wave[];
  readonly cpuUs: number;
}

async function* rowsOf(stream: Stream, { seconds, rounds }: Effort): AsyncGenerator<Row, void> {
  const folder = temporaryFolder();
  const validator = await startValidator(folder.path, ['--log-level', 'warn']);
  const client = connectToGrpc(validator.grpc);
  const programs: Program[] = [validator];
  try {
    const accept = miner(client);
    await accept();
    const message = Buffer.from(await stream.message(client)).toString('hex');
    const bare = start(process.execPath, [script('floor'), 'stream', stream.method, message]);
    programs.push(bare);
    const [, bareAddress] = await bare.printed(/^listening on (\S+)$/m);
    const address = validator.grpc.replace('grpc://', '');
    const ours = await Watchers.of(stream, address);
    programs.push(ours.program);
    const theirs = await Watchers.of(stream, String(bareAddress));
    programs.push(theirs.program);

    const count = Math.ceil(4 * seconds);
    const alone: Waves[] = [];
    const floor: Waves[] = [];
    const beside: Waves[] = [];
    const measures = [
      async () => alone.push(await ours.waves(count, validator, accept)),
      async () => floor.push(await theirs.waves(count, bare, () => tell(bare))),
      async () => {
        const leave = await neverRead(stream, address);
        beside.push(await ours.waves(count, validator, accept));
        leave();
      },
    ];
    // Forth and back: what is measured first finds everything cold.
    for (let i = 0; i < rounds; i++)
      for (const measure of i % 2 === 0 ? measures : [...measures].reverse()) await measure();
    yield* rowsFrom(stream, alone, floor, beside);
  } finally {
    client.close();
    await Promise.all(programs.map((program) => end(program, 'SIGKILL')));
    folder.remove();
  }
}

function* rowsFrom({ name }: Stream, alone: Waves[], floor: Waves[], beside: Waves[]): Generator<Row, void> {
  const of = (runs: readonly Waves[], figure: keyof Wave): number =>
    median(runs.flatMap(({ waves }) => waves.map((wave) => wave[figure])));
  const slowest = (runs: readonly Waves[]): number =>
    Math.max(...runs.flatMap(({ waves }) => waves.map(({ last }) => last)));
  const cpu = (runs: readonly Waves[]): number => median(runs.map(({ cpuUs }) => cpuUs));
  const last = of(alone, 'last');
  yield {
    work: `${name}: a new block until the last of ${ALL.toLocaleString('en')} has heard of it`,
    figure: last,
    unit: 'ms since it was sent',
    beside: 'bare grpc-js, the same bytes to as many',
    floor: of(floor, 'last'),
    ratio: last / of(floor, 'last'),
    goal: 'less than 100 ms',
    met: last < 100,
    more: {
      'since it was durable': of(alone, 'sinceDurable'),
      half: of(alone, 'half'),
      p99: of(alone, 'p99'),
      'slowest block': slowest(alone),
      'µs of CPU a message': cpu(alone),
      'bare µs': cpu(floor),
    },
  };
  const others = of(beside, 'last');
  yield {
    work: `${name}: the same beside one who does not read`,
    figure: others,
    unit: 'ms since it was sent',
    beside: 'without that one',
    floor: last,
    ratio: others / last,
    goal: 'changes nothing: within 1.2x',
    met: others <= 1.2 * last,
    more: { p99: of(beside, 'p99'), 'slowest block': slowest(beside), 'µs of CPU a message': cpu(beside) },
  };
}

/** A thousand who watch, in a process of their own. */
class Watchers {
  private told = 0;

  private constructor(readonly program: Program) {}

  /** Begins to watch, and waits until all do. */
  static async of({ method, request }: Stream, address: string): Promise<Watchers> {
    const hex = Buffer.from(request).toString('hex');
    const watched: Watched = { address, method, request: hex, connections: CONNECTIONS, streams: STREAMS };
    const program = start(process.execPath, [script('watchers'), JSON.stringify(watched)]);
    await program.printed(/^watching$/m);
    return new Watchers(program);
  }

  /** Causes messages one after the other, each once all have had the one before. */
  async waves(count: number, server: Program, cause: Cause): Promise<Waves> {
    const waves: Wave[] = [];
    const before = cpuSeconds(server);
    for (let i = 0; i < count; i++) {
      const { begun, durable } = await cause();
      const { half, p99, last } = await this.next();
      waves.push({ half: half - begun, p99: p99 - begun, last: last - begun, sinceDurable: last - durable });
    }
    return { waves, cpuUs: (1e6 * (cpuSeconds(server) - before)) / (count * ALL) };
  }

  /** The next time that all had one more. */
  private async next(): Promise<Heard> {
    const [, text] = await this.program.printed(new RegExp(`^watching\n(?:.*\n){${this.told++}}(.*)\n`));
    return JSON.parse(String(text)) as Heard;
  }
}

/** Makes blocks, each by a miner of its own, and submits them when their time has come. */
function miner(client: GrpcClient): Cause {
  let number = 0;
  return async () => {
    const round = await client.getRoundInfo('');
    const block = winning(round, 'alice');
    await sleep(Number(block.timestamp - round.serverTime));
    const begun = now();
    const { message } = await client.submitBlock(`miner-${number++}`, block);
    if (!message.startsWith('Block accepted')) throw new Error(message);
    return { begun, durable: now() };
  };
}

/** Has the bare server write to all. */
async function tell(bare: Program): ReturnType<Cause> {
  const begun = now();
  bare.process.kill('SIGUSR2');
  return { begun, durable: begun };
}

/** One who begins to watch and never reads: no byte of an answer may be sent. Returns what makes it leave. */
async function neverRead({ method, request }: Stream, address: string): Promise<() => void> {
  const session = connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
  const headers = { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(headers);
  stream.end(grpcFramed(Buffer.from(request)));
  await once(stream, 'response');
  return () => session.destroy();
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
