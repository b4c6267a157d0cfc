import { expect } from 'chai';
import fc from 'fast-check';
import type { Output } from '../../gen/hourcoin/v1/block.js';
import { MAX_U128 } from '../../src/engine/bytes.js';
import { Fault } from '../../src/engine/fault.js';
import { blockToJson, type Request, requestFromJson, requestToJson } from '../../src/wire/requests.js';
import { anyJson, exact, type Json } from '../support/json-text.js';
import { heapBytesKept } from '../support/memory.js';
import { anyBlock, anyText } from '../support/random.js';
import { bitsOfDouble, vectors } from '../support/vectors.js';

interface Messages {
  readonly decode: ReadonlyArray<{ json: string; accepted: boolean; as_json: string }>;
  readonly hex: ReadonlyArray<{ hash: string; prev_block_hash: string; error: string | null }>;
  readonly read_doubles: ReadonlyArray<{ text: string; nearest_bits: string }>;
  readonly requests: ReadonlyArray<{ name: string; json: string }>;
}

const MESSAGES = vectors<Messages>('messages');

function read(text: string): Request {
  return requestFromJson(Buffer.from(text));
}

/** The fault that a text is answered with. */
function faultOf(text: string): Fault {
  try {
    read(text);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error(`was taken: ${text}`);
}

/** What the JSON of a request holds. */
function jsonOf(request: Request): Json {
  if (request.call === 'GetBlockchainInfo') return request.call;
  const { minerId } = request;
  if (request.call !== 'SubmitBlock') return { [request.call]: { miner_id: minerId } };
  const { index, timestamp, hash, prevBlockHash, nonce, transactions } = request.block;
  const block = {
    index: BigInt(index),
    timestamp,
    hash: hash.toString('hex'),
    prev_block_hash: prevBlockHash.toString('hex'),
    nonce,
    transactions: transactions.map(({ inputs, outputs }) => ({
      inputs: inputs.map(outputJson),
      outputs: outputs.map(outputJson),
    })),
  };
  return { SubmitBlock: { miner_id: minerId, block } };
}

function outputJson({ toAddr, value, timestamp }: Output): Json {
  return { to_addr: toAddr, value, timestamp };
}

/** A good submission's text, with one member's text replaced. */
function submission(
  parts: Partial<Record<'hash' | 'prev_block_hash' | 'nonce' | 'value' | 'after', string>> = {},
): string {
  const { hash = '"00"', prev_block_hash: prev = '"00"', nonce = '0', value = '2.0', after = '' } = parts;
  return (
    `{"SubmitBlock":{"miner_id":"m","block":{"index":0,"timestamp":1,"hash":${hash},"prev_block_hash":${prev},` +
    `"nonce":${nonce},"transactions":[{"inputs":[],"outputs":[{"to_addr":"a","value":${value},"timestamp":1}]}]}}}${after}`
  );
}

describe('Requests in JSON', () => {
  describe('as deployed programs decode them', () => {
    for (const { json, accepted, as_json: printed } of MESSAGES.decode) {
      const shown = json.length > 200 ? `${json.slice(0, 200)}…` : json;
      if (accepted)
        it(`takes ${JSON.stringify(shown)}`, () => expect(jsonOf(read(json))).to.deep.equal(exact(printed)));
      else it(`refuses ${JSON.stringify(shown)}`, () => expect(faultOf(json).reason).to.equal('MALFORMED'));
    }
  });

  describe('as deployed programs print them', () => {
    for (const { name, json } of MESSAGES.requests) {
      it(`reads ${name}, and prints the same: ${json.slice(0, 60)}`, () => {
        const request = read(json);
        expect(jsonOf(request)).to.deep.equal(exact(json));
        expect(exact(requestToJson(request))).to.deep.equal(exact(json));
      });
    }
  });

  it('print each call as the protocol has it', () => {
    expect(requestToJson({ call: 'GetRoundInfo', minerId: 'alice' })).to.equal('{"GetRoundInfo":{"miner_id":"alice"}}');
    expect(requestToJson({ call: 'CheckLockout', minerId: 'a"b' })).to.equal('{"CheckLockout":{"miner_id":"a\\"b"}}');
    expect(requestToJson({ call: 'GetBlockchainInfo' })).to.equal('"GetBlockchainInfo"');
    const text =
      '{"SubmitBlock":{"miner_id":"m","block":{"index":4294967295,"timestamp":340282366920938463463374607431768211455,' +
      '"hash":"ab","prev_block_hash":"","nonce":18446744073709551615,"transactions":[{"inputs":[],"outputs":[' +
      '{"to_addr":"é","value":2.0,"timestamp":5},{"to_addr":"","value":-0.0,"timestamp":0}]},{"inputs":[],"outputs":[]}]}}}';
    expect(requestToJson(read(text))).to.equal(text);
  });

  it('keep every block as it is: all bits of nonces, timestamps and doubles, any text, hashes of any length', () => {
    fc.assert(
      fc.property(anyText, anyBlock(fc.bigInt({ min: 0n, max: MAX_U128 })), (minerId, block) => {
        const request = { call: 'SubmitBlock', minerId, block } as const;
        const text = requestToJson(request);
        expect(read(text)).to.deep.equal(request);
        expect(exact(text)).to.deep.equal(jsonOf(request));
        expect(exact(blockToJson(block))).to.deep.equal(
          (jsonOf(request) as { SubmitBlock: { block: Json } }).SubmitBlock.block,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('keep any miner id, and the token beside it', () => {
    fc.assert(
      fc.property(
        anyText,
        fc.option(anyText),
        fc.constantFrom('GetRoundInfo', 'CheckLockout'),
        (minerId, token, call) => {
          const request = { call, minerId, ...(token === null ? {} : { apiKey: token }) } as const;
          expect(read(requestToJson(request))).to.deep.equal(request);
        },
      ),
    );
  });

  it('read the double that is nearest to what is written', () => {
    for (const { text, nearest_bits: bits } of MESSAGES.read_doubles) {
      const request = read(submission({ value: text })) as Extract<Request, { call: 'SubmitBlock' }>;
      expect(bitsOfDouble(request.block.transactions[0]?.outputs[0]?.value as number), text).to.equal(bits);
    }
  });

  it('answer hex that cannot be decoded in the deployed words', () => {
    for (const { hash, prev_block_hash: prev, error } of MESSAGES.hex) {
      const text = submission({ hash: JSON.stringify(hash), prev_block_hash: JSON.stringify(prev) });
      if (error === null) {
        const request = read(text) as Extract<Request, { call: 'SubmitBlock' }>;
        expect(request.block.hash.toString('hex')).to.equal(hash.toLowerCase());
        expect(request.block.prevBlockHash.toString('hex')).to.equal(prev.toLowerCase());
      } else expect(faultOf(text).message).to.equal(error);
    }
  });

  it('tell which hash is no hex, as the field of the fault too', () => {
    expect(faultOf(submission({ hash: '"0"', prev_block_hash: '"0"' })).field).to.equal('block.hash');
    expect(faultOf(submission({ prev_block_hash: '"0"' })).field).to.equal('block.prev_block_hash');
    expect(faultOf(submission({ hash: '"zz"', prev_block_hash: '"0"' })).message).to.equal(
      "Invalid block data: Invalid hash hex: Invalid character 'z' at position 0",
    );
  });

  it('are JSON as a whole before their hex is looked at', () => {
    for (const [parts, message] of [
      [{ after: ' x' }, /^Invalid request: text after the value/],
      [{ nonce: '-0' }, /^Invalid request: -0 is not an integer from 0 to 18446744073709551615, at character/],
      [{ value: '1e400' }, /^Invalid request: 1e400 is out of a double's range/],
    ] as const) {
      const fault = faultOf(submission({ ...parts, hash: '"z"' }));
      expect(fault.message).to.match(message);
      expect(fault.reason).to.equal('MALFORMED');
    }
  });

  it('tell in plain words what is expected', () => {
    const table: Readonly<Record<string, string>> = {
      '"GetRoundInfo"': 'Invalid request: GetRoundInfo needs a miner_id',
      '"CheckLockout"': 'Invalid request: CheckLockout needs a miner_id',
      '"SubmitBlock"': 'Invalid request: SubmitBlock needs a miner_id and a block',
      '{"GetBlockchainInfo":{}}': 'Invalid request: GetBlockchainInfo has no value',
      '{"SubmitBlock":{"miner_id":"m"}}': 'Invalid request: member block is missing, at character 31',
      '"Mine"':
        'Invalid request: unknown request: expected GetRoundInfo, SubmitBlock, CheckLockout or GetBlockchainInfo',
      '\ufeff"GetBlockchainInfo"': 'Invalid request: expected a message, at character 0',
    };
    for (const [text, message] of Object.entries(table)) expect(faultOf(text).message).to.equal(message);
    expect(() => requestFromJson(Buffer.from([0x22, 0xff, 0x22]))).to.throw(Fault, 'the text is not UTF-8');
  });

  it('that are any other JSON, or a request with a byte changed, are JSON and taken, or a fault', () => {
    const texts = MESSAGES.requests.map(({ json }) => Buffer.from(json));
    const anyChanged = fc
      .tuple(fc.constantFrom(...texts), fc.nat(), fc.nat(255))
      .map(([bytes, at, byte]) => Buffer.from(bytes).fill(byte, at % bytes.length, (at % bytes.length) + 1));
    fc.assert(
      fc.property(
        fc.oneof(
          anyJson.map(({ text }) => Buffer.from(text)),
          anyChanged,
        ),
        (bytes) => {
          let request: Request;
          try {
            request = requestFromJson(bytes);
          } catch (error) {
            expect(error).to.be.instanceOf(Fault).with.property('reason', 'MALFORMED');
            return;
          }
          JSON.parse(bytes.toString());
          expect(read(requestToJson(request))).to.deep.equal(request);
        },
      ),
      { numRuns: 4_000 },
    );
  });

  it('of which a miner id is kept are not kept with it, however long they are and in whatever characters', () => {
    const ids = ['a miner id that is kept', 'é'.repeat(128), 'escaped: \\u00e9 and more of it'];
    const requests = ids.flatMap((id) => [
      (miner: number) => `{"CheckLockout":{"miner_id":"${id} ${miner}"}}${' '.repeat(100_000)}`,
      (miner: number) => submission({ after: ' '.repeat(100_000) }).replace('"m"', `"${id} ${miner}"`),
    ]);
    const keep = (): string[] =>
      Array.from({ length: 300 }, (_, miner) => {
        const request = read((requests[miner % requests.length] as (typeof requests)[number])(miner));
        return request.call === 'GetBlockchainInfo' ? '' : request.minerId;
      });
    expect(heapBytesKept(keep)).to.be.below(300 * 1_000);
    expect(new Set(keep()).size).to.equal(300);
  });

  it('beyond the limits build no more than shows it', () => {
    const many = (count: number): string => Array(count).fill('["",0,0]').join();
    const transactions = (...outputs: string[]): string => outputs.map((each) => `[[${each}],[${each}]]`).join();
    const counts = (text: string): number[] => {
      const request = read(`{"SubmitBlock":["m",[0,0,"","",0,[${text}]]]}`);
      if (request.call !== 'SubmitBlock') throw new Error('it is another request');
      const { transactions } = request.block;
      const total = (of: 'inputs' | 'outputs'): number => transactions.reduce((sum, each) => sum + each[of].length, 0);
      return [transactions.length, total('inputs'), total('outputs')];
    };
    expect(counts(transactions(many(10_000)))).to.deep.equal([1, 10_000, 10_000]);
    expect(counts(transactions(many(20_000)))).to.deep.equal([1, 10_001, 10_001]);
    expect(counts(transactions(...Array(10).fill(many(2_000))))).to.deep.equal([10, 10_001, 10_001]);
    expect(counts(transactions(...Array(1_000).fill('')))).to.deep.equal([1_000, 0, 0]);
    expect(counts(transactions(...Array(5_000).fill('')))).to.deep.equal([1_001, 0, 0]);
    // The rest is still JSON, or nothing is taken at all.
    expect(faultOf(`{"SubmitBlock":["m",[0,0,"","",0,[[[${many(10_001)},x],[]]]]]}`).reason).to.equal('MALFORMED');
  });
});
