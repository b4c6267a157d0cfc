/** Where time can be asked for. */

import { askHttp } from './http-time.js';
import { askNtp } from './ntp.js';
import type { Reading } from './reading.js';
import { parseSource } from './source-spec.js';

/** Tells the time when it is asked. */
export interface TimeSource {
  /** As it is shown: without what may be secret in an address. */
  readonly name: string;
  /** Asks once, for some seconds at most. Throws a TimeSourceError, also when the signal aborts. */
  read(signal: AbortSignal): Promise<Reading>;
}

/** The source that is written so; undefined where it is none. */
export function timeSource(spec: string): TimeSource | undefined {
  const parsed = parseSource(spec);
  if (parsed === undefined) return undefined;
  if ('url' in parsed) {
    const { url } = parsed;
    return { name: `${url.origin}${url.pathname}`, read: (signal) => askHttp(url, signal) };
  }
  return { name: spec, read: (signal) => askNtp(parsed.host, parsed.port, signal) };
}
