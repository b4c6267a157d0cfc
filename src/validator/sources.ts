/**
 * What has come from each network within an hour of the validator's clock: accepted blocks and the miner ids that have submitted. One host with
 * many names is still one host.
 */

import { Fault } from '../engine/fault.js';
import { LIMITS, type OperatorLimits } from '../engine/limits.js';
import { VISIT_MS, type Visit } from '../store/store.js';

/** What is counted of a network: times of the last hour, and what is older and was not asked for since. */
interface Source {
  /** The last time of each miner id, the oldest first. */
  readonly miners: Map<string, bigint>;
  /** The times of accepted blocks, the oldest first. */
  readonly blocks: bigint[];
}

export class Sources {
  /** Networks that came lately, and those before them: whoever does not come for an hour or two is forgotten. */
  private recent = new Map<string, Source>();
  private earlier = new Map<string, Source>();
  private turnedAt = 0n;
  /** Miner ids and blocks of those that came lately. */
  private size = 0;

  /** Begins with what is stored, the oldest first. `clockSpeed`: that of the validator's clock. */
  constructor(
    private readonly limits: Pick<OperatorLimits, 'maxBlocksPerIp' | 'maxMinersPerIp'>,
    private readonly clockSpeed: number,
    visits: readonly Visit[],
  ) {
    for (const visit of visits) this.add(visit);
  }

  /** Throws a Fault, OVERLOADED, where no more may come from a network in a miner's name. */
  check(network: string, minerId: string, now: bigint): void {
    const source = this.recent.get(network) ?? this.earlier.get(network);
    if (source === undefined) return;
    forget(source, now);
    const { miners, blocks } = source;
    const { maxBlocksPerIp, maxMinersPerIp } = this.limits;
    // Once these are an hour old there is room.
    const block = blocks.at(-maxBlocksPerIp) ?? 0n;
    const isNew = miners.size >= maxMinersPerIp && !miners.has(minerId);
    const miner = (isNew ? [...miners.values()].at(-maxMinersPerIp) : undefined) ?? 0n;
    if (block === 0n && miner === 0n) return;
    const waitMs = (block > miner ? block : miner) + VISIT_MS - now;
    const what =
      block > miner
        ? `blocks accepted from ${network} within an hour: ${maxBlocksPerIp}`
        : `miner ids that submit from ${network} within an hour: ${maxMinersPerIp}`;
    const retryMs = Math.ceil(Number(waitMs) / this.clockSpeed);
    throw new Fault('OVERLOADED', `${what} at most; again in ${(waitMs + 999n) / 1_000n} s`, '', retryMs);
  }

  /** Counts a submission that was judged. */
  add({ network, minerId, at, accepted }: Visit): void {
    if (at - this.turnedAt >= VISIT_MS || this.size >= LIMITS.visits / 2) this.turn(at);
    const source = this.sourceOf(network);
    // Behind all others: the first is the one whose last time is the oldest.
    if (!source.miners.delete(minerId)) this.size++;
    source.miners.set(minerId, at);
    if (!accepted) return;
    source.blocks.push(at);
    this.size++;
  }

  private sourceOf(network: string): Source {
    const known = this.recent.get(network);
    if (known !== undefined) return known;
    const source = this.earlier.get(network) ?? { miners: new Map(), blocks: [] };
    this.earlier.delete(network);
    this.recent.set(network, source);
    this.size += source.miners.size + source.blocks.length;
    return source;
  }

  private turn(at: bigint): void {
    this.earlier = this.recent;
    this.recent = new Map();
    this.turnedAt = at;
    this.size = 0;
  }
}

/** Forgets what is an hour old. */
function forget({ miners, blocks }: Source, now: bigint): void {
  for (const [minerId, at] of miners) {
    if (at + VISIT_MS > now) break;
    miners.delete(minerId);
  }
  const young = blocks.findIndex((at) => at + VISIT_MS > now);
  blocks.splice(0, young < 0 ? blocks.length : young);
}
