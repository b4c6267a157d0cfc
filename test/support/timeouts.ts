/** Timeouts that no test can wait for, in the test's own hand. */

/** From now on timeouts of exactly `ms` do not run by themselves. Others do. */
export function holdTimeouts(ms: number) {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const held = new Map<NodeJS.Timeout, () => void>();
  const holding = (callback: (...args: unknown[]) => void, delay?: number, ...args: unknown[]): NodeJS.Timeout => {
    if (delay !== ms) return set(callback, delay, ...args);
    const timer = set(() => {}, ms).unref();
    held.set(timer, () => callback(...args));
    return timer;
  };
  globalThis.setTimeout = holding as typeof setTimeout;
  globalThis.clearTimeout = (timer) => {
    held.delete(timer as NodeJS.Timeout);
    clear(timer);
  };
  return {
    /** Those that have been set and not cleared. */
    pending: (): NodeJS.Timeout[] => [...held.keys()],
    /** Their time is over. */
    fire(): void {
      for (const run of held.values()) run();
      held.clear();
    },
    /** Timeouts are as they were; what is held never runs. */
    restore(): void {
      globalThis.setTimeout = set;
      globalThis.clearTimeout = clear;
    },
  };
}
