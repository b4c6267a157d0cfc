/** What happens, as it happens. */

import { until } from './wait.js';

/** Keeps events, and waits for them. */
export class Recorder<E extends { readonly type: string }> {
  readonly events: E[] = [];
  private looked = 0;

  readonly observe = (event: E): void => {
    this.events.push(event);
  };

  /** The types of all that has happened. */
  get types(): string[] {
    return this.events.map(({ type }) => type);
  }

  /** The events of a type. */
  all<T extends E['type']>(type: T): Extract<E, { type: T }>[] {
    return this.events.filter((event): event is Extract<E, { type: T }> => event.type === type);
  }

  /** The next event of a type, after the last one that was waited for. */
  async next<T extends E['type']>(type: T): Promise<Extract<E, { type: T }>> {
    const after = this.types.slice(0, this.looked).at(-1) ?? 'the start';
    await until(() => this.has(type), `${type} happens after ${after}`);
    const at = this.find(type);
    this.looked = at + 1;
    return this.events[at] as Extract<E, { type: T }>;
  }
  /** Whether such an event has happened since. */
  has(type: E['type']): boolean {
    return this.find(type) >= 0;
  }

  private find(type: E['type']): number {
    return this.events.findIndex((event, at) => at >= this.looked && event.type === type);
  }
}
