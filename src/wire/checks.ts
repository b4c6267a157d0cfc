/** The stateless limits of what miners send (spec, section 8, "Limits"): the same on every wire. */

import type { Block, Output } from '../../gen/hourcoin/v1/block.js';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';

/** Throws LIMIT_EXCEEDED where a miner id is too long. */
export function checkMinerId(minerId: string): void {
  checkText(minerId, LIMITS.minerIdBytes, 'miner_id');
}

/** Throws LIMIT_EXCEEDED where an address is too long. */
export function checkAddress(address: string, field: string): void {
  checkText(address, LIMITS.addressBytes, field);
}

/** Throws LIMIT_EXCEEDED where a submission is larger than a block may be. */
export function checkSubmission(minerId: string, { transactions }: Block): void {
  checkMinerId(minerId);
  checkCount(transactions.length, LIMITS.transactions, 'transactions', 'block.transactions');
  let inputs = 0;
  let outputs = 0;
  for (const [position, transaction] of transactions.entries()) {
    inputs += transaction.inputs.length;
    outputs += transaction.outputs.length;
    checkOwners(transaction.inputs, `block.transactions[${position}].inputs`);
    checkOwners(transaction.outputs, `block.transactions[${position}].outputs`);
  }
  checkCount(inputs, LIMITS.inputs, 'inputs', 'block.transactions.inputs');
  checkCount(outputs, LIMITS.outputs, 'outputs', 'block.transactions.outputs');
}

function checkOwners(outputs: readonly Output[], field: string): void {
  for (const [position, { toAddr }] of outputs.entries()) {
    // UTF-8 takes at most three bytes a UTF-16 unit: most addresses are short enough for that to tell.
    if (toAddr.length * 3 > LIMITS.addressBytes) checkAddress(toAddr, `${field}[${position}].to_addr`);
  }
}

function checkCount(count: number, limit: number, what: string, field: string): void {
  if (count > limit) throw new Fault('LIMIT_EXCEEDED', `a block has at most ${limit} ${what}`, field);
}

function checkText(text: string, limit: number, field: string): void {
  if (Buffer.byteLength(text) > limit) throw new Fault('LIMIT_EXCEEDED', `${field} has at most ${limit} bytes`, field);
}
