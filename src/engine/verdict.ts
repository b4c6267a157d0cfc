/** What a submission is answered: results and chain codes, their names and texts (spec, sections 2 and 8). */

import { ChainCode, type SubmitBlockResponse, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';

/** The results, with their names on JSON/TCP, in the order in which the rules give them. */
export const RESULT_NAMES: Readonly<Record<number, string>> = {
  [SubmitResult.REJECTED_MINER_IN_LOCKOUT]: 'RejectedMinerInLockout',
  [SubmitResult.REJECTED_MINER_ALREADY_ATTEMPTED]: 'RejectedMinerAlreadyAttempted',
  [SubmitResult.REJECTED_INVALID_TIMESTAMP]: 'RejectedInvalidTimestamp',
  [SubmitResult.REJECTED_TONCE_CHALLENGE]: 'RejectedTonceChallenge',
  [SubmitResult.REJECTED_INVALID_HASH]: 'RejectedInvalidHash',
  [SubmitResult.REJECTED_BLOCKCHAIN_VALIDATION]: 'RejectedBlockchainValidation',
  [SubmitResult.ACCEPTED]: 'Accepted',
};

/** The chain codes, with their names in texts, in the order in which the chain rules first give them. */
export const CHAIN_CODE_NAMES: Readonly<Record<number, string>> = {
  [ChainCode.MISMATCHED_INDEX]: 'MismatchedIndex',
  [ChainCode.INVALID_HASH]: 'InvalidHash',
  [ChainCode.ACHRONOLOGICAL_TIMESTAMP]: 'AchronologicalTimestamp',
  [ChainCode.MISMATCHED_PREVIOUS_HASH]: 'MismatchedPreviousHash',
  [ChainCode.INVALID_GENESIS_BLOCK_FORMAT]: 'InvalidGenesisBlockFormat',
  [ChainCode.INVALID_OUTPUT_VALUE]: 'InvalidOutputValue',
  [ChainCode.INVALID_TRANSACTION_TIMESTAMP]: 'InvalidTransactionTimestamp',
  [ChainCode.INVALID_COINBASE_TRANSACTION]: 'InvalidCoinbaseTransaction',
  [ChainCode.INVALID_INPUT]: 'InvalidInput',
  [ChainCode.INSUFFICIENT_INPUT_VALUE]: 'InsufficientInputValue',
  [ChainCode.DUPLICATE_OUTPUT]: 'DuplicateOutput',
};

/** A submission's verdict: the message that every wire sends. */
export type Verdict = SubmitBlockResponse;

/** The block joins the chain; its miner is locked out for a time in milliseconds. */
export function accepted(lockout: bigint): Verdict {
  return verdict(SubmitResult.ACCEPTED, 'Block accepted! You are now in 1-hour lockout.', lockout);
}

/** The miner's lockout has some milliseconds left. */
export function inLockout(remaining: bigint): Verdict {
  const text = `Miner in lockout. ${remaining / 1000n} seconds remaining.`;
  return verdict(SubmitResult.REJECTED_MINER_IN_LOCKOUT, text, remaining);
}

/** The miner has used its attempt up; the round ends in some milliseconds at the latest. */
export function alreadyAttempted(roundRemaining: bigint): Verdict {
  return verdict(SubmitResult.REJECTED_MINER_ALREADY_ATTEMPTED, 'Already attempted this round', roundRemaining);
}

/** The timestamp is outside the window. */
export function invalidTimestamp(roundRemaining: bigint): Verdict {
  return verdict(SubmitResult.REJECTED_INVALID_TIMESTAMP, 'Invalid timestamp', roundRemaining);
}

/** The timestamp does not meet the tonce. */
export function tonceNotMet(roundRemaining: bigint): Verdict {
  return verdict(SubmitResult.REJECTED_TONCE_CHALLENGE, 'Timestamp failed tonce challenge', roundRemaining);
}

/** The claimed hash is not the block's. */
export function hashNotTheBlocks(roundRemaining: bigint): Verdict {
  return verdict(SubmitResult.REJECTED_INVALID_HASH, 'Block hash does not match its contents', roundRemaining);
}

/** A chain rule is broken. */
export function chainRuleBroken(code: ChainCode, retryAfterMs: bigint): Verdict {
  const text = `Blockchain validation failed: ${CHAIN_CODE_NAMES[code]}`;
  return verdict(SubmitResult.REJECTED_BLOCKCHAIN_VALIDATION, text, retryAfterMs, code);
}

function verdict(result: SubmitResult, message: string, retryAfterMs: bigint, code = ChainCode.UNSPECIFIED): Verdict {
  return { result, message, code, retryAfterMs };
}
