/** Honest clients of a validator, on both wires: some ask at a steady pace, others mine. */

import { setTimeout as sleep } from 'node:timers/promises';
import { connectTo } from '../../src/client/connect.js';
import type { GrpcClient } from '../../src/client/grpc.js';
import type { JsonTcpClient } from '../../src/client/json-tcp.js';
import { Miner } from '../../src/miner/miner.js';
import type { RunningValidator } from '../support/programs.js';

export const WIRES = ['JSON/TCP', 'gRPC'] as const;

export type Wire = (typeof WIRES)[number];

export type Client = JsonTcpClient | GrpcClient;

/** How often a client asks, milliseconds: both together less often than an address may. */
const PACE_MS = 15;

/** In how many names it asks: in each less often than a miner may. */
const NAMES = 10;

/** How long miners rest between two blocks, milliseconds. */
const REST_MS = 200;

/** What came of a while of asking. */
export interface Asked {
  readonly wire: Wire;
  /**
   * When each request was sent, by performance.now, and how long its answer took, milliseconds. `lateMs`: how much later than it was due it was
   * sent, because this very process had to wait for the machine.
   */
  readonly answers: readonly { readonly begun: number; readonly ms: number; readonly lateMs: number }[];
  /** Why there were no answers. */
  readonly failures: readonly string[];
}

/** What 99 of 100 answers stay under, milliseconds; and what the lateness of their requests does. */
export function p99({ answers }: Asked, of: 'ms' | 'lateMs' = 'ms'): number {
  const sorted = answers.map((answer) => answer[of]).sort((a, b) => a - b);
  return sorted[Math.ceil(0.99 * sorted.length) - 1] ?? (of === 'ms' ? Number.POSITIVE_INFINITY : 0);
}

/** What was asked from a time on. */
export function since(from: number, asked: Asked): Asked {
  return { ...asked, answers: asked.answers.filter(({ begun }) => begun >= from) };
}

/** A client with a connection of its own, which is made when it is first used. */
export function newcomer({ jsonTcp, grpc }: RunningValidator, wire: Wire): Client {
  return connectTo(wire === 'gRPC' ? grpc : jsonTcp);
}

/** Asks for a lockout and the round in turn, at a steady pace, whether answers come or not, until some work is done; then waits for all answers. */
export async function askDuring(work: Promise<unknown>, client: Client, wire: Wire): Promise<Asked> {
  const asked: Promise<void>[] = [];
  const answers: { begun: number; ms: number; lateMs: number }[] = [];
  const failures: string[] = [];
  let last = performance.now();
  const ask = async (): Promise<void> => {
    const begun = performance.now();
    const lateMs = begun - last - PACE_MS;
    last = begun;
    const name = `honest ${asked.length % NAMES}`;
    try {
      await (asked.length % 3 === 0 ? client.checkLockout(name) : client.getRoundInfo(name));
      answers.push({ begun, ms: performance.now() - begun, lateMs });
    } catch (error) {
      failures.push(String(error));
    }
  };
  const timer = setInterval(() => asked.push(ask()), PACE_MS);
  await work.finally(() => clearInterval(timer));
  await Promise.all(asked);
  return { wire, answers, failures };
}

/** A block of an honest miner that was accepted: when it was begun, by performance.now, and how long it took. */
export interface Won {
  readonly wire: Wire;
  readonly begun: number;
  readonly ms: number;
}

/** Miners who never mined before, one after the other, on one wire and the other, each until its block is accepted. */
export class Miners {
  /** The blocks that were accepted. */
  readonly won: Won[] = [];
  private readonly stopping = new AbortController();
  private readonly mining: Promise<void>;

  /** `kept`: the clients that they use instead of new ones, by wire. */
  constructor(
    private readonly validator: RunningValidator,
    private readonly kept?: Readonly<Record<Wire, Client>>,
  ) {
    this.mining = this.mine();
  }

  /** Gives up what is being mined. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.mining;
  }

  private async mine(): Promise<void> {
    const { signal } = this.stopping;
    for (let number = 0; !signal.aborted; number++) {
      const wire = WIRES[number % WIRES.length] as Wire;
      const client = this.kept?.[wire] ?? newcomer(this.validator, wire);
      const begun = performance.now();
      const blocks = await new Miner(client, `honest miner ${number}`, { blocks: 1, signal }).run();
      if (blocks > 0) this.won.push({ wire, begun, ms: performance.now() - begun });
      if (this.kept === undefined) client.close();
      await sleep(REST_MS, undefined, { signal }).catch(() => {});
    }
  }
}
