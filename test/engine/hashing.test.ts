import { expect } from 'chai';
import type { Block, Output } from '../../gen/hourcoin/v1/block.js';
import { blockBytes, blockHash, nonceOffset, outputBytes, outputId, transactionBytes } from '../../src/engine/bytes.js';
import { workOf } from '../../src/engine/difficulty.js';
import { blockFromJson } from '../support/chains.js';
import { bitsOfDouble, doubleFromBits, vectors } from '../support/vectors.js';

interface OutputVector {
  readonly to_addr: string;
  readonly value_text: string;
  readonly value_bits: string;
  readonly timestamp: string;
}

interface HashingVectors {
  readonly outputs: readonly (OutputVector & { readonly bytes: string; readonly sha256: string })[];
  readonly blocks: readonly {
    readonly name: string;
    readonly block: {
      readonly index: number;
      readonly timestamp: string;
      readonly prev_block_hash: string;
      readonly nonce: string;
      readonly transactions: readonly { readonly inputs: OutputVector[]; readonly outputs: OutputVector[] }[];
    };
    readonly block_json: string;
    readonly transaction_bytes: readonly string[];
    readonly bytes: string;
    readonly hash: string;
    readonly work: string;
  }[];
}

const { outputs, blocks } = vectors<HashingVectors>('hashing');

function outputOf({ to_addr, value_bits, timestamp }: OutputVector): Output {
  return { toAddr: to_addr, value: doubleFromBits(value_bits), timestamp: BigInt(timestamp) };
}

function blockOf({ block, hash }: HashingVectors['blocks'][number]): Block {
  return {
    index: block.index,
    timestamp: BigInt(block.timestamp),
    hash: Buffer.from(hash, 'hex'),
    prevBlockHash: Buffer.from(block.prev_block_hash, 'hex'),
    nonce: BigInt(block.nonce),
    transactions: block.transactions.map((transaction) => ({
      inputs: transaction.inputs.map(outputOf),
      outputs: transaction.outputs.map(outputOf),
    })),
  };
}

describe('Hashing (spec, section 4)', () => {
  it('has vectors', () => {
    expect(outputs).to.have.lengthOf(30);
    expect(blocks).to.have.lengthOf(47);
  });

  describe('Output bytes are to_addr, value big-endian, timestamp big-endian; an unspent output is known by their SHA-256', () => {
    for (const vector of outputs) {
      it(`${JSON.stringify(vector.to_addr)}, ${vector.value_text} at ${vector.timestamp}`, () => {
        const output = outputOf(vector);
        expect(bitsOfDouble(output.value)).to.equal(vector.value_bits);
        expect(outputBytes(output).toString('hex')).to.equal(vector.bytes);
        expect(outputId(output).toString('hex')).to.equal(vector.sha256);
      });
    }
  });

  for (const [form, read] of [
    ['from its members', blockOf],
    ['read from its JSON', ({ block_json }: HashingVectors['blocks'][number]) => blockFromJson(block_json)],
  ] as const) {
    describe(`Block bytes, block hash and work of a block ${form}`, () => {
      for (const vector of blocks) {
        it(vector.name, () => {
          const block = read(vector);
          const bytes = block.transactions.map((transaction) => transactionBytes(transaction).toString('hex'));
          expect(bytes).to.deep.equal(vector.transaction_bytes);
          expect(blockBytes(block).toString('hex')).to.equal(vector.bytes);
          expect(blockHash(block).toString('hex')).to.equal(vector.hash);
          expect(workOf(blockHash(block))).to.equal(BigInt(vector.work));
          expect(block.hash.toString('hex')).to.equal(vector.hash);
        });
      }
    });
  }

  it('The claimed hash is not among the bytes', () => {
    for (const vector of blocks) {
      const block = { ...blockOf(vector), hash: Buffer.from('any') };
      expect(blockHash(block).toString('hex')).to.equal(vector.hash);
    }
  });

  it('prev_block_hash is hashed as it is, whatever its length', () => {
    const block = blockFromJson(blocks[0]?.block_json ?? '');
    const { bytes = '' } = blocks[0] ?? {};
    for (const prevBlockHash of [Buffer.alloc(0), Buffer.from([7]), Buffer.alloc(100, 9)]) {
      const hex = blockBytes({ ...block, prevBlockHash }).toString('hex');
      expect(hex).to.equal(bytes.slice(0, 40) + prevBlockHash.toString('hex') + bytes.slice(40 + 64));
    }
  });

  it('The nonce stands where nonceOffset says, after a prev_block_hash of whatever length', () => {
    for (const length of [0, 1, 32, 33]) {
      const block = { ...blockFromJson(blocks[0]?.block_json ?? ''), prevBlockHash: Buffer.alloc(length, 1) };
      const bytes = blockBytes(block);
      bytes.writeBigUInt64LE(0x0102_0304_0506_0708n, nonceOffset(block));
      expect(bytes).to.deep.equal(blockBytes({ ...block, nonce: 0x0102_0304_0506_0708n }));
    }
  });
});
