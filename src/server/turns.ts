/**
 * Turns of the event loop for what takes long: one thing at a time, and then as much time for everything else. So whoever asks for little waits
 * for one of them at most, however many there are.
 */

/** What has taken no longer than this is not worth a rest, milliseconds. */
const SHORT_MS = 2;

export class Turns {
  private readonly waiting: (() => void)[] = [];
  private isBusy = false;

  /** Waits for a turn. What is done then without waiting for anything else is done within it. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      if (!this.isBusy) this.begin();
    });
  }

  private begin(): void {
    this.isBusy = true;
    setImmediate(() => {
      const begun = performance.now();
      this.waiting.shift()?.();
      // By then it is done.
      setImmediate(() => {
        const took = performance.now() - begun;
        if (took <= SHORT_MS) this.end();
        else setTimeout(() => this.end(), took);
      });
    });
  }

  private end(): void {
    this.isBusy = false;
    if (this.waiting.length > 0) this.begin();
  }
}
