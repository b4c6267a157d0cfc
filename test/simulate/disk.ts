/**
 * A simulated disk with one file that is appended to. What is written is safe once it is synced; what is not may be lost, torn or kept when the power
 * fails. It can be full or slow, and its host can die at every write and sync: before it or after it.
 */

import type { Dice } from './dice.js';
import type { VirtualTime } from './time.js';

/** How a host dies: the program alone, whose writes the system still carries out, or with all that was not synced. */
export type Death = 'killed' | 'power lost';

/** When a host is to die: after so many more writes and syncs. */
export interface Doom {
  operations: number;
  /** Carries it out. `where` says at what. */
  readonly die: (where: string) => void;
}

const SECTOR = 512;

/** How long a write and a sync take on average, and nothing takes longer: milliseconds. */
const WRITE_MS = 0.1;
const SYNC_MS = 4;
const LONGEST_MS = 5_000;

export class Disk {
  isFull = false;
  /** How much slower it is than usual. */
  slowness = 1;
  doom: Doom | undefined;
  /** The log, from where it was cut off last. */
  private synced: Buffer = Buffer.alloc(0);
  private unsynced: Buffer = Buffer.alloc(0);

  constructor(
    private readonly time: VirtualTime,
    private readonly dice: Dice,
  ) {}

  /** Appends bytes. Rejects with ENOSPC where there is no room for all of them: some may be written. */
  async write(bytes: Buffer): Promise<void> {
    const end = this.isFull ? this.dice.choose(bytes.length) : bytes.length;
    await this.operate('a write', WRITE_MS, () => {
      this.unsynced = Buffer.concat([this.unsynced, bytes.subarray(0, end)]);
    });
    if (end < bytes.length) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  }

  /** Resolves when all that was written is safe. */
  async sync(): Promise<void> {
    await this.operate('a sync', SYNC_MS, () => {
      this.synced = Buffer.concat([this.synced, this.unsynced]);
      this.unsynced = Buffer.alloc(0);
    });
  }

  /** Cuts off what is synced: it is kept elsewhere by now. */
  cutOff(): void {
    this.synced = Buffer.alloc(0);
  }

  /** The host is there again: what is left of the log, and what has become of writes that were not synced. */
  surviving(death: Death): { log: Buffer; how: string } {
    const { unsynced } = this;
    const [how, left] = death === 'killed' ? (['kept', unsynced] as const) : this.afterPowerLoss(unsynced);
    this.synced = Buffer.concat([this.synced, left]);
    this.unsynced = Buffer.alloc(0);
    return { log: this.synced, how: unsynced.length === 0 ? 'nothing was unsynced' : `what was unsynced is ${how}` };
  }

  private afterPowerLoss(unsynced: Buffer): readonly [how: string, left: Buffer] {
    switch (this.dice.choose(4)) {
      case 0:
        return ['lost', Buffer.alloc(0)];
      case 1:
        return ['kept', unsynced];
      case 2:
        return ['torn', unsynced.subarray(0, this.dice.choose(unsynced.length + 1))];
      default: {
        // Sectors reach the disk in any order.
        const torn = Buffer.from(unsynced);
        for (let at = 0; at < torn.length; at += SECTOR)
          if (this.dice.chance(0.5)) torn.fill(0, at, Math.min(at + SECTOR, torn.length));
        return ['torn', torn];
      }
    }
  }

  /** Does something that takes a while, unless its host dies before or after it. */
  private operate(name: string, mean: number, carryOut: () => void): Promise<void> {
    const { time, dice } = this;
    const ms = Math.min(LONGEST_MS, dice.wait(mean) * this.slowness);
    const doom = this.doom !== undefined && --this.doom.operations < 0 ? this.doom : undefined;
    if (doom !== undefined) this.doom = undefined;
    const moment = doom !== undefined && dice.chance(0.5) ? 'before' : 'after';
    return new Promise((resolve) => {
      time.after(ms, time.current, () => {
        if (moment === 'after') carryOut();
        if (doom !== undefined) doom.die(`${moment} ${name}`);
        else resolve();
      });
    });
  }
}
