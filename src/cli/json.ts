/** What `--json` prints: the members of the JSON protocol, 64-bit integers as decimal strings, bytes as lower-case hex, absent as null. */

import { TIMESCALE_NAMES } from '../wire/answers.js';

/** A message of the API as plain JSON. */
export function plainJson(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(plainJson);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => {
    if (name === 'timescale') return [name, TIMESCALE_NAMES[member as number] ?? null];
    return [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), plainJson(member)];
  });
  return Object.fromEntries(members);
}
