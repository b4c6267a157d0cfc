/** What several intervals agree on, when some of them are wrong. */

/** Where a value lies: from `low` to `high`, both included. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * From the first to the last point that more than half of the intervals hold; undefined where there is none.
 *
 * As long as fewer than half are wrong, a point that more than half hold is held by one that is right: so the wrong ones cannot move it
 * beyond what those that are right say, and the true value, which all of those hold, is never left out.
 */
export function agreement(intervals: readonly Bounds[]): Bounds | undefined {
  const needed = Math.floor(intervals.length / 2) + 1;
  const edges = intervals.flatMap(({ low, high }) => [
    { at: low, change: 1 },
    { at: high, change: -1 },
  ]);
  // Where one ends at the very point at which another begins, both hold it.
  edges.sort((one, other) => one.at - other.at || other.change - one.change);
  let low: number | undefined;
  let high: number | undefined;
  let holding = 0;
  for (const { at, change } of edges) {
    if (change < 0 && holding >= needed) high = at;
    holding += change;
    if (change > 0 && holding >= needed) low ??= at;
  }
  return low === undefined || high === undefined ? undefined : { low, high };
}

/** Whether two intervals have a point in common. */
export function overlap(one: Bounds, other: Bounds): boolean {
  return one.low <= other.high && other.low <= one.high;
}
