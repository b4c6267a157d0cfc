import { expect } from 'chai';
import fc from 'fast-check';
import { Block } from '../../gen/hourcoin/v1/block.js';
import { MAX_U64 } from '../../src/engine/bytes.js';
import { Fault } from '../../src/engine/fault.js';
import { LIMITS } from '../../src/engine/limits.js';
import { checkAddress, checkMinerId, checkSubmission } from '../../src/wire/checks.js';
import { requestFromJson } from '../../src/wire/requests.js';
import { output } from '../support/blocks.js';
import { anyBlock } from '../support/random.js';
import { SUBMISSION_LIMITS, submission } from '../support/submissions.js';

describe('Limits', () => {
  it('are those of the protocol', () => {
    const { transactions, inputs, outputs, addressBytes, minerIdBytes, messageBytes } = LIMITS;
    expect({ transactions, inputs, outputs, addressBytes, minerIdBytes, messageBytes }).to.deep.equal({
      transactions: 1_000,
      inputs: 10_000,
      outputs: 10_000,
      addressBytes: 256,
      minerIdBytes: 256,
      messageBytes: 1_048_576,
    });
    expect(LIMITS.jsonDepth).to.be.at.least(256);
    expect(LIMITS.drainMs).to.be.at.most(1_000);
  });

  it('fit each other: a page of blocks fits an answer, a batch the queue, a block the batch', () => {
    const largest = LIMITS.messageBytes + 16 * (LIMITS.inputs + LIMITS.outputs) + 4 * LIMITS.transactions + 1_024;
    expect(LIMITS.pageBytes + largest).to.be.at.most(LIMITS.answerBytes);
    expect(LIMITS.batchInputs).to.be.at.most(LIMITS.queuedInputs);
    expect(LIMITS.inputs + LIMITS.outputs).to.be.at.most(LIMITS.batchOutputs);
    expect(LIMITS.defaultPageSize).to.be.at.most(LIMITS.pageSize);
    expect(LIMITS.messageBytes).to.be.at.most(LIMITS.unfinishedFrameBytes);
    expect(LIMITS.answerBytes).to.equal(4 * 1_048_576);
  });

  it('let every block that fits a JSON message fit an answer in protobuf', () => {
    // The shortest JSON there is, arrays for objects, against protobuf: what the first bound above counts on.
    fc.assert(
      fc.property(anyBlock(fc.bigInt({ min: 0n, max: MAX_U64 }), fc.constantFrom(0, 1e9, 1e300, 5e-324)), (block) => {
        const outputs = block.transactions.flatMap((transaction) => [...transaction.inputs, ...transaction.outputs]);
        const json = shortest(block);
        const { length } = Block.encode(block).finish();
        expect(length).to.be.at.most(json.length + 16 * outputs.length + 4 * block.transactions.length + 1_024);
        const read = requestFromJson(Buffer.from(`{"SubmitBlock":["m",${json}]}`));
        expect(read).to.deep.equal({ call: 'SubmitBlock', minerId: 'm', block });
      }),
    );
    const outputs = [output('a', 1, 9n), output('漢'.repeat(80), 1, MAX_U64)];
    for (const one of outputs) {
      const block = submission({ transactions: [{ inputs: Array(900).fill(one), outputs: [] }] }).block;
      const { length } = Block.encode(block).finish();
      expect(length).to.be.at.most(Buffer.byteLength(shortest(block)) + 16 * 900 + 4 + 1_024);
    }
  });

  describe('of a submission', () => {
    it('leave a small one alone', () => {
      const { minerId, block } = submission();
      checkSubmission(minerId, block);
      checkSubmission('', { ...block, transactions: [] });
    });

    for (const { what, limit, field, of } of SUBMISSION_LIMITS) {
      it(`take ${limit} ${what}`, () => {
        const { minerId, block } = of(limit);
        checkSubmission(minerId, block);
      });

      it(`refuse ${limit + 1} ${what}, and name the field`, () => {
        const { minerId, block } = of(limit + 1);
        expect(() => checkSubmission(minerId, block))
          .to.throw(Fault, `${limit}`)
          .that.includes({ reason: 'LIMIT_EXCEEDED', field });
      });
    }

    it('do not count inputs as outputs', () => {
      const many = Array(10_000).fill(output('a', 1, 0n));
      const { minerId, block } = submission({ transactions: [{ inputs: many, outputs: many }] });
      checkSubmission(minerId, block);
    });
  });

  it('of texts count UTF-8 bytes', () => {
    for (const [text, bytes] of [
      ['', 0],
      ['a'.repeat(256), 256],
      ['é'.repeat(128), 256],
      ['漢'.repeat(85), 255],
      ['😀'.repeat(64), 256],
    ] as const) {
      expect(Buffer.byteLength(text)).to.equal(bytes);
      checkMinerId(text);
      checkAddress(text, 'address');
    }
    for (const text of ['a'.repeat(257), 'é'.repeat(129), '漢'.repeat(86), '😀'.repeat(65)]) {
      expect(() => checkMinerId(text))
        .to.throw(Fault)
        .that.includes({
          reason: 'LIMIT_EXCEEDED',
          message: 'miner_id has at most 256 bytes',
          field: 'miner_id',
        });
      expect(() => checkAddress(text, 'address'))
        .to.throw(Fault)
        .that.includes({ field: 'address' });
    }
  });
});

/** A block in JSON, with arrays for objects and no more than must be there. */
function shortest({ index, timestamp, hash, prevBlockHash, nonce, transactions }: Block): string {
  const list = (outputs: Block['transactions'][number]['inputs']): string =>
    `[${outputs.map((one) => `[${JSON.stringify(one.toAddr)},${String(one.value).replace('+', '')},${one.timestamp}]`)}]`;
  const texts = transactions.map(({ inputs, outputs }) => `[${list(inputs)},${list(outputs)}]`);
  const hashes = `"${hash.toString('hex')}","${prevBlockHash.toString('hex')}"`;
  return `[${index},${timestamp},${hashes},${nonce},[${texts}]]`;
}
