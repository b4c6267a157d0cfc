/** What a validator's log says of what happens: the network guide's words, a line for each thing that happens. */

import { SubmitResult } from '../gen/hourcoin/v1/validator_service.js';
import { LIMITS } from './engine/limits.js';
import type { Log } from './server/log.js';
import type { ValidatorEvent } from './validator/events.js';

/** A miner id for a log: over JSON/TCP whoever only asks may have one of any length. */
function short(minerId: string): string {
  return minerId.length > LIMITS.minerIdBytes ? `${minerId.slice(0, LIMITS.minerIdBytes)}…` : minerId;
}

/** Logs an event. */
export function logEvent(event: ValidatorEvent, log: Log): void {
  switch (event.type) {
    case 'request': {
      const what = event.call === 'GetRoundInfo' ? 'requested round info' : 'checked lockout';
      return log.debug(`Miner '${short(event.minerId)}' ${what}`);
    }
    case 'submission':
      return log.debug(`Miner '${short(event.minerId)}' submitting block #${event.index}`);
    case 'verdict':
      if (event.verdict.result !== SubmitResult.ACCEPTED)
        log.debug(`✗ Block REJECTED from miner '${short(event.minerId)}': ${event.verdict.message}`);
      return;
    case 'block':
      return log.info(
        `✓ Block ACCEPTED from miner '${event.accepted.minerId}'. Miner entered 1-hour lockout. Blockchain now has ${event.height} blocks`,
      );
    case 'round':
      return log.info(`Round ${event.number} has begun`);
    case 'clock-behind':
      return log.warn(
        `The system's clock has gone back ${Number(event.by) / 1_000} s: time stands still until it has caught up`,
      );
    case 'failure':
      return log.error(`The data could not be written or read: ${event.error}`);
  }
}
