/** Ending what tests have begun. */

/** Within a `describe`: what is given to the returned function is called after the test, newest first, whether it passed or not. */
export function cleanup(): (end: () => unknown) => void {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  return (end) => void ends.push(end);
}
