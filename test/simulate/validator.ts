/** The validator's host: the real node and servers on a simulated store, clock and network. They die, and are started again, as a service would be. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { callerAt } from '../../src/server/caller.js';
import { JsonTcpServer } from '../../src/server/json-tcp.js';
import { utcToTai } from '../../src/time/leap-seconds.js';
import type { ValidatorEvent } from '../../src/validator/events.js';
import { ValidatorNode } from '../../src/validator/node.js';
import { EASY } from '../support/blocks.js';
import { openDoor } from '../support/servers.js';
import { SimClock } from './clock.js';
import { type Death, Disk } from './disk.js';
import { RpcServer } from './rpc.js';
import { LoggedStore } from './store.js';
import { Process } from './time.js';
import { witnessedClock, witnessedStore, witnessedValidator } from './witness.js';
import { begin, JSON_TCP, MINUTE, RPC, SECOND, type World } from './world.js';

/** How far the clock may stand before the stored time, and be waited for, milliseconds: as `hourcoin validator` has it. */
const WAIT_FOR_CLOCK_MS = 5_000n;

/** How often an operator starts it all the same. */
const ALLOWS_CLOCK_BEHIND = 0.3;

/** How long a stop waits for connections, milliseconds. */
const GRACE_MS = 2_000;

/** After how long a validator that has ended is started again, one of these. */
export const STARTS_AGAIN_MS = [200, 5 * SECOND, MINUTE, 10 * MINUTE] as const;

/** When every story begins, UTC. */
export const EPOCH = Date.UTC(2025, 10, 11);

export class ValidatorHost {
  readonly disk: Disk;
  readonly store: LoggedStore;
  readonly clock: SimClock;
  private process: Process | undefined;
  private starts = 0;
  private death: Death = 'killed';
  private stop: (() => Promise<void>) | undefined;

  constructor(private readonly world: World) {
    const { time, dice } = world;
    this.disk = new Disk(time, dice.for('disk'));
    this.store = new LoggedStore(this.disk);
    this.clock = new SimClock(time, Number(utcToTai(BigInt(EPOCH))));
  }

  get isRunning(): boolean {
    return this.process?.alive === true;
  }

  start(): void {
    if (this.isRunning) return;
    const process = new Process(`validator ${++this.starts}`);
    this.process = process;
    this.world.network.endWith(process);
    begin(this.world, process, () => this.run(process));
  }

  /** Ends the program, or its host with it; it is started again later. */
  die(death: Death, where: string): void {
    if (!this.isRunning) return;
    this.world.story.fault(`${death} ${where}`);
    this.end(death);
  }

  /** Stops the program as SIGTERM does; it is started again later. */
  restart(): void {
    const { process, stop } = this;
    if (!process?.alive || stop === undefined) return;
    this.stop = undefined;
    this.world.story.fault('restart');
    begin(this.world, process, async () => {
      await stop();
      this.end('killed');
    });
  }

  private end(death: Death): void {
    const { time, dice, auditor } = this.world;
    this.death = death;
    this.stop = undefined;
    this.disk.doom = undefined;
    this.process?.kill();
    auditor.crashed();
    time.after(dice.pick(STARTS_AGAIN_MS), time.world, () => this.start());
  }

  private async run(process: Process): Promise<void> {
    const { auditor, guard, story, canary, network, fail, dice } = this.world;
    const { store, disk, clock } = this;
    const { log, how } = disk.surviving(this.death);
    await store.recover(log, canary?.halfCommits);
    guard(() => auditor.recovered(store));
    if (store.stored === undefined && !(await this.beginChain())) return;
    const behind = (store.stored?.stamp ?? 0n) - clock.now();
    if (behind > WAIT_FOR_CLOCK_MS && !dice.chance(ALLOWS_CLOCK_BEHIND))
      return this.giveUp(`its clock is ${behind} ms behind`);
    if (behind > 0n && behind <= WAIT_FOR_CLOCK_MS) await sleep(Number(behind));
    story.say(`${process.name} starts at height ${auditor.chain?.hashes.length}, ${how}`);

    const seen = witnessedStore(canary?.storage?.(store) ?? store, auditor, guard);
    const node = new ValidatorNode(
      canary?.store?.(seen) ?? seen,
      witnessedClock(canary?.clock?.(clock) ?? clock, auditor),
      (event) => this.hear(event, process),
    );
    const validator = witnessedValidator(canary?.validator?.(node) ?? node, auditor, guard);
    const admission = openDoor();
    const json = new JsonTcpServer(validator, admission, { debug() {}, info() {}, warn() {}, error: fail });
    const rpc = new RpcServer(validator, admission, fail);
    if (canary?.isDeaf && this.starts > 1) return;
    network.listen(JSON_TCP, process, (socket, from) => {
      // As the listener has it.
      socket.allowHalfOpen = true;
      json.accept(socket, callerAt(from), 'open');
    });
    network.listen(RPC, process, (socket, from) => rpc.accept(socket, callerAt(from)));
    this.stop = async () => {
      network.close(JSON_TCP);
      network.close(RPC);
      json.stopTaking();
      await node.stop();
      await json.close(GRACE_MS);
      rpc.close();
    };
  }

  /** Begins the chain. Returns whether it could. */
  private async beginChain(): Promise<boolean> {
    const firstRoundStart = this.clock.now();
    this.world.auditor.begin(EASY, firstRoundStart);
    try {
      await this.store.begin({ difficulty: EASY, timescale: Timescale.TAI, firstRoundStart }, this.clock.speed);
      return true;
    } catch (error) {
      this.giveUp(String(error));
      return false;
    }
  }

  private giveUp(why: string): void {
    this.world.story.say(`the validator does not start: ${why}`);
    this.end('killed');
  }

  private hear(event: ValidatorEvent, process: Process): void {
    const { story, time, fail } = this.world;
    switch (event.type) {
      case 'block': {
        const { block, minerId } = event.accepted;
        story.count('blocks');
        story.say(`block #${block?.index} ${block?.hash.toString('hex').slice(0, 12)} by ${minerId}`);
        break;
      }
      case 'verdict':
        story.count(`verdict: ${event.verdict.message.replace(/\d+ seconds/, 'N seconds')}`);
        break;
      case 'clock-behind':
        story.say(`the validator's clock is ${event.by} ms behind`);
        break;
      case 'failure':
        if ((event.error as { code?: string }).code !== 'ENOSPC') return fail(event.error);
        story.say('the validator cannot write, and ends');
        // Those who wait are told first.
        time.after(100, time.world, () => {
          if (process.alive) this.end('killed');
        });
    }
  }
}
