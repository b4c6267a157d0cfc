/** What the fuzzers send: the same for the same seed, so that a failure can be repeated. */

import { expect } from 'chai';
import { LIMITS } from '../../src/engine/limits.js';
import { chooser } from '../support/seeded.js';
import { brokenJson } from './mutate-json.js';
import { brokenProtobuf } from './mutate-protobuf.js';

const TEXTS = ['"GetBlockchainInfo"', '{"CheckLockout":{"miner_id":"alice"}}', '{"GetRoundInfo":{"miner_id":"bob"}}'];

/** A miner id and a block with an index, and what is no message. */
const MESSAGES = [Buffer.from('0a05616c69636512020805', 'hex'), Buffer.of(0xff)];

const FUZZERS = {
  JSON: (seed: number) => brokenJson(TEXTS, chooser(seed)),
  protobuf: (seed: number) => brokenProtobuf(MESSAGES, chooser(seed)),
};

const SEEDS = [...Array(2_000).keys()];

for (const [kind, broken] of Object.entries(FUZZERS)) {
  describe(`A fuzzer of ${kind}`, () => {
    it('makes the same message of the same seed', () => {
      for (const seed of SEEDS) expect(broken(seed)).to.deep.equal(broken(seed));
    });

    it('makes many different ones, of which each fits a message', () => {
      const made = SEEDS.map(broken);
      expect(new Set(made.map((bytes) => bytes.toString('latin1'))).size).to.be.above(SEEDS.length / 4);
      for (const { length } of made) expect(length).to.be.at.most(LIMITS.messageBytes);
    });
  });
}

it('A fuzzer of JSON makes no empty message, as no frame may be', () => {
  for (const seed of SEEDS) expect(FUZZERS.JSON(seed)).to.not.have.length(0);
});
