/** Asks a server for the time over HTTP: JSON with the members of the World Time API, `utc_datetime` or `unixtime`. */

import { get as getPlainly, type RequestOptions } from 'node:http';
import { get as getOverTls } from 'node:https';
import { isPossible, type Reading, TimeSourceError } from './reading.js';

/** How long everything may take, milliseconds. */
const ANSWER_MS = 3_000;

/** The World Time API's answers have some 500 bytes. */
const MOST_BYTES = 16 * 1_024;

/** Asks a URL. Throws a TimeSourceError. */
export function askHttp(url: URL, signal: AbortSignal): Promise<Reading> {
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === 'https:';
    // A connection of its own: one that is open already could be closed by the server just now.
    const options: RequestOptions = {
      agent: false,
      headers: { accept: 'application/json' },
      maxHeaderSize: MOST_BYTES,
    };
    const request = (isSecure ? getOverTls : getPlainly)(url, options);
    let asked = performance.now();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      request.destroy();
    };
    const fail = (message: string): void => {
      end();
      reject(new TimeSourceError(message));
    };
    const giveUp = (): void => fail(`no answer within ${ANSWER_MS / 1_000} s`);
    const timer = setTimeout(giveUp, ANSWER_MS).unref();
    request.on('error', ({ code, message }: NodeJS.ErrnoException) => fail(`it cannot be asked: ${code ?? message}`));
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) return giveUp();
    request.on('socket', (socket) => {
      socket.unref();
      // Only now the question leaves: how long connecting took says nothing.
      socket.once(isSecure ? 'secureConnect' : 'connect', () => {
        asked = performance.now();
      });
    });
    request.on('response', (response) => {
      const { statusCode = 0 } = response;
      if (statusCode >= 300 && statusCode < 400) return fail(`it answers ${statusCode}: redirects are not followed`);
      if (statusCode !== 200) return fail(`it answers ${statusCode}`);
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BYTES) return fail(`its answer has more than ${MOST_BYTES} bytes`);
        chunks.push(chunk);
      });
      response.on('error', () => fail('its answer broke off'));
      response.on('end', () => {
        const at = performance.now();
        const told = readTime(Buffer.concat(chunks).toString());
        if (told === undefined) return fail('its answer tells no time from 2020 to 2200, as utc_datetime or unixtime');
        end();
        const roundTrip = at - asked;
        const utc = (told.low + told.high + roundTrip) / 2;
        resolve({ at, utc, uncertainty: (told.high - told.low + roundTrip) / 2, roundTrip });
      });
    });
  });
}

/** The time in an answer: from when to when it may be, milliseconds since the Unix epoch; undefined where it has no possible one, or two that differ. */
export function readTime(text: string): { readonly low: number; readonly high: number } | undefined {
  let answer: { utc_datetime?: unknown; unixtime?: unknown } | null;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { utc_datetime: written, unixtime: seconds } = answer ?? {};
  const fromText = typeof written === 'string' ? readText(written) : undefined;
  const fromSeconds = typeof seconds === 'number' ? readSeconds(seconds) : undefined;
  if (written !== undefined && fromText === undefined) return undefined;
  // One of them may have been rounded.
  if (fromText && fromSeconds && !(Math.abs(fromText.low - fromSeconds.low) <= 1_500)) return undefined;
  const told = fromText ?? fromSeconds;
  return told && isPossible(told.low) ? told : undefined;
}

/** `2026-11-22T20:15:00.123456+00:00`: as exact as its digits, which may have been cut off. */
function readText(text: string): { low: number; high: number } | undefined {
  const [, whole = '', digits = '', zone = ''] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const low = Date.parse(whole + zone) + Number(`0.${digits}0`) * 1_000;
  return Number.isNaN(low) ? undefined : { low, high: low + 1_000 / 10 ** digits.length };
}

/** Whole seconds have been cut off; others are taken for exact. */
function readSeconds(seconds: number): { low: number; high: number } {
  return { low: seconds * 1_000, high: seconds * 1_000 + (Number.isInteger(seconds) ? 1_000 : 0) };
}
