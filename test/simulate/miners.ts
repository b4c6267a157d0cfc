/** Honest miners: the real loop, over either wire, each on a host whose clock runs a little wrong. They are ended and started again at any time. */

import { JsonTcpClient } from '../../src/client/json-tcp.js';
import type { MinerEvent } from '../../src/miner/events.js';
import { Miner } from '../../src/miner/miner.js';
import { systemTimer, type Timer } from '../../src/time/timer.js';
import type { Validator } from '../../src/validator/validator.js';
import { Problem } from './auditor.js';
import { RpcClient } from './rpc-client.js';
import { Process } from './time.js';
import { begin, JSON_TCP, RPC, type World } from './world.js';

/** How much a host's clock runs wrong at most: a little less than the miner allows for. */
const DRIFT = 1 / 1_100;

export class MinerHost {
  readonly name: string;
  private readonly address: string;
  private readonly wire: 'json-tcp' | 'grpc';
  private readonly pace: number;
  private process: Process | undefined;
  /** The blocks that it was told are accepted. */
  private readonly told: { readonly index: number; readonly hash: string }[] = [];

  constructor(
    private readonly world: World,
    number: number,
  ) {
    const dice = world.dice.for(`miner ${number}`);
    this.name = `miner${number}`;
    this.address = `10.1.0.${number}`;
    this.wire = dice.pick(['json-tcp', 'grpc'] as const);
    this.pace = 1 + DRIFT * (2 * dice.fraction() - 1);
  }

  start(): void {
    const process = new Process(this.name);
    this.process = process;
    this.world.network.endWith(process);
    begin(this.world, process, () => {
      const onEvent = (event: MinerEvent): void => this.hear(event);
      return new Miner(this.validatorFor(process), this.name, { onEvent }, this.timer()).run();
    });
  }

  kill(): void {
    this.process?.kill();
  }

  /** Holds what it was told against the chain. */
  audit(): void {
    const hashes = this.world.auditor.chain?.hashes ?? [];
    for (const { index, hash } of this.told.splice(0)) {
      if (hashes[index] === hash) continue;
      throw new Problem('durability', `${this.name} was told that block ${hash} is accepted, and it is not there`);
    }
  }

  private validatorFor(process: Process): Validator {
    const { network } = this.world;
    if (this.wire === 'grpc') return new RpcClient('the validator', () => network.connect(process, this.address, RPC));
    const dial = ({ host }: { host: string }) => network.connect(process, this.address, host);
    return new JsonTcpClient({ host: JSON_TCP, port: 8080 }, undefined, {}, dial);
  }

  private timer(): Timer {
    return {
      now: () => systemTimer.now() * this.pace,
      sleep: (ms, signal) => systemTimer.sleep(ms / this.pace, signal),
    };
  }

  private hear(event: MinerEvent): void {
    const { story } = this.world;
    story.count(`miners: ${event.type}`);
    switch (event.type) {
      case 'accepted':
        // Without a verdict the miner has seen a lockout, which may be another block's.
        if (event.verdict === undefined) story.say(`${this.name} takes its block for accepted`);
        else this.told.push({ index: event.block.index, hash: event.block.hash.toString('hex') });
        break;
      case 'rejected':
        story.say(`${this.name}: ${event.verdict.message}`);
        break;
      case 'disconnected':
        story.say(`${this.name} is disconnected: ${event.error.message}`);
        break;
      case 'not-taken':
        story.say(`${this.name}: not taken, ${event.fault.message}`);
    }
  }
}
