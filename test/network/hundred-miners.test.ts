/** A whole network on a fast clock: a hundred miners, fifty on each protocol, and one validator process. */

import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import { connectTo } from '../../src/client/connect.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { LOCKOUT_MS } from '../../src/engine/state.js';
import { MinerClient } from '../../src/miner-client.js';
import { cleanup } from '../support/cleanup.js';
import { end, hourcoin, startValidator, temporaryFolder } from '../support/programs.js';

const MINERS = 100;
const CLOCK_SPEED = 600;
const HOURS = 5n;

/** What a miner was told. */
interface Told {
  readonly id: string;
  /** Hashes of its blocks that were accepted, as hex. */
  readonly accepted: string[];
  /** The hash of a block that was submitted and not answered when the miner was stopped. */
  unanswered: string | undefined;
}

describe('A hundred miners on both protocols, for five hours of the validator’s clock', function () {
  this.timeout(120_000);
  const atEnd = cleanup();

  it('are accepted at most once an hour each, all get their turn, and every acknowledged block is on the chain once', async () => {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const args = ['--clock-speed', String(CLOCK_SPEED), '--log-level', 'warn'];
    const validator = await startValidator(folder.path, args);
    atEnd(() => end(validator, 'SIGKILL'));
    const reader = connectTo(validator.grpc, 30_000) as GrpcClient;
    atEnd(() => reader.close());
    expect(reader).to.be.instanceOf(GrpcClient);

    const stop = new AbortController();
    setMaxListeners(MINERS, stop.signal);
    const { serverTime: begun } = await reader.getRoundInfo('reader');
    const miners = Array.from({ length: MINERS }, (_, number) => {
      const address = number % 2 === 0 ? validator.jsonTcp : validator.grpc;
      return mine(`miner-${number}`, address, stop.signal, atEnd);
    });
    while ((await reader.getRoundInfo('reader')).serverTime < begun + HOURS * 3_600_000n) await sleep(250);
    stop.abort();
    const told = await Promise.all(miners);

    const chain = await readChain(reader);
    checkTurns(chain, told);
    checkAcknowledged(chain, told);

    let total = 0;
    for (const { id } of told) total += (await reader.getAddress(id, { pageSize: 1, pageToken: '' })).balance;
    expect(total, 'the balances add up to the coinbases').to.equal(2 * chain.length);

    expect(await end(validator)).to.equal(0);
    expect(await hourcoin(['verify', '--data', folder.path]).ended, 'the chain is sound').to.equal(0);
  });
});

/** Runs a miner until it is stopped. */
async function mine(
  id: string,
  validator: string,
  signal: AbortSignal,
  atEnd: (end: () => unknown) => void,
): Promise<Told> {
  const told: Told = { id, accepted: [], unanswered: undefined };
  const client = new MinerClient({ minerId: id, validator, timeout: 30_000 });
  atEnd(() => client.close());
  await client.startMining({
    signal,
    onEvent(event) {
      if (event.type === 'mined') told.unanswered = event.block.hash.toString('hex');
      if (event.type === 'rejected') told.unanswered = undefined;
      if (event.type !== 'accepted') return;
      told.unanswered = undefined;
      told.accepted.push(event.block.hash.toString('hex'));
    },
  });
  return told;
}

async function readChain(reader: GrpcClient): Promise<AcceptedBlock[]> {
  const blocks: AcceptedBlock[] = [];
  let pageToken = '';
  do {
    const page = await reader.listBlocks(0, { pageSize: 1_000, pageToken });
    blocks.push(...page.blocks);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  expect(blocks.map(({ block }) => block?.index)).to.deep.equal(blocks.map((_, index) => index));
  return blocks;
}

/** Every miner has had its turn, and none twice within an hour. */
function checkTurns(chain: readonly AcceptedBlock[], told: readonly Told[]): void {
  const last = new Map<string, bigint>();
  for (const { minerId, acceptedAt } of chain) {
    const before = last.get(minerId);
    if (before !== undefined) {
      expect(acceptedAt - before >= LOCKOUT_MS, `${minerId} was accepted at ${before} and at ${acceptedAt}`).to.equal(
        true,
      );
    }
    last.set(minerId, acceptedAt);
  }
  expect([...last.keys()].sort()).to.deep.equal(told.map(({ id }) => id).sort());
}

/** The chain holds what was acknowledged, once, and beyond it only what was on its way when the miners were stopped. */
function checkAcknowledged(chain: readonly AcceptedBlock[], told: readonly Told[]): void {
  const onChain = chain.map(({ block }) => String(block?.hash.toString('hex')));
  const acknowledged = told.flatMap(({ accepted }) => accepted);
  expect(new Set(onChain).size, 'no block is on the chain twice').to.equal(onChain.length);
  expect(new Set(acknowledged).size, 'no block was acknowledged twice').to.equal(acknowledged.length);
  const missing = acknowledged.filter((hash) => !onChain.includes(hash));
  expect(missing, 'acknowledged and not on the chain').to.deep.equal([]);
  const onTheirWay = told.map(({ unanswered }) => unanswered);
  const unknown = onChain.filter((hash) => !acknowledged.includes(hash) && !onTheirWay.includes(hash));
  expect(unknown, 'on the chain and never acknowledged').to.deep.equal([]);
}
