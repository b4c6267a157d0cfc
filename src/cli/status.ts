/** `hourcoin status`: what a validator says of itself. */

import { connectTo } from '../client/connect.js';
import { type CredentialOptions, readCredentials, rightly } from './credentials.js';
import { plainJson } from './json.js';
import { harmless, say, shownTime } from './text.js';

export interface StatusArguments extends CredentialOptions {
  readonly json?: boolean | undefined;
}

export async function runStatus(address: string, { json, ...options }: StatusArguments): Promise<void> {
  const credentials = readCredentials(options);
  const validator = rightly(() => connectTo(address, undefined, credentials));
  try {
    // In this order: over JSON/TCP the first shows the API key, and the second cannot.
    const [round, chain] = await Promise.all([validator.getRoundInfo('status'), validator.getBlockchainInfo()]);
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
