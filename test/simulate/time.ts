/**
 * Virtual time: one queue of events, each run to its very end (microtasks and ticks included) before the next. While a story is told the host's
 * timers, Date.now, performance.now and Math.random are its own, so the same seed gives the same story.
 *
 * Every event belongs to a process, and so does all that it begins. That is how a simulated program is killed: its events are no longer run.
 */

import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';

/** A simulated program. */
export class Process {
  alive = true;
  private readonly ends: (() => void)[] = [];

  constructor(readonly name: string) {}

  /** Hears that it has ended, however. */
  onEnd(end: () => void): void {
    this.ends.push(end);
  }

  /** Nothing of it runs any more. */
  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    for (const end of this.ends.splice(0)) end();
  }
}

/** An event; to Node's code a Timeout or an Immediate. */
class Event {
  /** How long after it has run it comes again, milliseconds; 0 is never. */
  every = 0;

  constructor(
    public time: number,
    public order: number,
    readonly process: Process,
    public run: (() => void) | undefined,
  ) {}

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }
}

/** Events that are run before the host's own have their turn: its signals, that is. */
const BATCH = 512;

const native = { setImmediate, clearTimeout };

export class VirtualTime {
  /** Milliseconds since the story began. */
  now = 0;
  /** Events that were run. */
  events = 0;
  /** Whose event is run. */
  current: Process;
  private order = 0;
  /** A binary heap: the next event first. */
  private readonly heap: Event[] = [];

  /** `epoch`: what Date.now says when the story begins. `random`: what Math.random says. */
  constructor(
    readonly world: Process,
    private readonly epoch: number,
    private readonly random: () => number,
  ) {
    this.current = world;
  }

  /** Runs something for a process after some milliseconds. */
  after(ms: number, process: Process, run: () => void): void {
    this.add(Math.max(0, ms), process, run);
  }

  /** Waits, for the world. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, this.world, resolve));
  }

  /** Runs events until the story is over. The host's own timers are back then. */
  async run<T>(story: Promise<T>): Promise<T> {
    const restore = this.install();
    let over = false;
    let report: (error: unknown) => void = () => {};
    const problem = new Promise<never>((_, reject) => {
      report = reject;
    });
    const unhandled = (error: unknown): void => report(error);
    process.on('unhandledRejection', unhandled);
    const step = (): void => {
      if (over) return;
      try {
        this.step();
      } catch (error) {
        report(error);
      }
    };
    // Between two immediates Node runs all ticks and microtasks: an event is over before the next.
    const batch = (): void => {
      if (over) return;
      for (let count = 0; count < BATCH; count++) native.setImmediate(step);
      native.setImmediate(batch);
    };
    batch();
    try {
      return await Promise.race([story, problem]);
    } finally {
      over = true;
      restore();
      // What was left behind may still fail, for a turn of the host's; nobody listens.
      await new Promise((resolve) => native.setImmediate(resolve));
      process.off('unhandledRejection', unhandled);
    }
  }

  /** Runs the next event. */
  private step(): void {
    for (;;) {
      const event = this.take();
      if (event === undefined) throw new Error('nothing will ever happen again');
      const { run, process } = event;
      if (run === undefined || !process.alive) continue;
      this.now = event.time;
      this.current = process;
      this.events++;
      if (event.every > 0) this.push(event, event.time + event.every);
      else event.run = undefined;
      run();
      return;
    }
  }

  private add(ms: number, process: Process, run: () => void): Event {
    const event = new Event(0, 0, process, run);
    this.push(event, this.now + ms);
    return event;
  }

  private push(event: Event, time: number): void {
    event.time = time;
    event.order = this.order++;
    const { heap } = this;
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Event;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  private take(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below] as Event)) below++;
      if (!isBefore(heap[below] as Event, last)) break;
      heap[at] = heap[below] as Event;
      at = below;
    }
    heap[at] = last;
    return first;
  }

  /** Puts virtual time in the place of the host's. Returns what undoes it. */
  private install(): () => void {
    type Callback = (...args: unknown[]) => void;
    const begin = (ms: number, run: () => void): Event => this.add(ms, this.current, run);
    const later = (run: Callback, ms: unknown = 1, ...args: unknown[]): Event =>
      begin(Math.max(1, Number(ms) || 0), () => run(...args));
    const end = (event: unknown): void => {
      if (event instanceof Event) event.run = undefined;
      else native.clearTimeout(event as NodeJS.Timeout);
    };
    const timers = {
      setTimeout: later,
      setInterval: (run: Callback, ms?: unknown, ...args: unknown[]): Event => {
        const event = later(run, ms, ...args);
        event.every = event.time - this.now;
        return event;
      },
      setImmediate: (run: Callback, ...args: unknown[]): Event => begin(0, () => run(...args)),
      clearTimeout: end,
      clearInterval: end,
      clearImmediate: end,
    };
    const sleep = (ms: number, value?: unknown, { signal }: { signal?: AbortSignal } = {}): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const leave = (): void =>
          reject(Object.assign(new Error('aborted', { cause: signal?.reason }), { name: 'AbortError' }));
        if (signal?.aborted) return leave();
        const abort = (): void => {
          end(timer);
          leave();
        };
        const timer = later(() => {
          signal?.removeEventListener('abort', abort);
          resolve(value);
        }, ms);
        signal?.addEventListener('abort', abort, { once: true });
      });
    const promises = {
      setTimeout: sleep,
      setImmediate: (value?: unknown) => new Promise((resolve) => begin(0, () => resolve(value))),
    };
    const undo = [
      replace(globalThis, timers),
      replace(timersPromises, promises),
      replace(performance, { now: () => this.now }),
      replace(Date, { now: () => this.epoch + Math.floor(this.now) }),
      replace(Math, { random: this.random }),
    ];
    syncBuiltinESMExports();
    return () => {
      for (const restore of undo) restore();
      syncBuiltinESMExports();
    };
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.time < other.time || (one.time === other.time && one.order < other.order);
}

/** Replaces members of an object. Returns what undoes it. */
function replace(target: object, members: Readonly<Record<string, unknown>>): () => void {
  const before = Object.keys(members).map((name) => [name, Object.getOwnPropertyDescriptor(target, name)] as const);
  for (const [name, value] of Object.entries(members))
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true });
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, descriptor);
    }
  };
}
