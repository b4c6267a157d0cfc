/** How far something long has come: a bar on a terminal, drawn again and again; elsewhere a line now and then. */

import { CLEAR_LINE, colour } from './text.js';

/** How soon a bar appears and how often it is drawn, and how often a line is written, milliseconds. */
const BAR_MS = 200;
const LINE_MS = 10_000;

const BAR_WIDTH = 30;

export class Progress {
  private what = '';
  private begun = 0;
  private due = 0;
  private drawn = false;

  /** `stream`: where it is shown. `now`: milliseconds from any moment on. */
  constructor(
    private readonly stream: NodeJS.WriteStream = process.stderr,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** So many of so many are done. Another `what` begins anew. What is over soon is not spoken of. */
  show(what: string, done: number, of: number): void {
    const now = this.now();
    const every = this.stream.isTTY ? BAR_MS : LINE_MS;
    if (what !== this.what) {
      this.what = what;
      this.begun = now;
      this.due = now + every;
    }
    if (done === of) return this.clear();
    if (now < this.due) return;
    this.due = now + every;
    const perSecond = (1_000 * done) / (now - this.begun);
    const text = `${number(done)} of ${number(of)} ${what}, ${number(perSecond)} a second, ${time((of - done) / perSecond)} left`;
    const percent = `${String(Math.floor((100 * done) / of)).padStart(3)} %`;
    if (this.stream.isTTY) this.draw(percent, text, done / of);
    else this.stream.write(`${percent}: ${text}\n`);
  }

  /** Takes the bar away, where there is one. */
  clear(): void {
    if (this.drawn) this.stream.write(CLEAR_LINE);
    this.drawn = false;
  }

  /** A line that is longer than the terminal is wide could not be drawn again: the bar gives way. */
  private draw(percent: string, text: string, share: number): void {
    const room = (this.stream.columns || 80) - 1;
    const width = Math.min(BAR_WIDTH, Math.max(0, room - percent.length - text.length - 2));
    const filled = Math.round(width * share);
    const bar =
      colour('green', '█'.repeat(filled), this.stream) + colour('dim', '░'.repeat(width - filled), this.stream);
    const line = width > 0 ? `${percent} ${bar} ${text}` : `${percent} ${text}`.slice(0, room);
    this.stream.write(CLEAR_LINE + line);
    this.drawn = true;
  }
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function time(seconds: number): string {
  return seconds < 100 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
