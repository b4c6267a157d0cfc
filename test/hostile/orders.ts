/** An attacker in a process of its own: how it is told what to do, and what it tells. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Effort, Figures, Victim } from './attack.js';

/** What an attacker is to do, once it is told to begin. */
export interface Orders {
  /** The attack's name. */
  readonly name: string;
  readonly victim: Victim;
  readonly effort: Effort;
}

/** What it tells. */
export type Told =
  | { readonly what: 'ready' }
  | { readonly what: 'in place' }
  | { readonly what: 'done'; readonly figures: Figures }
  | { readonly what: 'failed'; readonly why: string };

/** The attacker's program, compiled. */
const ATTACKER = fileURLToPath(new URL('./attacker.js', import.meta.url));

export class Attacker {
  /** From when to when the attack had all its strength, by performance.now. */
  inPlace = { from: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY };
  private readonly process: ChildProcess;
  private readonly ended: Promise<unknown>;

  /** Starts one, which does nothing yet. */
  constructor(orders: Orders) {
    this.process = fork(ATTACKER, [JSON.stringify(orders)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.ended = once(this.process, 'exit');
    // It would work on a host of its own: here it leaves the others theirs.
    setPriority(this.process.pid ?? 0, constants.priority.PRIORITY_LOW);
  }

  /** Waits until it can begin. */
  async ready(): Promise<void> {
    await this.told((told) => told.what === 'ready' || undefined);
  }

  /** Lets it begin, and waits until it is done. What it holds then is held until it is ended. */
  async attack(): Promise<Figures> {
    this.process.send('begin');
    return this.told((told) => {
      if (told.what === 'in place') this.inPlace.from = performance.now();
      if (told.what !== 'done') return undefined;
      this.inPlace.to = performance.now();
      return told.figures;
    });
  }

  async end(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  /** Waits until it tells what is waited for; rejects where it fails or ends. */
  private told<T>(awaited: (told: Told) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      this.process.on('message', (told: Told) => {
        const found = awaited(told);
        if (found !== undefined) resolve(found);
        else if (told.what === 'failed') reject(new Error(`the attacker: ${told.why}`));
      });
      void this.ended.then(() => reject(new Error('the attacker has ended')));
    });
  }
}
