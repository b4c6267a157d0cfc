/** What all parts of a simulated network share. */

import type { Auditor } from './auditor.js';
import type { Canary } from './canaries.js';
import type { Dice } from './dice.js';
import type { Network } from './network.js';
import type { Story } from './story.js';
import type { Process, VirtualTime } from './time.js';
import type { Guard } from './witness.js';

export interface World {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly story: Story;
  readonly network: Network;
  readonly auditor: Auditor;
  readonly canary: Canary | undefined;
  /** Ends the story: the validator, or this simulation, is wrong. */
  readonly fail: (error: unknown) => void;
  /** Runs a check: what it throws ends the story. */
  readonly guard: Guard;
}

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** Where the validator is reached: two addresses, as each has one service. */
export const JSON_TCP = '10.0.0.1';
export const RPC = '10.0.0.2';

/** Runs a program from its next event on, as a process of its own. Where it fails, the story ends. */
export function begin({ time, fail }: World, process: Process, program: () => Promise<unknown>): void {
  time.after(0, process, () => {
    program().catch((error) => {
      if (process.alive) fail(error);
    });
  });
}
