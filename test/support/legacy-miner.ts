/**
 * A deployed miner, written from the protocol page alone: node's sockets and hashes, and nothing of this project. A connection for every
 * request, length and body in two writes, index 0 on zeros, whatever difficulty it is told.
 */

import { createHash } from 'node:crypto';
import { connect } from 'node:net';

export type Answer = {
  readonly RoundInfo?: {
    readonly tonce: number | null;
    readonly attempted_miners: number;
    readonly round_start: number;
  };
  readonly LockoutStatus?: { readonly is_locked: boolean; readonly seconds_remaining: number };
  readonly BlockResult?: { readonly result: string; readonly message: string };
  readonly Error?: { readonly message: string };
};

export interface LegacyBlock {
  readonly index: number;
  readonly timestamp: bigint;
  readonly hash: string;
  readonly prev_block_hash: string;
  readonly nonce: bigint;
  readonly reward_address: string;
}

const DIFFICULTY = 0x00ffffffffffffffffffffffffffffffn;
const MAX_ATTEMPTS = 100_000;

export class LegacyMiner {
  constructor(
    readonly minerId: string,
    private readonly address: string,
    private readonly clock: 'utc' | 'tai' = 'utc',
  ) {}

  getRoundInfo(): Promise<Answer> {
    return this.request(`{"GetRoundInfo":{"miner_id":${JSON.stringify(this.minerId)}}}`);
  }

  checkLockout(): Promise<Answer> {
    return this.request(`{"CheckLockout":{"miner_id":${JSON.stringify(this.minerId)}}}`);
  }

  submit(block: LegacyBlock): Promise<Answer> {
    const coinbase = `{"inputs":[],"outputs":[{"to_addr":${JSON.stringify(block.reward_address)},"value":2.0,"timestamp":${block.timestamp}}]}`;
    return this.request(
      `{"SubmitBlock":{"miner_id":${JSON.stringify(this.minerId)},"block":{"index":${block.index},"timestamp":${block.timestamp},` +
        `"hash":"${block.hash}","prev_block_hash":"${block.prev_block_hash}","nonce":${block.nonce},"transactions":[${coinbase}]}}}`,
    );
  }

  /** Mines for the round in force, and submits. */
  async mineAndSubmit(index = 0, prevBlockHash = '0'.repeat(64)): Promise<{ block: LegacyBlock; answer: Answer }> {
    const block = await this.mine(index, prevBlockHash);
    return { block, answer: await this.submit(block) };
  }

  /**
   * Does what the deployed program does, for ever: it asks, mines and submits, and `wait`s some milliseconds where that one sleeps. Throws where that
   * one exits, and what `wait` throws.
   */
  async run(wait: (ms: number) => Promise<void>): Promise<never> {
    if ((await this.getRoundInfo()).RoundInfo === undefined) throw new Error('it exits: no round info');
    for (;;) {
      const { LockoutStatus: lockout } = await this.checkLockout();
      if (lockout === undefined) throw new Error('it exits: no lockout status');
      if (lockout.is_locked) {
        await wait((lockout.seconds_remaining + 1) * 1_000);
        continue;
      }
      const tonce = (await this.getRoundInfo()).RoundInfo?.tonce;
      const answer = typeof tonce === 'number' ? await this.submit(this.mineFor(tonce)) : undefined;
      // Anything else than a result and it submits again at once.
      const isHot = answer !== undefined && answer.BlockResult === undefined;
      if (!isHot && answer?.BlockResult?.result !== 'Accepted') await wait(5_000);
    }
  }

  /** Mines for the round in force. */
  async mine(index = 0, prevBlockHash = '0'.repeat(64)): Promise<LegacyBlock> {
    const tonce = (await this.getRoundInfo()).RoundInfo?.tonce;
    if (typeof tonce !== 'number') throw new Error('no tonce');
    return this.mineFor(tonce, index, prevBlockHash);
  }

  /** Finds the timestamp, then the nonce. */
  private mineFor(tonce: number, index = 0, prevBlockHash = '0'.repeat(64)): LegacyBlock {
    const start = this.now();
    let timestamp = start;
    while (!meetsTonce(timestamp, tonce)) {
      timestamp++;
      if (timestamp - start > MAX_ATTEMPTS) throw new Error('no timestamp');
    }
    const block = { index, timestamp, prev_block_hash: prevBlockHash, nonce: 0n, reward_address: this.minerId };
    for (let nonce = 0n; ; nonce++) {
      const hash = blockHash({ ...block, nonce });
      if (work(hash) < DIFFICULTY) return { ...block, nonce, hash: hash.toString('hex') };
    }
  }

  private now(): bigint {
    return BigInt(Date.now()) + (this.clock === 'tai' ? 37_000n : 0n);
  }

  /** One connection, one request in two writes, one answer. */
  private request(json: string): Promise<Answer> {
    const [host = '', port = ''] = this.address.split(':');
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: Number(port) });
      let received = Buffer.alloc(0);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed without an answer')));
      socket.on('connect', () => {
        const body = Buffer.from(json);
        const length = Buffer.alloc(4);
        length.writeUInt32BE(body.length);
        socket.write(length, () => socket.write(body));
      });
      socket.on('data', (data) => {
        received = Buffer.concat([received, data]);
        if (received.length < 4 || received.length < 4 + received.readUInt32BE(0)) return;
        resolve(JSON.parse(received.toString('utf8', 4, 4 + received.readUInt32BE(0))));
        socket.destroy();
      });
    });
  }
}

function sha256(...parts: Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** A number's bytes, least significant first. */
function littleEndian(value: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return bytes;
}

function blockHash(block: Omit<LegacyBlock, 'hash'>): Buffer {
  const value = Buffer.alloc(8);
  value.writeDoubleBE(2);
  return sha256(
    littleEndian(BigInt(block.index), 4),
    littleEndian(block.timestamp, 16),
    Buffer.from(block.prev_block_hash, 'hex'),
    littleEndian(block.nonce, 8),
    Buffer.from(block.reward_address),
    value,
    littleEndian(block.timestamp, 16).reverse(),
  );
}

/** Bytes 16 to 31 as a number, byte 31 the most significant. */
function work(hash: Buffer): bigint {
  let value = 0n;
  for (let i = 31; i >= 16; i--) value = value * 256n + BigInt(hash[i] ?? 0);
  return value;
}

function meetsTonce(timestamp: bigint, tonce: number): boolean {
  const digest = sha256(littleEndian(timestamp, 16));
  return digest.readUInt32BE(28) % tonce === 0;
}
