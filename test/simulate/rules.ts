/**
 * The rules of spec/legacy-protocol.md (sections 4 to 8), written down a second time, as plainly as can be, and by nothing of src: what the simulation
 * holds the validator against. Times are milliseconds.
 */

import { createHash } from 'node:crypto';
import type { Block, Output } from '../../gen/hourcoin/v1/block.js';

export const HOUR = 3_600_000n;
const U64 = 2n ** 64n - 1n;

/** What stands for the previous hash of the first block. */
export const ZEROS = '0'.repeat(64);

/** What the rules know of a chain. */
export interface Chain {
  readonly difficulty: bigint;
  readonly firstRoundStart: bigint;
  /** The hashes of its blocks, hexadecimal. */
  readonly hashes: string[];
  tipTimestamp: bigint | undefined;
  round: bigint;
  roundStart: bigint;
  attempts: Set<string>;
  /** When each miner's lockout ends. */
  readonly lockouts: Map<string, bigint>;
  /** Every output that was ever made, by its id. */
  readonly outputs: Map<string, Coin>;
  /** What all unspent outputs are worth together, exactly. */
  supply: bigint;
}

export interface Coin {
  readonly output: Output;
  readonly units: bigint;
  isSpent: boolean;
}

/** What the rules say of a submission. */
export interface Ruling {
  /** The text of the answer. */
  readonly message: string;
  /** The miner's attempt is used up, by an acceptance too. */
  readonly burns: boolean;
  readonly accepts?: Accepted;
}

/** What an accepted block does. */
export interface Accepted {
  readonly hash: string;
  readonly tonce: number;
  readonly made: readonly (readonly [id: string, output: Output])[];
  readonly spent: readonly string[];
}

export function newChain(difficulty: bigint, firstRoundStart: bigint): Chain {
  return {
    difficulty,
    firstRoundStart,
    hashes: [],
    tipTimestamp: undefined,
    round: 1n,
    roundStart: firstRoundStart,
    attempts: new Set(),
    lockouts: new Map(),
    outputs: new Map(),
    supply: 0n,
  };
}

/** "k = floor((now − round_start) / 3 600 000) rounds end" */
export function roundsOver(chain: Chain, now: bigint): bigint {
  return now > chain.roundStart ? (now - chain.roundStart) / HOUR : 0n;
}

/** Judges a submission at a time, on a chain whose rounds have ended by then. */
export function judge(chain: Chain, minerId: string, block: Block, now: bigint): Ruling {
  const free = (message: string): Ruling => ({ message, burns: false });
  const burnt = (message: string): Ruling => ({ message, burns: true });
  const invalid = (code: string): string => `Blockchain validation failed: ${code}`;

  const lockout = (chain.lockouts.get(minerId) ?? 0n) - now;
  if (lockout > 0n) return free(`Miner in lockout. ${lockout / 1_000n} seconds remaining.`);
  if (chain.attempts.has(minerId)) return free('Already attempted this round');

  const tip = chain.hashes.at(-1);
  const previous = block.prevBlockHash.toString('hex');
  if (block.index !== chain.hashes.length) return free(invalid('MismatchedIndex'));
  if (tip === undefined && previous !== ZEROS) return free(invalid('InvalidGenesisBlockFormat'));
  if (tip !== undefined && previous !== tip) return free(invalid('MismatchedPreviousHash'));
  if (block.timestamp <= (chain.tipTimestamp ?? -1n)) return free(invalid('AchronologicalTimestamp'));

  if (block.timestamp < now - 300_000n || block.timestamp > now + 500n) return burnt('Invalid timestamp');
  const { tonce } = challenge(chain, now);
  if (sha256(littleEndian(block.timestamp, 16)).readUInt32BE(28) % tonce !== 0)
    return burnt('Timestamp failed tonce challenge');
  const hash = hashOf(block);
  if (!hash.equals(block.hash)) return burnt('Block hash does not match its contents');
  const work = BigInt(`0x${Buffer.from(hash.subarray(16)).reverse().toString('hex')}`);
  if (work >= chain.difficulty) return burnt(invalid('InvalidHash'));
  const outcome = transactions(chain, block);
  if (typeof outcome === 'string') return burnt(invalid(outcome));
  const accepts = { hash: hash.toString('hex'), tonce, ...outcome };
  return { message: 'Block accepted! You are now in 1-hour lockout.', burns: true, accepts };
}

/** The tonce in force, and the whole seconds for which it holds. */
export function challenge(chain: Chain, now: bigint): { tonce: number; seconds: bigint } {
  const from = chain.tipTimestamp ?? chain.firstRoundStart;
  const elapsed = now > from ? now - from : 0n;
  if (elapsed >= 60_000n) return { tonce: 1, seconds: 0n };
  const tonce = sha256(littleEndian(from, 16)).readUInt8(31) & 0x1f;
  return { tonce: tonce === 0 ? 1 : tonce, seconds: (60_000n - elapsed) / 1_000n };
}

/** A finite double as a whole number of the smallest one. */
export function unitsOf(value: number): bigint {
  let halvings = 0;
  let whole = value;
  while (!Number.isInteger(whole)) {
    whole *= 2;
    halvings++;
  }
  return BigInt(whole) * 2n ** BigInt(1_074 - halvings);
}

function transactions(chain: Chain, block: Block): string | Pick<Accepted, 'made' | 'spent'> {
  const made = new Map<string, Output>();
  const spent = new Set<string>();
  let fees = 0;
  for (const [place, { inputs, outputs }] of block.transactions.entries()) {
    if (outputs.some(({ value }) => !Number.isFinite(value) || value < 0 || Object.is(value, -0)))
      return 'InvalidOutputValue';
    if (outputs.some(({ timestamp }) => timestamp > U64)) return 'InvalidTransactionTimestamp';
    if (place === 0) {
      if (inputs.length > 0 || sum(outputs) !== 2) return 'InvalidCoinbaseTransaction';
    } else {
      for (const input of inputs) {
        const id = idOf(input);
        const coin = chain.outputs.get(id);
        if (coin === undefined || coin.isSpent || spent.has(id)) return 'InvalidInput';
        spent.add(id);
      }
      if (outputs.some((output) => inputs.some((input) => output.timestamp < input.timestamp)))
        return 'InvalidTransactionTimestamp';
      const fee = sum(inputs) - sum(outputs);
      if (fee < 0 || exactSum(outputs) > exactSum(inputs)) return 'InsufficientInputValue';
      fees += fee;
    }
    for (const output of outputs) {
      const id = idOf(output);
      if (made.has(id) || chain.outputs.has(id)) return 'DuplicateOutput';
      made.set(id, output);
    }
  }
  return fees > 2 ? 'InvalidCoinbaseTransaction' : { made: [...made], spent: [...spent] };
}

function hashOf({ index, timestamp, prevBlockHash, nonce, transactions }: Block): Buffer {
  const parts = [
    littleEndian(BigInt(index), 4),
    littleEndian(timestamp, 16),
    prevBlockHash,
    littleEndian(nonce, 8),
    ...transactions.flatMap(({ inputs, outputs }) => [...inputs, ...outputs].map(outputBytes)),
  ];
  return sha256(Buffer.concat(parts));
}

function idOf(output: Output): string {
  return sha256(outputBytes(output)).toString('hex');
}

function outputBytes({ toAddr, value, timestamp }: Output): Buffer {
  const double = Buffer.alloc(8);
  double.writeDoubleBE(value);
  return Buffer.concat([Buffer.from(toAddr), double, littleEndian(timestamp, 16).reverse()]);
}

function littleEndian(value: bigint, bytes: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex').reverse();
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function sum(outputs: readonly Output[]): number {
  let total = 0;
  for (const { value } of outputs) total += value;
  return total;
}

function exactSum(outputs: readonly Output[]): bigint {
  let total = 0n;
  for (const { value } of outputs) total += unitsOf(value);
  return total;
}
