/** `hourcoin miner`: mines blocks, and shows how it goes. */

import { randomInt } from 'node:crypto';
import { Fault } from '../engine/fault.js';
import type { MinerEvent } from '../miner/events.js';
import { MinerClient } from '../miner-client.js';
import { type CredentialOptions, readCredentials, rightly } from './credentials.js';
import { aborted, stopSignal } from './exit.js';
import { CLEAR_LINE, colour, harmless, say } from './text.js';

/** How often a search is spoken of where no line can be written again, milliseconds. */
const RATE_MS = 10_000;

export interface MinerArguments extends CredentialOptions {
  readonly minerId: string | undefined;
  readonly validator: string;
  readonly rewardAddress: string | undefined;
  readonly blocks: number | undefined;
  readonly timeout: number;
  readonly maxAttempts: number;
  readonly threads: number;
  readonly index: number | undefined;
  readonly prevHash: Buffer | undefined;
}

export async function runMiner(args: MinerArguments): Promise<void> {
  const { validator, timeout, blocks, maxAttempts, threads, index, prevHash } = args;
  const minerId = args.minerId ?? `miner_${randomInt(2 ** 32)}`;
  const rewardAddress = args.rewardAddress ?? minerId;
  const credentials = readCredentials(args);
  const client = rightly(() => new MinerClient({ minerId, validator, timeout, credentials }));

  say('=== Hourcoin Miner Client ===');
  say();
  say('Configuration:');
  say(`  Miner ID: ${harmless(minerId)}`);
  say(`  Validator: ${validator}`);
  say(`  Reward Address: ${harmless(rewardAddress)}`);
  say();
  say('Connecting to validator...');

  const stop = stopSignal();
  const display = new MinerDisplay();
  const mining = client.startMining({
    rewardAddress,
    blocks,
    maxAttempts,
    threads,
    index,
    prevHash,
    signal: stop,
    onEvent: (event) => display.show(event),
  });
  await Promise.race([mining, aborted(stop)]);
  display.endLine();
  client.close();
}

/** Prints what the network guide shows. */
class MinerDisplay {
  private connectedBefore = false;
  /** On a terminal: whether the last line is one that is written again and again, and what writes it. */
  private rewriting = false;
  private countdown: NodeJS.Timeout | undefined;
  /** Elsewhere: when the search is to be spoken of again. */
  private sayRateAt = 0;

  show(event: MinerEvent): void {
    this.endLine();
    switch (event.type) {
      case 'connected':
        return this.connected(event.round);
      case 'disconnected': {
        const outOfReach = this.connectedBefore ? 'The validator is out of reach' : 'Failed to connect to validator';
        const what = event.error instanceof Fault ? 'The validator does not answer' : outOfReach;
        const text = `✗ ${what}: ${harmless(event.error.message)}. Trying again in ${(event.retryMs / 1_000).toFixed(1)} s...`;
        return say(colour('red', text));
      }
      case 'deployed-validator':
        say('This validator does not tell its tip: index and previous hash are taken from --index and --prev-hash.');
        return say(`  Index: ${event.index}, previous hash: ${event.prevBlockHash.toString('hex')}`);
      case 'clock-differs': {
        const how = event.aheadMs > 0n ? 'ahead of' : 'behind';
        const by = Math.abs(Number(event.aheadMs)) / 1_000;
        const text = `⚠ This host's clock is ${by} s ${how} the validator's, more than the window allows: mining goes by the validator's.`;
        return say(colour('yellow', text));
      }
      case 'mining':
        say(colour('bold', `Mining block #${event.index}...`));
        say(`  Tonce: ${event.tonce}`);
        return say(`  Challenge time remaining: ${event.secondsRemaining} seconds`);
      case 'no-timestamp':
        return say(
          colour('red', `  ✗ None of ${event.tried} timestamps meets the tonce. Try more with --max-attempts.`),
        );
      case 'timestamp':
        return say(`  Found valid timestamp: ${event.timestamp}`);
      case 'searching':
        return this.searching(event);
      case 'mined':
        say(`  ✓ Block mined! Hash: ${event.block.hash.toString('hex')}`);
        return say(`  Nonce: ${event.block.nonce}`);
      case 'submitting':
        return say('  Submitting to validator...');
      case 'overtaken':
        return say('  Another block was accepted first: going on with the new tip.');
      case 'accepted': {
        const text = event.verdict?.message ?? 'Block accepted: the answer was lost, but the chain shows it.';
        return say(`${colour('green', `  ✓ ${harmless(text)}`)}\n`);
      }
      case 'rejected':
        return say(`${colour('red', `  ✗ Block rejected: ${harmless(event.verdict.message)}`)}\n`);
      case 'not-taken': {
        const text = `  ✗ ${harmless(event.fault.message)}. Trying again in ${(event.retryMs / 1_000).toFixed(1)} s...`;
        return say(colour('red', text));
      }
      case 'unknown':
        return say(
          '  The answer was lost, and the chain has gone on: whether the block was accepted cannot be told.\n',
        );
      case 'lockout':
        return this.countDown(event.waitMs, event.seconds);
      case 'next-round':
        return say("⏳ This round's attempt is used up. Waiting for the next round...");
    }
  }

  /** Takes away the line that is written again and again, where there is one. */
  endLine(): void {
    clearInterval(this.countdown);
    if (this.rewriting) process.stdout.write(CLEAR_LINE);
    this.rewriting = false;
  }

  private rewrite(line: string): void {
    process.stdout.write(CLEAR_LINE + line);
    this.rewriting = true;
  }

  private searching({ tried, perSecond }: Extract<MinerEvent, { type: 'searching' }>): void {
    const line = `  Searching the nonce: ${millions(perSecond)} a second, ${millions(Number(tried))} tried...`;
    if (process.stdout.isTTY) return this.rewrite(line);
    const now = performance.now();
    if (now < this.sayRateAt) return;
    this.sayRateAt = now + RATE_MS;
    say(line);
  }

  private connected(round: Extract<MinerEvent, { type: 'connected' }>['round']): void {
    say(colour('green', this.connectedBefore ? '✓ Connected to validator again' : '✓ Connected to validator'));
    if (this.connectedBefore) return;
    this.connectedBefore = true;
    say();
    say('Current Round Info:');
    say(`  Tonce: ${round.tonce ?? 'none'}`);
    say(`  Challenge time remaining: ${round.challengeSecondsRemaining} seconds`);
    say(`  Difficulty: ${harmless(round.difficulty)}`);
    say(`  Attempted miners: ${round.attemptedMiners}`);
    say(`  Active lockouts: ${round.activeLockouts}`);
    if (round.clockSpeed !== 1) say(colour('yellow', `  Clock speed: ${round.clockSpeed} times real time`));
    say();
    say('✓ Ready to mine!');
    say();
    say('Starting continuous mining...');
    say('Press Ctrl+C to stop');
    say();
  }

  private countDown(waitMs: number, seconds: bigint): void {
    if (!process.stdout.isTTY) return say(`⏳ In lockout period. Waiting ${seconds} seconds...`);
    const end = performance.now() + waitMs;
    const draw = (): void => {
      const left = Math.max(0, Math.ceil((Number(seconds) * (end - performance.now())) / waitMs));
      this.rewrite(`⏳ In lockout period. Waiting ${left} seconds...`);
    };
    draw();
    this.countdown = setInterval(draw, 1_000);
  }
}

function millions(count: number): string {
  return `${(count / 1e6).toFixed(1)} million`;
}
