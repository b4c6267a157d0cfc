/** `hourcoin block`: shows a block of a validator's chain. */

import type { AcceptedBlock, Output } from '../../gen/hourcoin/v1/block.js';
import type { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { connectToGrpc } from '../client/connect.js';
import type { GrpcClient } from '../client/grpc.js';
import type { BlockName } from '../validator/validator.js';
import { type CredentialOptions, readCredentials, rightly } from './credentials.js';
import { ExitError } from './exit.js';
import { plainJson } from './json.js';
import { harmless, say, shownTime } from './text.js';

export interface BlockArguments extends CredentialOptions {
  readonly json?: boolean | undefined;
}

export async function runBlock(
  name: BlockName | 'tip',
  address: string,
  { json, ...options }: BlockArguments,
): Promise<void> {
  const credentials = readCredentials(options);
  const validator = rightly(() => connectToGrpc(address, undefined, credentials));
  try {
    const found = await validator.getBlock(name === 'tip' ? await tip(validator) : name);
    const { block, ...accepted } = found;
    if (json) say(JSON.stringify(plainJson({ ...block, ...accepted }), null, 2));
    else show(found, (await validator.getRoundInfo('block')).timescale);
  } finally {
    validator.close();
  }
}

async function tip(validator: GrpcClient): Promise<BlockName> {
  const { tipHash } = await validator.getBlockchainInfo();
  if (tipHash === undefined) throw new ExitError('the chain has no blocks yet');
  return { hash: tipHash };
}

function show(accepted: AcceptedBlock, timescale: Timescale): void {
  const { block } = accepted;
  if (block === undefined) return;
  say(`Block #${block.index}`);
  say(`  Hash:          ${block.hash.toString('hex')}`);
  say(`  Previous hash: ${block.prevBlockHash.toString('hex')}`);
  say(`  Timestamp:     ${shownTime(block.timestamp, timescale)}`);
  say(`  Nonce:         ${block.nonce}`);
  say(`  Miner:         ${harmless(accepted.minerId)}`);
  say(`  Accepted at:   ${shownTime(accepted.acceptedAt, timescale)}`);
  say(`  Round:         ${accepted.round}, tonce ${accepted.tonce}`);
  say(`  Difficulty:    ${accepted.difficulty}`);
  say(`  Content hash:  ${accepted.contentHash.toString('hex')}`);
  for (const [position, { inputs, outputs }] of block.transactions.entries()) {
    say(`  Transaction ${position}${position === 0 ? ' (coinbase)' : ''}`);
    for (const input of inputs) say(`    spends ${shownOutput(input)}`);
    for (const output of outputs) say(`    pays   ${shownOutput(output)}`);
  }
}

function shownOutput({ toAddr, value, timestamp }: Output): string {
  return `${value} hours, ${harmless(toAddr)}, ${timestamp}`;
}
