/** What has happened: told line by line, hashed as it is told, and counted. */

import { createHash } from 'node:crypto';

export class Story {
  /** How often each kind of fault was injected. */
  readonly faults = new Map<string, number>();
  /** How often each thing of interest has happened. */
  readonly figures = new Map<string, number>();
  private readonly digest = createHash('sha256');

  /** `now`: virtual milliseconds. `tell` hears every line. */
  constructor(
    private readonly now: () => number,
    private readonly tell: (line: string) => void,
  ) {}

  say(what: string): void {
    const line = `${when(this.now())} ${what}`;
    this.digest.update(`${line}\n`);
    this.tell(line);
  }

  /** A fault is injected. */
  fault(kind: string, details = ''): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
    this.say(`! ${kind}${details && `: ${details}`}`);
  }

  count(what: string): void {
    this.figures.set(what, (this.figures.get(what) ?? 0) + 1);
  }

  /** The same for the same story, and no other. */
  hash(): string {
    return this.digest.copy().digest('hex').slice(0, 16);
  }
}

function when(ms: number): string {
  const whole = Math.floor(ms);
  const two = (value: number): string => String(value % 60).padStart(2, '0');
  const hours = Math.floor(whole / 3_600_000);
  const thousandths = String(whole % 1_000).padStart(3, '0');
  return `${hours}:${two(Math.floor(whole / 60_000))}:${two(Math.floor(whole / 1_000))}.${thousandths}`;
}
