/** The sessions can fail: with any one rule of the engine broken, some of them do, on either wire. */

import { expect } from 'chai';
import { runSession } from '../../src/conformance/run.js';
import type { Session, SessionFile } from '../../src/conformance/session.js';
import { type Breakage, breakBuild } from '../support/broken-build.js';
import { cleanup } from '../support/cleanup.js';
import { type Build, loadBuild, serveSession } from '../support/session-validator.js';
import { vectors } from '../support/vectors.js';

const { sessions } = vectors<SessionFile>('sessions');

const BREAKAGES: readonly Breakage[] = [
  { rule: 'a lockout lasts an hour', file: 'state.js', from: 'LOCKOUT_MS = 3600000n', to: 'LOCKOUT_MS = 3599999n' },
  {
    rule: 'a round ends an hour after it began',
    file: 'state.js',
    from: 'ROUND_MS = 3600000n',
    to: 'ROUND_MS = 3600001n',
  },
  {
    rule: "an accepted block clears everyone's attempts",
    file: 'state.js',
    from: 'start: acceptedAt, attempts: new Set()',
    to: 'start: acceptedAt, attempts: state.round.attempts',
  },
  { rule: 'a miner has one attempt a round', file: 'step.js', from: 'state.round.attempts.has(minerId)', to: 'false' },
  {
    rule: 'a block that is not on the tip uses nothing up',
    file: 'step.js',
    from: 'return unchanged(say.chainRuleBroken(offTipCode, 0n))',
    to: "return { verdict: say.chainRuleBroken(offTipCode, 0n), changes: [{ type: 'attempt', minerId }] }",
  },
  {
    rule: 'a failed attempt is used up',
    file: 'step.js',
    from: 'rejected = (verdict) => ({ verdict, changes })',
    to: 'rejected = (verdict) => ({ verdict, changes: [] })',
  },
  {
    rule: 'a timestamp may be 300,000 ms late',
    file: 'step.js',
    from: 'timestamp < now - WINDOW_PAST_MS',
    to: 'timestamp <= now - WINDOW_PAST_MS',
  },
  {
    rule: 'a timestamp may be 500 ms early',
    file: 'step.js',
    from: 'timestamp > now + WINDOW_FUTURE_MS',
    to: 'timestamp >= now + WINDOW_FUTURE_MS',
  },
  { rule: "a claimed hash is the block's", file: 'step.js', from: '!hash.equals(block.hash)', to: 'false' },
  { rule: 'a challenge lasts 60 s', file: 'tonce.js', from: 'CHALLENGE_MS = 60000n', to: 'CHALLENGE_MS = 60001n' },
  { rule: 'a tonce of 0 is 1', file: 'tonce.js', from: 'last & 0x1f || 1', to: 'last & 0x1f || 2' },
  { rule: 'a tonce has five bits', file: 'tonce.js', from: 'last & 0x1f', to: 'last & 0x0f' },
  { rule: 'a timestamp meets the tonce', file: 'tonce.js', from: '% tonce === 0', to: '% tonce >= 0' },
  {
    rule: 'a difficulty is above the work, not equal to it',
    file: 'difficulty.js',
    from: 'difficulty > workOf(hash)',
    to: 'difficulty >= workOf(hash)',
  },
  {
    rule: 'a block stands on the tip',
    file: 'rules.js',
    from: '!block.prevBlockHash.equals(chain.tip.hash))\n        return ChainCode.MISMATCHED_PREVIOUS_HASH;\n    if',
    to: 'false)\n        return ChainCode.MISMATCHED_PREVIOUS_HASH;\n    if',
  },
  {
    rule: "a timestamp is later than the tip's",
    file: 'rules.js',
    from: 'block.timestamp <= chain.tip.timestamp)\n        return',
    to: 'block.timestamp < chain.tip.timestamp)\n        return',
  },
  {
    rule: 'a first block names 32 zero bytes',
    file: 'rules.js',
    from: '? undefined : ChainCode.INVALID_GENESIS_BLOCK_FORMAT',
    to: '? undefined : ChainCode.MISMATCHED_PREVIOUS_HASH',
  },
  { rule: 'a value of -0 is none', file: 'rules.js', from: '|| Object.is(value, -0)', to: '' },
  {
    rule: 'a coinbase sums to 2.0',
    file: 'rules.js',
    from: 'sum(outputs) !== COINBASE_VALUE',
    to: 'sum(outputs) > COINBASE_VALUE',
  },
  {
    rule: 'an input is unspent before the block',
    file: 'rules.js',
    from: "lookup(id) !== 'unspent'",
    to: "lookup(id) === 'absent'",
  },
  { rule: 'an input is spent once in a block', file: 'rules.js', from: 'spent.has(key) || ', to: '' },
  {
    rule: 'an output is no older than an input',
    file: 'rules.js',
    from: 'timestamp < newestInput',
    to: 'timestamp <= newestInput',
  },
  {
    rule: 'outputs are worth no more than inputs, exactly',
    file: 'rules.js',
    from: ' || exactSum(outputs) > exactSum(inputs)',
    to: '',
  },
  { rule: 'an output is made once in a block', file: 'rules.js', from: 'made.has(key) || ', to: '' },
  {
    rule: 'an output is made once on a chain',
    file: 'rules.js',
    from: "lookup(id) !== 'absent'",
    to: "lookup(id) === 'unspent'",
  },
  { rule: 'fees are at most 2.0', file: 'rules.js', from: 'fees > COINBASE_VALUE', to: 'fees >= COINBASE_VALUE' },
];

describe('Sessions fail where it is not so that', () => {
  const atEnd = cleanup();

  for (const breakage of BREAKAGES) {
    it(breakage.rule, async () => {
      const broken = await loadBuild(breakBuild(breakage, atEnd));
      for (const wire of ['json-tcp', 'grpc']) {
        const those = sessions.filter((session) => session.wire === wire && session.needs.includes('clock'));
        expect(await firstToFail(broken, those), wire).to.be.a('string');
      }
    });
  }

  /** What differs first, in any session; undefined where all conform. */
  async function firstToFail(build: Build, those: readonly Session[]): Promise<string | undefined> {
    for (const session of those) {
      const { address, tester } = await serveSession(build, session, atEnd);
      const differs = await runSession(session, address, tester);
      if (differs !== undefined) return `${session.name}: ${differs}`;
    }
    return undefined;
  }
});
