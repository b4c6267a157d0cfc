/** How sources of time are written: `ntp:HOST[:PORT]`, `http://…` and `https://…`. */

import { isIPv6 } from 'node:net';

/** For whoever has written something else. */
export const SOURCE_FORMS = 'ntp:HOST[:PORT], http://… or https://…';

/** How far a clock may be from the right time, milliseconds: half of what a block may be ahead. */
export const DEFAULT_TOLERANCE_MS = 250;

/** More would be asked than anybody needs. */
export const MOST_SOURCES = 16;

/** The port of NTP. */
const NTP_PORT = 123;

/** The sources of a list with commas. After `ntp:`, further hosts need not repeat it; a comma within a URL stays. */
export function splitSources(text: string): string[] {
  const specs: string[] = [];
  for (const part of text.split(',')) {
    const last = specs.at(-1);
    if (last === undefined || /^(ntp|https?):/.test(part) || part === 'system') specs.push(part);
    else if (last.startsWith('http')) specs[specs.length - 1] = `${last},${part}`;
    else specs.push(`ntp:${part}`);
  }
  return specs;
}

/** Where a source is; undefined where the text is none, or has a name and password in it: what is configured is shown. */
export function parseSource(spec: string): { url: URL } | { host: string; port: number } | undefined {
  if (/^https?:\/\//.test(spec)) {
    const url = URL.canParse(spec) ? new URL(spec) : undefined;
    return url?.username === '' && url.password === '' ? { url } : undefined;
  }
  const [, text = ''] = /^ntp:(.+)$/.exec(spec) ?? [];
  if (isIPv6(text)) return { host: text, port: NTP_PORT };
  const [, inBrackets, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]{1,253}))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = inBrackets ?? plain;
  const port = digits === undefined ? NTP_PORT : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return inBrackets === undefined || isIPv6(inBrackets) ? { host, port } : undefined;
}
