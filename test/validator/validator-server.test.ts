/** ValidatorServer, the library's door: a whole validator, started and stopped within a process. */

import { expect } from 'chai';
import { SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { StartError } from '../../src/doors.js';
import { key, u32 } from '../../src/store/records.js';
import { StoreError } from '../../src/store/store.js';
import type { ValidatorEvent } from '../../src/validator/events.js';
import { type ValidatorOptions, ValidatorServer } from '../../src/validator-server.js';
import { formatAddress } from '../../src/wire/address.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { temporaryFolder } from '../support/programs.js';
import { listenRaw, RawClient, unusedAddress } from '../support/sockets.js';
import { madeFolder, tamper } from '../support/stores.js';

describe('ValidatorServer', () => {
  const later = cleanup();

  function newFolder(): string {
    const folder = temporaryFolder();
    later(folder.remove);
    return folder.path;
  }

  function server(options: ValidatorOptions): ValidatorServer {
    const made = new ValidatorServer({ address: '127.0.0.1:0', grpc: '127.0.0.1:0', difficulty: EASY, ...options });
    later(() => made.stop());
    return made;
  }

  async function failing(promise: Promise<unknown>): Promise<unknown> {
    return promise.then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  for (const [what, options, why] of [
    ['a difficulty of 0', { difficulty: 0n }, /difficulty is 1 to 2\^128/],
    ['a difficulty of 2^128', { difficulty: 1n << 128n }, /difficulty is 1 to 2\^128/],
    ['a clock speed of 0', { clockSpeed: 0 }, /clock speed is above 0/],
    ['a clock speed that is no number', { clockSpeed: Number.NaN }, /clock speed is above 0/],
    ['a clock speed above a million', { clockSpeed: 1_000_001 }, /clock speed is above 0/],
  ] as const) {
    it(`Refused before anything is done: ${what}`, () => {
      expect(() => new ValidatorServer(options)).to.throw(RangeError, why);
    });
  }

  it('Before it is started there is no chain and no validator', () => {
    const made = server({ data: newFolder() });
    expect(() => made.chain).to.throw('has not started');
    expect(() => made.validator).to.throw('has not started');
  });

  it('It serves, tells what happens, and stops as often as it is told to', async () => {
    const events: ValidatorEvent[] = [];
    const made = server({ data: newFolder(), timescale: 'utc', onEvent: (event) => events.push(event) });
    const { jsonTcp, grpc } = await made.start();
    expect(jsonTcp.port).to.be.greaterThan(0);
    expect(grpc?.port).to.be.greaterThan(0);
    expect(made.chain.parameters).to.include({ difficulty: EASY, timescale: Timescale.UTC });
    const block = winning(await made.validator.getRoundInfo('alice'), 'alice');
    expect((await made.validator.submitBlock('alice', block)).result).to.equal(SubmitResult.ACCEPTED);
    expect(events.map(({ type }) => type)).to.include.members(['request', 'submission', 'verdict', 'block', 'round']);
    for (let times = 0; times < 2; times++) await made.stop();
    expect(await failing(RawClient.connect(jsonTcp))).to.be.instanceOf(Error);
  });

  it('Without gRPC it listens at one port only', async () => {
    expect((await server({ data: newFolder(), grpc: 'off' }).start()).grpc).to.equal(undefined);
  });

  it('One that cannot start leaves nothing running: the ports and the data folder are free again', async () => {
    const data = newFolder();
    const taken = await listenRaw(() => {});
    later(() => taken.close());
    const free = formatAddress(await unusedAddress());
    const rows: [ValidatorOptions, RegExp][] = [
      [{ address: 'nowhere' }, /nowhere is not an address: write host:port/],
      [{ address: free, grpc: 'nowhere' }, /nowhere is not an address: write host:port/],
      [{ address: formatAddress(taken.address) }, /^Address already in use: 127\.0\.0\.1:\d+: /],
      [{ address: free, grpc: formatAddress(taken.address) }, /^Address already in use: 127\.0\.0\.1:\d+: /],
    ];
    for (const [options, why] of rows) {
      const error = await failing(server({ data, ...options }).start());
      expect(error).to.be.instanceOf(StartError);
      expect((error as Error).message).to.match(why);
    }
    await server({ data, address: free }).start();
  });

  it('A start that fails on a port begins no chain: what it was to be is not remembered', async () => {
    const data = newFolder();
    const taken = await listenRaw(() => {});
    later(() => taken.close());
    const mistyped = { data, difficulty: 7n, timescale: 'utc', clockSpeed: 600 } as const;
    const free = formatAddress(await unusedAddress());
    for (const ports of [
      { address: formatAddress(taken.address) },
      { address: free, grpc: formatAddress(taken.address) },
      { address: free, grpc: free },
      { address: free, grpc: 'nowhere' },
    ]) {
      expect(await failing(server({ ...mistyped, ...ports }).start())).to.be.instanceOf(StartError);
    }
    const made = server({ data });
    await made.start();
    expect(made.chain).to.deep.include({ clockSpeed: 1 });
    expect(made.chain.parameters).to.include({ difficulty: EASY, timescale: Timescale.TAI });
  });

  it('Started a second time it says so, and goes on', async () => {
    const made = server({ data: newFolder() });
    await made.start();
    expect(await failing(made.start())).to.be.instanceOf(StartError);
    expect((await made.validator.getBlockchainInfo()).blockCount).to.equal(0n);
  });

  it('What is no index or page size is MALFORMED, and does not end the validator', async () => {
    const made = server({ data: newFolder() });
    await made.start();
    const { validator } = made;
    const first = { pageSize: 1, pageToken: '' };
    for (const index of [-1, 0.5, Number.NaN, 2 ** 32]) {
      expect(await failing(validator.getBlock({ index }))).to.include({ reason: 'MALFORMED', field: 'index' });
      expect(await failing(validator.listBlocks(index, first))).to.include({
        reason: 'MALFORMED',
        field: 'from_index',
      });
      expect(await failing(validator.watchBlocks(index)[Symbol.asyncIterator]().next())).to.include({
        reason: 'MALFORMED',
        field: 'from_index',
      });
    }
    expect(await failing(validator.getAddress('a', { ...first, pageSize: -1 }))).to.include({ field: 'page_size' });
    expect((await validator.getBlockchainInfo()).blockCount).to.equal(0n);
  });

  it('A chain whose tip is gone does not start: what is damaged, and what to do', async () => {
    const { path, remove } = await madeFolder((chain) => chain.extend('alice'));
    later(remove);
    await tamper(path, (database) => database.removeSync(key('B', u32(0))));
    const error = await failing(server({ data: path }).start());
    expect(error).to.be.instanceOf(StoreError);
    expect((error as Error).message).to.equal(
      `the data in ${path} is damaged (block #0 is missing): hourcoin verify --data ${path} shows what can be saved; restore a backup, or start anew with another --data`,
    );
  });

  it('`failed` rejects when a damaged record is come upon, and says what to do', async () => {
    const { path, remove } = await madeFolder((chain) => {
      for (const name of ['alice', 'bob']) chain.extend(name);
    });
    later(remove);
    await tamper(path, (database) => database.putSync(key('B', u32(0)), Buffer.alloc(100)));
    const logged: string[] = [];
    const log = { debug() {}, info() {}, warn() {}, error: (text: string) => void logged.push(text) };
    const made = server({ data: path, log });
    await made.start();
    await failing(made.validator.getBlock({ index: 0 }));
    const failure = await failing(made.failed);
    expect(failure).to.be.instanceOf(StoreError);
    expect((failure as Error).message).to.equal(
      `the data in ${path} is damaged (record B:00000000 is damaged): hourcoin verify --data ${path} shows what can be saved; restore a backup, or start anew with another --data`,
    );
    expect(logged.join('\n')).to.match(/^The data could not be written or read: .*record B:00000000 is damaged$/);
  });
});
