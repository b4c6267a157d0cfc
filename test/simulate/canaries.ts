/** Bugs that the simulation must find, at least one for each of its checks. They are wrapped around what the validator is made of, never in src. */

import { ChainCode } from '../../gen/hourcoin/v1/validator_service.js';
import type { State } from '../../src/engine/state.js';
import type { Store } from '../../src/store/store.js';
import type { Clock } from '../../src/time/clock.js';
import type { ChainValidator } from '../../src/validator/validator.js';
import { intercepted } from '../support/servers.js';

/** A bug. What it does not wrap stays as it is. */
export interface Canary {
  /** The checks that may find it. */
  readonly checks: readonly string[];
  /** The store as the validator sees it. */
  readonly store?: (store: Store) => Store;
  /** What keeps what the validator writes. */
  readonly storage?: (store: Store) => Store;
  readonly clock?: (clock: Clock) => Clock;
  readonly validator?: (validator: ChainValidator) => ChainValidator;
  /** A restart takes up half of a commit that was not synced. */
  readonly halfCommits?: boolean;
  /** Nobody is let in any more after the first restart. */
  readonly isDeaf?: boolean;
}

/** By name; each is made anew for a story. */
export const CANARIES: Readonly<Record<string, () => Canary>> = {
  /** A spent coin may be spent again. */
  'double-spend': () => ({
    checks: ['chain', 'answers'],
    store: (store) =>
      over(store, {
        lookup(id) {
          const status = store.lookup(id);
          return status === 'spent' ? 'unspent' : status;
        },
      }),
  }),
  /** What is spent stays in its owner's hands. */
  'kept-coin': () => ({
    checks: ['coins', 'chain', 'answers'],
    storage: (store) =>
      over(store, {
        commit(changes, stamp, visits) {
          const kept = changes.map((change) =>
            change.type === 'block' ? { ...change, outputs: { ...change.outputs, spent: [] } } : change,
          );
          return store.commit(kept, stamp, visits);
        },
      }),
  }),
  /** Answers come before the sync. */
  'lost-ack': () => ({
    checks: ['durability', 'rules', 'chain'],
    store: (store) =>
      over(store, {
        async commit(...commit) {
          store.commit(...commit).catch(() => {});
        },
      }),
  }),
  /** A restart takes up half of a commit. */
  'half-commit': () => ({ checks: ['durability'], halfCommits: true }),
  /** A restart forgets who has used an attempt up. */
  'forgotten-attempt': () => ({
    checks: ['answers', 'attempts', 'chain'],
    store: (store) =>
      over(store, {
        loadState() {
          const state = store.loadState();
          state.round.attempts.clear();
          return state;
        },
      }),
  }),
  /** A submission in a lockout is judged all the same. */
  'no-lockout': () => {
    let state: State | undefined;
    return {
      checks: ['lockouts', 'attempts', 'answers'],
      store: (store) =>
        over(store, {
          loadState() {
            state = store.loadState();
            return state;
          },
        }),
      validator: (validator) =>
        instead(validator, {
          submitBlock(minerId, block, options) {
            const end = state?.lockouts.get(minerId);
            state?.lockouts.delete(minerId);
            const verdict = validator.submitBlock(minerId, block, options);
            if (end !== undefined && state?.lockouts.has(minerId) === false) state.lockouts.set(minerId, end);
            return verdict;
          },
        }),
    };
  },
  /** A block that is not on the tip uses its miner's attempt up, with the next commit. */
  'burnt-off-tip': () => {
    let burnt: string | undefined;
    return {
      checks: ['attempts'],
      validator: (validator) =>
        instead(validator, {
          async submitBlock(minerId, block, options) {
            const verdict = await validator.submitBlock(minerId, block, options);
            if (verdict.code === ChainCode.MISMATCHED_INDEX) burnt = minerId;
            return verdict;
          },
        }),
      store: (store) =>
        over(store, {
          commit(changes, stamp, visits) {
            const further = burnt === undefined ? [] : [{ type: 'attempt', minerId: burnt } as const];
            burnt = undefined;
            return store.commit([...changes, ...further], stamp, visits);
          },
        }),
    };
  },
  /** An attempt that the rules use up is not written down. */
  'free-attempt': () => ({
    checks: ['rules'],
    store: (store) =>
      over(store, {
        commit: (changes, stamp, visits) =>
          store.commit(changes.at(-1)?.type === 'attempt' ? changes.slice(0, -1) : changes, stamp, visits),
      }),
  }),
  /** An hour is over, and the round keeps its number. */
  'same-round': () => ({
    checks: ['rounds'],
    store: (store) =>
      over(store, {
        commit(changes, stamp, visits) {
          const same = changes.map((change) =>
            change.type === 'round' ? { ...change, number: change.number - 1n } : change,
          );
          return store.commit(same, stamp, visits);
        },
      }),
  }),
  /** A restart goes back to the first time of all. */
  'time-back': () => ({
    checks: ['time', 'answers'],
    store: (store) =>
      over(store, {
        get stored() {
          const { stored } = store;
          return stored && { ...stored, stamp: stored.parameters.firstRoundStart };
        },
      }),
  }),
  /** What is stored says that it was judged earlier than it was. */
  'early-stamp': () => ({
    checks: ['time'],
    store: (store) => over(store, { commit: (changes, stamp, visits) => store.commit(changes, stamp - 1n, visits) }),
  }),
  /** A stream of blocks that goes on leaves one out. */
  gap: () => ({
    checks: ['streams'],
    validator: (validator) =>
      instead(validator, {
        watchBlocks: (from, options) => validator.watchBlocks(from === 0 ? 0 : from + 1, options),
      }),
  }),
  /** The first round that was ever asked for is told for ever. */
  'stale-read': () => {
    let first: ReturnType<ChainValidator['getRoundInfo']> | undefined;
    return {
      checks: ['answers'],
      validator: (validator) =>
        instead(validator, { getRoundInfo: (...asked) => (first ??= validator.getRoundInfo(...asked)) }),
    };
  },
  /** The clock stands still for ever once it has been set back. */
  'stuck-clock': () => {
    let last = 0n;
    let isStuck = false;
    return {
      checks: ['progress'],
      clock: (clock) => ({
        speed: clock.speed,
        now() {
          const now = clock.now();
          isStuck ||= now < last;
          if (!isStuck) last = now;
          return last;
        },
      }),
    };
  },
  /** Nobody is let in after a restart. */
  deaf: () => ({ checks: ['progress'], isDeaf: true }),
  /** A submission in a certain name, which only hostile bytes have, is no Fault, but an error. */
  defect: () => ({
    checks: ['defects'],
    validator: (validator) =>
      instead(validator, {
        async submitBlock(minerId, block, options) {
          if (minerId === 'noise') throw new TypeError('a defect');
          return validator.submitBlock(minerId, block, options);
        },
      }),
  }),
};

function instead(validator: ChainValidator, members: Partial<ChainValidator>): ChainValidator {
  return intercepted(validator, members).validator;
}

function over(store: Store, members: Partial<Store>): Store {
  return Object.defineProperties(Object.create(store), Object.getOwnPropertyDescriptors(members)) as Store;
}
