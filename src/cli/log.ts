/** The log of the programs: pino on stderr, pretty on a terminal and JSON elsewhere. */

import { pino } from 'pino';
import type { Log } from '../server/log.js';
import type { LogLevel } from './arguments.js';
import { harmless } from './text.js';

/** A log on stderr. Texts of peers are made harmless in it. */
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
    debug: (text) => logger.isLevelEnabled('debug') && logger.debug(harmless(text)),
    info: (text) => logger.info(harmless(text)),
    warn: (text) => logger.warn(harmless(text)),
    error: (text) => logger.error(harmless(text)),
  };
}
