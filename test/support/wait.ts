/** Waiting for what must come true. */

/** Waits until a condition holds, looking again each turn of the event loop; throws where it does not within five seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`it never came true that ${what}`);
    await turn();
  }
}

/** One turn of the event loop: whatever is ready has had its chance. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
