/** Between a validator's parts: shows the auditor what comes in, what is written and what is answered. Changes nothing. */

import type { RoundInfo } from '../../gen/hourcoin/v1/validator_service.js';
import { Fault } from '../../src/engine/fault.js';
import type { Store } from '../../src/store/store.js';
import type { Clock } from '../../src/time/clock.js';
import type { ChainValidator } from '../../src/validator/validator.js';
import { type Auditor, type Input, roundText } from './auditor.js';
import { judge } from './rules.js';

/** Runs a check: what it throws ends the story. */
export type Guard = <T>(check: () => T) => T;

/** A store whose commits the auditor sees, before they are written and once they are durable. */
export function witnessedStore(store: Store, auditor: Auditor, guard: Guard): Store {
  const commit: Store['commit'] = async (changes, stamp, visits) => {
    const isDurable = guard(() => auditor.commit(changes, stamp));
    await store.commit(changes, stamp, visits);
    isDurable();
  };
  return Object.assign(Object.create(store), { commit });
}

/** A clock that the auditor sees looked at. */
export function witnessedClock(clock: Clock, auditor: Auditor): Clock {
  return {
    speed: clock.speed,
    now() {
      const now = clock.now();
      auditor.looked(now);
      return now;
    },
  };
}

/** A validator as its servers have it: the auditor hears every question that is ordered, and its answer. */
export function witnessedValidator(node: ChainValidator, auditor: Auditor, guard: Guard): ChainValidator {
  const ask = async <T>(input: Input, call: () => Promise<T>, text: (answer: T) => string): Promise<T> => {
    auditor.enqueue(input);
    let answer: T;
    try {
      answer = await call();
    } catch (error) {
      auditor.refused(input);
      if (error instanceof Fault) throw error;
      return guard(() => {
        throw error;
      });
    }
    guard(() => auditor.answered(input, text(answer)));
    return answer;
  };
  return {
    getRoundInfo: (minerId, options) =>
      ask({ expect: roundText, signal: options?.signal }, () => node.getRoundInfo(minerId, options), textOfRound),
    submitBlock: (minerId, block, options) =>
      ask(
        {
          expect: (chain, now) => judge(chain, minerId, block, now).message,
          submission: { minerId, block },
          signal: options?.signal,
        },
        () => node.submitBlock(minerId, block, options),
        ({ message }) => message,
      ),
    checkLockout: (minerId, options) =>
      ask(
        {
          expect: ({ lockouts }, now) => textOfLockout((lockouts.get(minerId) ?? 0n) - now),
          signal: options?.signal,
        },
        () => node.checkLockout(minerId, options),
        ({ isLocked, secondsRemaining }) => textOfLockout(isLocked ? secondsRemaining * 1_000n + 1n : 0n),
      ),
    getBlockchainInfo: (options) =>
      ask(
        { expect: ({ hashes }) => `${hashes.length} blocks to ${hashes.at(-1)}`, signal: options?.signal },
        () => node.getBlockchainInfo(options),
        ({ blockCount, tipHash }) => `${blockCount} blocks to ${tipHash?.toString('hex')}`,
      ),
    watchRounds: (minerId, options) => node.watchRounds(minerId, options),
    getBlock: (name) => node.getBlock(name),
    listBlocks: (fromIndex, page) => node.listBlocks(fromIndex, page),
    watchBlocks: (fromIndex, options) => node.watchBlocks(fromIndex, options),
    getAddress: (address, page) => node.getAddress(address, page),
    getMiner: (minerId, options) => node.getMiner(minerId, options),
  };
}

/** As auditor.ts has it. */
function textOfRound(info: RoundInfo): string {
  return [
    `round ${info.round} from ${info.roundStart}`,
    `block #${info.nextIndex} on ${info.prevBlockHash.toString('hex')} of ${info.tipTimestamp}`,
    `tonce ${info.tonce} for ${info.challengeSecondsRemaining} s`,
    `${info.attemptedMiners} attempts, ${info.activeLockouts} lockouts`,
  ].join(', ');
}

function textOfLockout(ms: bigint): string {
  return ms > 0n ? `locked out for ${ms / 1_000n} s` : 'not locked out';
}
