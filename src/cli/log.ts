/** The log of the programs: pino on stderr, pretty on a terminal and JSON elsewhere. */

import { pino } from 'pino';
import type { Log } from '../server/log.js';
import type { LogLevel } from './arguments.js';
import { harmless } from './text.js';

/** Tokens of API keys, wherever they come from: a miner may have given its own for its name. */
const TOKENS = /hck_[\w-]{8,}/g;

/** A text for the log: a line, and no secrets. */
function clean(text: string): string {
  return harmless(text).replace(TOKENS, 'hck_[hidden]');
}

/** A log on stderr. Texts of peers are made harmless in it, and tokens are hidden. */
export async function makeLog(level: LogLevel): Promise<Log> {
  const destination = process.stderr.isTTY
    ? (await import('pino-pretty')).default({
        destination: 2,
        sync: true,
        ignore: 'pid,hostname',
        colorize: process.stderr.hasColors(),
      })
    : pino.destination({ fd: 2, sync: true });
  // A log that cannot be written, on a full disk say, is no reason to end.
  destination.on('error', () => {});
  const logger = pino({ level, base: null }, destination);
  return {
    debug: (text) => logger.isLevelEnabled('debug') && logger.debug(clean(text)),
    info: (text) => logger.info(clean(text)),
    warn: (text) => logger.warn(clean(text)),
    error: (text) => logger.error(clean(text)),
  };
}
