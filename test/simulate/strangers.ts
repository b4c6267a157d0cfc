/** Those who submit as no miner should: broken blocks, coins paid on or spent twice, lockouts ignored, many blocks at once that overtake each other. */

import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { type RoundInfo, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../../src/client/errors.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import { Fault } from '../../src/engine/fault.js';
import type { Validator } from '../../src/validator/validator.js';
import { output, winning } from '../support/blocks.js';
import { BREAKS } from './breaks.js';
import type { Dice } from './dice.js';
import { RpcClient } from './rpc-client.js';
import { Process } from './time.js';
import { begin, JSON_TCP, RPC, type World } from './world.js';

/** The names that one of them mines under. */
const NAMES = 4;

/** Coins that one of them remembers. */
const COINS = 50;

export class Stranger {
  private readonly dice: Dice;
  private readonly process: Process;
  private readonly wallet: string;
  /** What it owns, and what it has spent. */
  private readonly coins: Output[] = [];
  private readonly spent: Output[] = [];
  /** Connections of its own, over both wires. */
  private readonly doors: readonly Validator[];
  private isAtRest = false;

  constructor(
    private readonly world: World,
    private readonly number: number,
    /** How long until it does something again, on average, milliseconds. */
    private readonly pause: number,
  ) {
    const { network, dice } = world;
    this.dice = dice.for(`stranger ${number}`);
    this.process = new Process(`stranger${number}`);
    this.wallet = `wallet${number}`;
    const dial = (host: string) => network.connect(this.process, `10.2.0.${number}`, host);
    const json = () => new JsonTcpClient({ host: JSON_TCP, port: 8080 }, undefined, {}, ({ host }) => dial(host));
    const rpc = () => new RpcClient('the validator', () => dial(RPC));
    this.doors = [json(), json(), rpc(), rpc()];
  }

  start(): void {
    const { time } = this.world;
    time.after(this.dice.wait(this.pause), time.world, () => {
      if (!this.isAtRest) begin(this.world, this.process, () => unlessUnanswered(() => this.act()));
      this.start();
    });
  }

  rest(): void {
    this.isAtRest = true;
  }

  wake(): void {
    this.isAtRest = false;
  }

  private async act(): Promise<void> {
    const { dice, wallet } = this;
    const { story } = this.world;
    const door = dice.pick(this.doors);
    const round = await door.getRoundInfo(this.name());
    switch (dice.choose(5)) {
      case 0:
        return this.submit(door, winning(round, wallet));
      case 1:
        return this.submit(door, winning(round, wallet, this.payments(round)));
      case 2:
      case 3: {
        const [what, broken] = dice.pick(Object.entries(BREAKS));
        story.fault('broken submission', what);
        return this.submit(door, broken(winning(round, wallet), round));
      }
      default: {
        story.fault('reordered submitters');
        // At once, each over a connection of its own: some are the very same block, and some bear the same name.
        const blocks = [winning(round, wallet), winning(round, `${wallet}'`)];
        const submit = (door: Validator) => unlessUnanswered(() => this.submit(door, dice.pick(blocks)));
        await Promise.all(this.doors.map(submit));
      }
    }
  }

  private async submit(door: Validator, block: Block): Promise<void> {
    const { result } = await door.submitBlock(this.name(), block);
    if (result !== SubmitResult.ACCEPTED) return;
    for (const { inputs, outputs } of block.transactions) {
      for (const input of inputs) {
        const at = this.coins.indexOf(input);
        if (at >= 0) this.coins.splice(at, 1);
      }
      this.spent.push(...inputs);
      this.coins.push(...outputs);
    }
    for (const coins of [this.coins, this.spent]) coins.splice(0, coins.length - COINS);
  }

  /** Coins paid on in parts; now and then they are spent already, or spent twice. */
  private payments({ serverTime }: RoundInfo): Transaction[] {
    const { dice, coins, spent, wallet } = this;
    if (coins.length === 0) return [];
    const pay = (coin: Output, share: number): Transaction => {
      const paid = coin.value * share;
      const outputs = [
        output(`payee${dice.choose(5)}`, paid, serverTime),
        output(wallet, coin.value - paid, serverTime),
      ];
      return { inputs: [coin], outputs: outputs.filter(({ value }) => value > 0) };
    };
    const coin = dice.pick(spent.length > 0 && dice.chance(0.3) ? spent : coins);
    const payments = [pay(coin, dice.pick([1, 0.5, 0.25, 0.1, 1 / 3]))];
    if (dice.chance(0.3)) payments.push(pay(dice.pick([coin, dice.pick(coins)]), 0.75));
    return payments;
  }

  private name(): string {
    return `stranger${this.number}.${this.dice.choose(NAMES)}`;
  }
}

/** What goes wrong between a client and its validator is to be expected here. */
async function unlessUnanswered(ask: () => Promise<void>): Promise<void> {
  try {
    await ask();
  } catch (error) {
    if (!(error instanceof ConnectionError || error instanceof Fault)) throw error;
  }
}
