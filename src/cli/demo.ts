/** `hourcoin demo`: a whole network in one process, on a fast clock, shown as it goes. */

import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MinerEvent } from '../miner/events.js';
import { MinerClient } from '../miner-client.js';
import type { ValidatorEvent } from '../validator/events.js';
import { ValidatorServer } from '../validator-server.js';
import { formatAddress } from '../wire/address.js';
import { aborted, stopSignal } from './exit.js';
import { colour, say } from './text.js';

export interface DemoArguments {
  readonly miners: number;
  readonly clockSpeed: number;
  readonly seconds: number;
}

/** What is shown of a miner. */
interface Player {
  readonly name: string;
  readonly protocol: 'JSON/TCP' | 'gRPC';
  accepted: number;
  rejected: number;
  lockoutsEnded: number;
  locked: boolean;
  doing: string;
  balance: number;
}

const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin'];

/** How often the table is drawn, milliseconds. */
const DRAW_MS = 250;

export async function runDemo({ miners, clockSpeed, seconds }: DemoArguments): Promise<void> {
  const stop = stopSignal();
  const data = await mkdtemp(join(tmpdir(), 'hourcoin-demo-'));
  const demo = new Demo(miners);
  const server = new ValidatorServer({
    address: '127.0.0.1:0',
    grpc: '127.0.0.1:0',
    data,
    clockSpeed,
    onEvent: (event) => demo.hear(event),
  });
  try {
    const { jsonTcp, grpc } = await server.start();
    say('=== Hourcoin Demo ===');
    say();
    say(
      `A validator on ${formatAddress(jsonTcp)} (JSON/TCP) and ${grpc && formatAddress(grpc)} (gRPC), ${miners} miners, for ${seconds} s.`,
    );
    say(
      colour(
        'yellow',
        `Its clock runs ${clockSpeed} times as fast as real time: an hour of lockout is over in ${round(3_600 / clockSpeed)} s.`,
      ),
    );
    say();

    const begun = performance.now();
    const end = endsAfter(seconds, stop);
    const clients = demo.players.map(({ name, protocol }) => {
      const validator = protocol === 'gRPC' && grpc ? `grpc://${formatAddress(grpc)}` : formatAddress(jsonTcp);
      return new MinerClient({ minerId: name, validator });
    });
    const mining = clients.map((client, number) =>
      client.startMining({ signal: end, onEvent: (event) => demo.hearMiner(number, event) }),
    );
    await Promise.race([demo.showUntil(end, server), aborted(end), server.failed]);
    await Promise.all(mining);
    await demo.readBalances(server);
    for (const client of clients) client.close();
    demo.summarise((performance.now() - begun) / 1_000, clockSpeed);
  } finally {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  }
}

class Demo {
  readonly players: Player[];
  private height = 0;
  private round = 1n;
  private lockoutsBegun = 0;
  private drawnLines = 0;

  constructor(miners: number) {
    this.players = Array.from({ length: miners }, (_, number) => ({
      name: NAMES[number] ?? `miner_${number + 1}`,
      protocol: number % 2 === 0 ? 'JSON/TCP' : 'gRPC',
      accepted: 0,
      rejected: 0,
      lockoutsEnded: 0,
      locked: false,
      doing: '',
      balance: 0,
    }));
  }

  hear(event: ValidatorEvent): void {
    if (event.type === 'round') this.round = event.number;
    if (event.type !== 'block') return;
    this.height = event.height;
    this.lockoutsBegun++;
  }

  hearMiner(number: number, event: MinerEvent): void {
    const player = this.players[number] as Player;
    if (player.locked && event.type === 'mining') {
      player.locked = false;
      player.lockoutsEnded++;
      this.note(`${player.name}: lockout ended`);
    }
    player.doing =
      event.type === 'accepted' || event.type === 'lockout'
        ? 'locked out'
        : event.type === 'next-round'
          ? 'waits'
          : 'mines';
    if (event.type === 'accepted') {
      player.accepted++;
      player.locked = true;
      this.note(`${player.name}: ✓ block #${event.block.index} accepted over ${player.protocol}, lockout begun`);
    } else if (event.type === 'rejected') {
      player.rejected++;
      this.note(`${player.name}: ✗ block #${event.block.index} rejected: ${event.verdict.message}`);
    }
  }

  /** Draws the table again and again on a terminal. */
  async showUntil(end: AbortSignal, server: ValidatorServer): Promise<void> {
    while (!end.aborted && process.stdout.isTTY) {
      await this.readBalances(server);
      this.draw();
      await sleep(DRAW_MS, undefined, { signal: end }).catch(() => {});
    }
    await aborted(end);
  }

  async readBalances({ validator }: ValidatorServer): Promise<void> {
    for (const player of this.players) {
      player.balance = (await validator.getAddress(player.name, { pageSize: 1 })).balance;
    }
  }

  summarise(seconds: number, clockSpeed: number): void {
    if (process.stdout.isTTY) this.draw();
    else for (const line of this.table()) say(line);
    const accepted = (protocol: Player['protocol']): number =>
      this.players.reduce((sum, player) => sum + (player.protocol === protocol ? player.accepted : 0), 0);
    const total = (what: 'rejected' | 'lockoutsEnded' | 'balance'): number =>
      this.players.reduce((sum, player) => sum + player[what], 0);
    say();
    say(colour('bold', `Summary: ${round(seconds)} s, ${round((seconds * clockSpeed) / 3_600)} hours of the network`));
    say(`  Blocks accepted:  ${this.height} (${accepted('JSON/TCP')} over JSON/TCP, ${accepted('gRPC')} over gRPC)`);
    say(`  Blocks rejected:  ${total('rejected')}`);
    say(`  Lockouts:         ${this.lockoutsBegun} begun, ${total('lockoutsEnded')} ended`);
    say(`  Balances:         ${total('balance')} hours in all, 2 for each block`);
  }

  private draw(): void {
    const lines = this.table();
    if (this.drawnLines > 0) process.stdout.write(`\x1b[${this.drawnLines}A`);
    for (const line of lines) process.stdout.write(`\x1b[2K${line}\n`);
    this.drawnLines = lines.length;
  }

  private table(): string[] {
    const locked = this.players.filter((player) => player.locked).length;
    const row = (cells: readonly (string | number)[]): string =>
      cells.map((cell, column) => (column < 3 ? String(cell).padEnd(12) : String(cell).padStart(10))).join(' ');
    return [
      `Round ${this.round}, ${this.height} blocks, ${locked} of ${this.players.length} miners in lockout`,
      colour('bold', row(['Miner', 'Protocol', 'Now', 'Accepted', 'Rejected', 'Balance'])),
      ...this.players.map(({ name, protocol, doing, accepted, rejected, balance }) =>
        row([name, protocol, doing, accepted, rejected, balance]),
      ),
    ];
  }

  /** A line for what happened, where no table is drawn. */
  private note(line: string): void {
    if (!process.stdout.isTTY) say(line);
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Aborts after some seconds, or with another signal. */
function endsAfter(seconds: number, other: AbortSignal): AbortSignal {
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const timer = setTimeout(() => end.abort(), seconds * 1_000);
  other.addEventListener('abort', () => end.abort(), { once: true });
  end.signal.addEventListener('abort', () => clearTimeout(timer));
  return end.signal;
}
