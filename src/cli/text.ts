/** Text for people: what a peer has sent is made harmless, and colours are for terminals. */

import { styleText } from 'node:util';
import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { taiToUtc } from '../time/leap-seconds.js';

/** Control characters, and those that turn the direction of a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A text of a peer's, such as a miner id, for one line of a terminal or a log. */
export function harmless(text: string): string {
  return text.replace(HARMFUL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A path as a shell takes it. */
export function quoted(path: string): string {
  return /^[\w./:@%+=,~-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Colours a text where a stream is a terminal that wants them. */
export function colour(
  style: 'green' | 'red' | 'yellow' | 'bold' | 'dim',
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return stream.isTTY && stream.hasColors() ? styleText(style, text, { validateStream: false }) : text;
}

/** Back to the start of a terminal's line, and away with it. */
export const CLEAR_LINE = '\r\x1b[2K';

/** Prints a line on stdout. */
export function say(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** A time of a chain, milliseconds, with what people call it in UTC. */
export function shownTime(ms: bigint, timescale: Timescale): string {
  const date = new Date(Number(timescale === Timescale.TAI ? taiToUtc(ms) : ms));
  return Number.isNaN(date.getTime()) ? String(ms) : `${ms} (${date.toISOString()})`;
}
