/** A hundred miners at once, half on each protocol, and one validator, for five hours of its clock. */

import { expect } from 'chai';
import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import type { GrpcClient } from '../../src/client/grpc.js';
import { MinerClient } from '../../src/miner-client.js';
import { EASY } from '../support/blocks.js';
import { overGrpc } from '../support/clients.js';
import { run } from '../support/ended.js';
import { end, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';
import { HOUR, present } from '../support/stores.js';

/** An hour of lockout is over in four and a half seconds. */
const CLOCK_SPEED = 800;

const NAMES = Array.from({ length: 100 }, (_, number) => `miner ${number}`);

describe('A hundred miners and a validator, for five hours of its clock', () => {
  const folder = temporaryFolder();
  let validator: RunningValidator;
  let client: GrpcClient;
  /** The blocks that each miner was told are accepted, by hash. */
  const told = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  let chain: AcceptedBlock[];
  /** The height when the five hours were over: of later blocks a miner that is stopped may not hear. */
  let height: number;

  before(async () => {
    validator = await startValidator(folder.path, [
      String(EASY),
      '--clock-speed',
      String(CLOCK_SPEED),
      '--log-level',
      'warn',
    ]);
    client = overGrpc(validator);
    const { roundStart } = await client.getRoundInfo('');

    const stops = NAMES.map(() => new AbortController());
    const miners = NAMES.map((minerId, number) => {
      return new MinerClient({ minerId, validator: number % 2 === 0 ? validator.jsonTcp : validator.grpc });
    });
    const mining = miners.map((miner, number) =>
      miner.startMining({
        signal: stops[number]?.signal,
        onEvent: (event) => {
          if (event.type === 'accepted') told.get(NAMES[number] as string)?.push(event.block.hash.toString('hex'));
        },
      }),
    );
    for await (const { serverTime, nextIndex } of client.watchRounds('')) {
      height = nextIndex;
      // A slow host is given three times as much again for everybody's turn.
      const hours = [...told.values()].every(({ length }) => length > 0) ? 5n : 20n;
      if (serverTime >= roundStart + hours * HOUR) break;
    }
    chain = await readChain();
    for await (const _ of client.watchBlocks(height)) if (allTold(chain.slice(0, height))) break;
    for (const stop of stops) stop.abort();
    await Promise.all(mining);
    for (const miner of miners) miner.close();
    // What the miners have left behind unanswered is judged when the validator has stopped.
    client.close();
    expect(await end(validator)).to.equal(0);
    validator = await startValidator(folder.path);
    client = overGrpc(validator);
    chain = await readChain();
  }).timeout(150_000);
  after(async () => {
    client.close();
    await end(validator, 'SIGKILL');
    folder.remove();
  });

  async function readChain(): Promise<AcceptedBlock[]> {
    const all: AcceptedBlock[] = [];
    let pageToken = '';
    do {
      const page = await client.listBlocks(0, { pageSize: 1_000, pageToken });
      all.push(...page.blocks);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return all;
  }

  function hashOf({ block }: AcceptedBlock): string {
    return present(block).hash.toString('hex');
  }

  function allTold(blocks: readonly AcceptedBlock[]): boolean {
    return blocks.every((one) => told.get(one.minerId)?.includes(hashOf(one)));
  }

  it('No miner is accepted twice within an hour', () => {
    for (const name of NAMES) {
      const times = chain.filter(({ minerId }) => minerId === name).map(({ acceptedAt }) => acceptedAt);
      for (const [at, time] of times.entries()) {
        if (at > 0) expect(time - (times[at - 1] as bigint) >= HOUR, `${name} at ${time}`).to.equal(true);
      }
    }
  });

  it('Every block that a miner was told is accepted stands in the chain, once and in its name', () => {
    const owners = new Map(chain.map((one) => [hashOf(one), one.minerId]));
    expect(owners.size).to.equal(chain.length);
    for (const [name, hashes] of told) {
      expect(new Set(hashes).size).to.equal(hashes.length);
      for (const hash of hashes) expect(owners.get(hash)).to.equal(name);
    }
  });

  it('Every miner was told of every block that it has there', () => {
    expect(allTold(chain.slice(0, height))).to.equal(true);
  });

  it('All get their turn, on both protocols', () => {
    const without = NAMES.filter((name) => told.get(name)?.length === 0);
    expect(without).to.deep.equal([]);
  });

  it('Each block was the only one of its round', () => {
    const rounds = chain.map(({ round }) => round);
    expect(rounds.every((round, at) => at === 0 || round > (rounds[at - 1] as bigint))).to.equal(true);
  });

  it('Balances add up to 2.0 for each block', async () => {
    const balances = await Promise.all(NAMES.map((name) => client.getAddress(name, { pageSize: 1, pageToken: '' })));
    for (const { address, balance } of balances) {
      expect(balance).to.equal(2 * chain.filter(({ minerId }) => minerId === address).length);
    }
    expect(balances.reduce((sum, { balance }) => sum + balance, 0)).to.equal(2 * chain.length);
  });

  it('The chain is sound', async () => {
    expect(await end(validator)).to.equal(0);
    const { code, stdout } = await run(['verify', '--data', folder.path]);
    expect(stdout).to.include(`Blocks replayed: ${chain.length}\n`);
    expect(code).to.equal(0);
  });
});
