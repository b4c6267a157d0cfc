/** MinerClient: a library's door to mining, over both wires. */

import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../../src/client/errors.js';
import { Fault } from '../../src/engine/fault.js';
import type { MinerEvent } from '../../src/miner/events.js';
import { MinerClient, NoBlockError } from '../../src/miner-client.js';
import type { ValidatorNode } from '../../src/validator/node.js';
import { cleanup } from '../support/cleanup.js';
import { Recorder } from '../support/recorder.js';
import { intercepted } from '../support/servers.js';
import { unusedAddress } from '../support/sockets.js';
import { systemNode } from '../support/system-node.js';
import { WIRES } from '../support/wires.js';

for (const { wire, serve, written } of WIRES) {
  describe(`MinerClient over ${wire}`, () => {
    const atEnd = cleanup();
    let node: ValidatorNode;
    let alice: MinerClient;
    let validator: string;

    beforeEach(async () => {
      node = await systemNode();
      atEnd(() => node.stop());
      const served = await serve(node);
      atEnd(served.close);
      validator = written(served.address);
      alice = clientOf('alice');
    });

    function clientOf(minerId: string, at = validator, timeout?: number): MinerClient {
      const client = new MinerClient({ minerId, validator: at, timeout });
      atEnd(() => client.close());
      return client;
    }

    it('asks for the round, its own lockout and the chain', async () => {
      expect(await alice.getRoundInfo()).to.deep.include({ round: 1n, nextIndex: 0 });
      expect(await alice.checkLockout()).to.deep.equal({ isLocked: false, secondsRemaining: 0n });
      expect((await alice.getBlockchainInfo()).blockCount).to.equal(0n);
      await alice.mineAndSubmit();
      expect((await alice.checkLockout()).isLocked).to.equal(true);
      expect((await clientOf('bob').checkLockout()).isLocked).to.equal(false);
      expect((await alice.getBlockchainInfo()).blockCount).to.equal(1n);
    });

    it('refuses ids and addresses that no validator takes, before anything is sent', async () => {
      for (const text of ['', 'é'.repeat(129)]) {
        expect(() => clientOf(text)).to.throw(RangeError, 'minerId has 1 to 256 bytes');
        for (const mine of [alice.mineAndSubmit({ rewardAddress: text }), alice.startMining({ rewardAddress: text })]) {
          expect(await mine.catch((error: unknown) => error)).to.be.instanceOf(RangeError);
        }
      }
      expect((await node.getRoundInfo('')).attemptedMiners).to.equal(0n);
    });

    it('refuses numbers of threads that are none', async () => {
      for (const threads of [0, 257, 1.5, Number.NaN]) {
        for (const mine of [alice.mineAndSubmit({ threads }), alice.startMining({ threads })]) {
          const error = await mine.catch((error: unknown) => error);
          expect(error, `${threads}`).to.be.instanceOf(RangeError);
        }
      }
      expect((await alice.mineAndSubmit({ threads: 256 })).result).to.equal(SubmitResult.ACCEPTED);
    });

    it('makes one block and submits it, whatever the verdict', async () => {
      const { block, result, message } = await alice.mineAndSubmit({ rewardAddress: 'purse' });
      expect(result).to.equal(SubmitResult.ACCEPTED);
      expect(message).to.equal('Block accepted! You are now in 1-hour lockout.');
      expect((await node.getBlock({ index: 0 })).block).to.deep.equal(block);
      expect((await node.getAddress('purse', { pageSize: 0, pageToken: '' })).balance).to.equal(2);
      const again = await alice.mineAndSubmit();
      expect(again.result).to.equal(SubmitResult.REJECTED_MINER_IN_LOCKOUT);
      expect(again.block.index).to.equal(1);
    });

    it('submits nothing where it is stopped before it has a block', async () => {
      const stop = new AbortController();
      const onEvent = ({ type }: MinerEvent): void => {
        if (type === 'no-timestamp') stop.abort();
      };
      const error = await alice.mineAndSubmit({ maxAttempts: 0, onEvent, signal: stop.signal }).catch((error) => error);
      expect(error).to.be.an.instanceOf(Fault).with.property('reason', 'CANCELLED');
      expect((await alice.getBlockchainInfo()).blockCount).to.equal(0n);
    });

    if (wire === 'gRPC') {
      it('throws a NoBlockError where a new round comes before the block is done, and submits nothing', async () => {
        const calls = intercepted(node, {
          getRoundInfo: async (...asked) => ({ ...(await node.getRoundInfo(...asked)), difficulty: '0x1' }),
        });
        const served = await serve(calls.validator);
        atEnd(served.close);
        const client = clientOf('alice', written(served.address));
        const onEvent = ({ type }: MinerEvent): void => {
          if (type === 'timestamp') void clientOf('rival').mineAndSubmit();
        };
        const error = await client.mineAndSubmit({ onEvent }).catch((error) => error);
        expect(error).to.be.an.instanceOf(NoBlockError).with.property('reason', 'NO_BLOCK');
        expect(calls.count('submitBlock')).to.equal(0);
      });
    }

    it('mines until it has its blocks', async () => {
      expect(await alice.startMining({ blocks: 1 })).to.equal(1);
      expect((await node.getMiner('alice')).blockCount).to.equal(1n);
    });

    it('mines until it is stopped', async () => {
      const stop = new AbortController();
      const events = new Recorder<MinerEvent>();
      const mining = alice.startMining({ signal: stop.signal, onEvent: events.observe });
      await events.next('lockout');
      stop.abort();
      expect(await mining).to.equal(1);
      expect((await alice.getRoundInfo()).nextIndex, 'and can be asked on').to.equal(1);
    });

    it('throws what a call throws', async () => {
      const nobody = clientOf('alice', written(await unusedAddress()), 2_000);
      for (const call of [nobody.getRoundInfo(), nobody.checkLockout(), nobody.mineAndSubmit()]) {
        expect(await call.catch((error) => error)).to.be.an.instanceOf(ConnectionError);
      }
      const signal = AbortSignal.abort();
      expect(await alice.getRoundInfo({ signal }).catch((error) => error)).to.be.an.instanceOf(Fault);
    });

    it('shares one connection and no more', async () => {
      const calls = intercepted(node);
      const served = await serve(calls.validator);
      const client = clientOf('alice', written(served.address));
      await Promise.all(Array.from({ length: 20 }, () => client.checkLockout()));
      expect(calls.count('checkLockout')).to.equal(20);
      client.close();
      await served.server.close(60_000);
    });
  });
}

describe('MinerClient', () => {
  for (const validator of ['', 'nowhere', '127.0.0.1', '127.0.0.1:0', 'http://127.0.0.1:8080', 'grpc://127.0.0.1']) {
    it(`refuses "${validator}": it is no address`, () => {
      expect(() => new MinerClient({ minerId: 'alice', validator })).to.throw(TypeError, 'is not an address');
    });
  }
});
