/** Timeouts and intervals that no test can wait for, in the test's own hand. */

/** From now on timeouts and intervals of exactly `ms` do not run by themselves. Others do. */
export function holdTimeouts(ms: number) {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  type Callback = (...args: unknown[]) => void;
  const held = new Map<NodeJS.Timeout, { run: () => void; again: boolean }>();
  const holding =
    (set: (callback: Callback, delay?: number, ...args: unknown[]) => NodeJS.Timeout, again: boolean) =>
    (callback: Callback, delay?: number, ...args: unknown[]): NodeJS.Timeout => {
      if (delay !== ms) return set(callback, delay, ...args);
      const timer = set(() => {}, ms).unref();
      held.set(timer, { run: () => callback(...args), again });
      return timer;
    };
  const clear = (timer: unknown): void => {
    held.delete(timer as NodeJS.Timeout);
    // Timeouts and intervals are cleared alike.
    clearTimeout(timer as NodeJS.Timeout);
  };
  Object.assign(globalThis, {
    setTimeout: holding(setTimeout, false),
    clearTimeout: clear,
    setInterval: holding(setInterval, true),
    clearInterval: clear,
  });
  return {
    /** Those that have been set and not cleared. */
    pending: (): NodeJS.Timeout[] => [...held.keys()],
    /** Their time is over. */
    fire(): void {
      for (const [timer, { run, again }] of [...held]) {
        if (!again) held.delete(timer);
        run();
      }
    },
    /** They are as they were; what is held never runs. */
    restore(): void {
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
    },
  };
}
