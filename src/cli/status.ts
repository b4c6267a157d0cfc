/** `hourcoin status`: what a validator says of itself. */

import { connectTo } from '../client/connect.js';
import { plainJson } from './json.js';
import { harmless, say, shownTime } from './text.js';

export async function runStatus(address: string, json: boolean): Promise<void> {
  const validator = connectTo(address);
  try {
    const [chain, round] = await Promise.all([validator.getBlockchainInfo(), validator.getRoundInfo('status')]);
    if (json) return say(JSON.stringify(plainJson({ ...chain, ...round }), null, 2));
    say(`Validator:  ${address}`);
    say(`Height:     ${chain.blockCount} blocks`);
    say(`Tip:        ${chain.tipHash?.toString('hex') ?? 'none'}`);
    say(`Difficulty: ${harmless(chain.difficulty)}`);
    say(`Round:      ${round.round || 'not told'}, since ${shownTime(round.roundStart, round.timescale)}`);
    say(`Tonce:      ${round.tonce ?? 'none'}, ${round.challengeSecondsRemaining} seconds of challenge remaining`);
    say(`Attempted:  ${round.attemptedMiners} miners in this round`);
    say(`Lockouts:   ${round.activeLockouts} active`);
    if (round.clockSpeed !== 1) say(`Clock:      runs ${round.clockSpeed} times as fast as real time`);
  } finally {
    validator.close();
  }
}
