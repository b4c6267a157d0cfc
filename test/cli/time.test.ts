/** `hourcoin time`, and a validator that goes by outside time: the real programs, and servers of time of the test's own. */

import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { Fault } from '../../src/engine/fault.js';
import { splitSources } from '../../src/time/source-spec.js';
import { formatAddress } from '../../src/wire/address.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc, overJsonTcp } from '../support/clients.js';
import { deployedValidator } from '../support/deployed-validator.js';
import { type Ended, expectRefusal, run } from '../support/ended.js';
import { memoryNode } from '../support/nodes.js';
import { end, hourcoin, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';
import { RawClient } from '../support/sockets.js';
import { httpServer, type NtpWords, ntpServer, type TimeServer, worldTime } from '../support/time-servers.js';
import { until } from '../support/wait.js';

/** Runs `hourcoin time` with what a test gives it, and nothing from the environment. */
function time(...args: string[]): Promise<Ended> {
  return run(['time', ...args], { HOURCOIN_TIME_SOURCE: '' });
}

describe('hourcoin time', () => {
  const atEnd = cleanup();

  async function running(...args: string[]): Promise<RunningValidator> {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const validator = await startValidator(folder.path, args);
    atEnd(() => end(validator, 'SIGKILL'));
    return validator;
  }

  it('holds this host against sources of both kinds, one of which lies and one of which is not there', async () => {
    const good = [await ntpServer(atEnd), await httpServer(atEnd, (_, response) => response.end(worldTime()))];
    const liar = await ntpServer(atEnd, () => ({ ahead: 3_600_000 }));
    const all = [...good, liar].map(({ source }) => source).join(',');
    const { code, stdout, stderr } = await time('--time-source', `${all},ntp:nowhere.invalid`);
    expect([code, stderr]).to.deep.equal([0, '']);
    const measured = String.raw`this host is \d+\.\d ms (ahead of|behind) it ± \d+\.\d ms, round trip \d+\.\d ms`;
    for (const { source } of good)
      expect(stdout).to.match(new RegExp(`^Source:    ${source}: ${measured}, agrees$`, 'm'));
    expect(stdout).to.match(
      new RegExp(`^Source:    ${liar.source}: this host is 3[56]\\d+\\.\\d ms behind it .*, differs$`, 'm'),
    );
    expect(stdout).to.match(/^Source: {4}ntp:nowhere\.invalid: its name cannot be looked up: E/m);
    expect(stdout).to.match(/^Sources: {3}this host is \d+\.\d ms (ahead of|behind) it ± \d+\.\d ms$/m);
    expect(stdout).to.include(
      "a block made now by this host's clock is in the window of a validator whose clock is right",
    );
  });

  for (const [what, ahead, offset] of [
    ['ahead of', -10_000, String.raw`(9[5-9]|10[0-4])\d\d\.\d`],
    ['behind', 400_000, String.raw`(3999|400[0-4])\d\d\.\d`],
  ] as const) {
    it(`says where this host is too far ${what} the sources: exit code 1`, async () => {
      const { source } = await ntpServer(atEnd, () => ({ ahead }));
      const { code, stdout, stderr } = await time('--time-source', source);
      expect(code).to.equal(1);
      expect(stdout).to.match(new RegExp(`^Sources: +this host is ${offset} ms ${what} it `, 'm'));
      expect(stdout).to.include('outside the window of a validator whose clock is right');
      expect(stderr).to.equal("error: a block made now by this host's clock would be refused\n");
    });
  }

  it('says where no source can be trusted: exit code 1', async () => {
    const { source } = await ntpServer(atEnd, () => ({ leap: 3 }));
    const { code, stdout, stderr } = await time('--time-source', source);
    expect(code).to.equal(1);
    expect(stdout).to.include(
      `Source:    ${source}: its own clock is not synchronized\nSources:   none can be trusted\n`,
    );
    expect(stderr).to.equal('error: what the right time is cannot be told\n');
  });

  it('says by how much the sources differ from each other where none can be trusted', async () => {
    const [one, other] = [await ntpServer(atEnd), await ntpServer(atEnd, () => ({ ahead: 60_000 }))];
    const { code, stdout } = await time('--time-source', `${one.source},${other.source}`);
    expect(code).to.equal(1);
    expect(stdout).to.match(/^Sources: {3}none can be trusted: they differ from each other by (599|600)\d\d\.\d ms$/m);
  });

  it('takes as many sources as a validator does, without a warning, and no more', async () => {
    const { source } = await ntpServer(atEnd);
    const { code, stderr } = await time('--time-source', new Array(16).fill(source).join());
    expect([code, stderr]).to.deep.equal([0, '']);
    expectRefusal(await time('--time-source', new Array(17).fill(source).join()), 2, 'give at most 16 sources');
  });

  it('holds this host against a validator, over either protocol', async () => {
    const validator = await running();
    for (const address of [validator.jsonTcp, validator.grpc]) {
      const { code, stdout, stderr } = await time(address, '--time-source', 'system');
      expect([code, stderr]).to.deep.equal([0, '']);
      const line = `Validator: ${address} (tai): this host is `;
      expect(stdout).to.include(line);
      expect(stdout).to.include(
        "a block made now by this host's clock is in the window of that validator: 300000 ms behind",
      );
      expect(stdout).not.to.include('Source');
    }
  });

  it("says whose clock is wrong: this host's is right, and the validator's is not", async () => {
    const source = await ntpServer(atEnd, () => ({ ahead: -10_000 }));
    const validator = await running('--time-source', source.source);
    const right = await ntpServer(atEnd);
    const { code, stdout, stderr } = await time(validator.jsonTcp, '--time-source', right.source);
    expect(code).to.equal(1);
    expect(stdout).to.match(/^ {11}it is (9[89]|100)\d\d\.\d ms behind the sources ± /m);
    expect(stderr).to.equal("error: a block made now by this host's clock would be refused\n");
  });

  it('tells the same in JSON', async () => {
    const { source } = await ntpServer(atEnd);
    const validator = await running();
    const { code, stdout } = await time(validator.grpc, '--time-source', source, '--json');
    expect(code).to.equal(0);
    const found = JSON.parse(stdout);
    expect(found).to.deep.include({ in_window: true, good: true });
    expect(found.sources[0]).to.include({ name: source, state: 'agrees', error: null });
    expect(found.sources[0].offset_ms).to.be.a('number');
    expect(found.agreed).to.have.all.keys('offset_ms', 'uncertainty_ms');
    expect(found.validator).to.include({ address: validator.grpc, timescale: 'tai', clock_speed: 1 });
    expect(found.validator.round_trip_ms).to.be.above(0);
  });

  it('a validator whose clock runs at a speed of its own is not held against', async () => {
    const validator = await running('--clock-speed', '20');
    const { code, stdout } = await time(validator.jsonTcp, '--time-source', 'system');
    expect(stdout).to.include('its clock runs 20 times as fast as real time: miners go by it');
    expect(code).to.equal(0);
  });

  it('nor is one that does not tell its time', async () => {
    const { node } = await memoryNode();
    atEnd(() => node.stop());
    const deployed = await deployedValidator(node);
    atEnd(deployed.close);
    const { code, stdout } = await time(formatAddress(deployed.address), '--time-source', 'system');
    expect(stdout).to.include('it does not tell its time');
    expect(code).to.equal(0);
  });

  for (const source of ['nonsense', 'ntp:', 'ntp:a:b', 'ftp://a', 'ntp:a,,b']) {
    it(`--time-source ${source}: exit code 2, and says how to write it`, async () => {
      expectRefusal(await time('--time-source', source), 2, 'Write system, ntp:HOST[:PORT], http://… or https://….');
    });
  }

  it('takes several sources after commas: hosts, URLs, and those with commas in them', () => {
    expect(splitSources('ntp:a,b:124,http://c/?x=1,2,https://d,ntp:[::1]')).to.deep.equal([
      'ntp:a',
      'ntp:b:124',
      'http://c/?x=1,2',
      'https://d',
      'ntp:[::1]',
    ]);
  });
});

describe('hourcoin validator --time-source', () => {
  const atEnd = cleanup();

  async function running(sources: readonly TimeServer[], ...args: string[]): Promise<RunningValidator> {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const given = sources.flatMap(({ source }) => ['--time-source', source]);
    const validator = await startValidator(folder.path, [...given, ...args]);
    atEnd(() => end(validator, 'SIGKILL'));
    return validator;
  }

  function server(words: NtpWords | undefined = {}): Promise<TimeServer> {
    return ntpServer(atEnd, () => words);
  }

  /** What a validator has logged. */
  function logged({ stderr }: RunningValidator): string {
    return stderr();
  }

  it('goes by the sources, leaves out the one that lies, and says so', async () => {
    const liar = await server({ ahead: 3_600_000 });
    const validator = await running([await server({ ahead: 10_000 }), await server({ ahead: 10_000 }), liar]);
    expect(validator.stdout()).to.match(/^ {2}Time: ntp:\S+, ntp:\S+, ntp:\S+$/m);
    const client = overGrpc(validator);
    atEnd(() => client.close());
    const { serverTime } = await client.getRoundInfo('alice');
    expect(Number(serverTime) - 37_000 - Date.now()).to.be.closeTo(10_000, 500);
    await until(() => logged(validator).includes(`${liar.source} is left out`), 'the liar is named');
    expect(logged(validator)).to.match(
      /The time is that of ntp:\S+, ntp:\S+, ± 0\.\d{3} s: the system's clock is \d+\.\d{3} s behind it/,
    );
    const block = winning(await client.getRoundInfo('alice'), 'alice');
    expect((await client.submitBlock('alice', block)).result).to.equal(SubmitResult.ACCEPTED);
    expect(await end(validator)).to.equal(0);
  });

  it('Ctrl-C while it waits for them: it has not begun, says nothing of listening, exit code 0', async () => {
    const silent = await ntpServer(atEnd, () => undefined);
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const args = ['127.0.0.1:0', '--grpc', 'off', '--data', folder.path, '--time-source', silent.source];
    const validator = hourcoin(['validator', ...args]);
    atEnd(() => end(validator, 'SIGKILL'));
    await until(() => silent.asked() > 0, 'it waits');
    expect(await end(validator, 'SIGINT')).to.equal(0);
    expect(validator.stdout()).to.equal('');
  });

  it('goes by the system where no source can be trusted, says so, and takes submissions', async () => {
    const validator = await running([await server({ leap: 3 })]);
    expect(logged(validator)).to.match(/The time source ntp:\S+ has not answered: its own clock is not synchronized/);
    expect(logged(validator)).to.include("No time source can be trusted: going by the system's clock");
    const client = overJsonTcp(validator);
    atEnd(() => client.close());
    const block = winning(await client.getRoundInfo('alice'), 'alice');
    expect((await client.submitBlock('alice', block)).result).to.equal(SubmitResult.ACCEPTED);
  });

  it('--require-time: takes no submissions until a source can be trusted; then the same block is taken, as nothing was used up', async () => {
    let words: NtpWords = { leap: 3 };
    const source = await ntpServer(atEnd, () => words);
    const validator = await running([source], '--require-time');
    expect(logged(validator)).to.include('No time source can be trusted: no submissions are taken');
    const [grpc, jsonTcp] = [overGrpc(validator), overJsonTcp(validator)];
    atEnd(() => grpc.close());
    atEnd(() => jsonTcp.close());
    const block = winning(await grpc.getRoundInfo('alice'), 'alice');
    const why = 'the validator does not know the time: none of its time sources can be trusted';
    const refused = await grpc.submitBlock('alice', block).catch((error) => error);
    expect(refused).to.be.instanceOf(Fault);
    expect(refused).to.include({ reason: 'UNAVAILABLE', message: why });
    const overWire = await jsonTcp.submitBlock('alice', block).catch((error) => error);
    expect(overWire).to.include({ reason: 'UNAVAILABLE', message: `Not taken: ${why}` });
    expect((await jsonTcp.getRoundInfo('alice')).attemptedMiners).to.equal(0n);
    words = {};
    await until(() => logged(validator).includes('The time is that of'), 'the source is trusted');
    expect((await grpc.submitBlock('alice', block)).result).to.equal(SubmitResult.ACCEPTED);
  });

  it('--time-tolerance: a source that is less exact than that is left out', async () => {
    const source = await server({ rootDispersion: 100 });
    expect(logged(await running([source]))).to.include('The time is that of');
    expect(logged(await running([source], '--time-tolerance', '50'))).to.match(
      /is left out: it may be wrong by 0\.1\d\d s/,
    );
  });

  it('says that a leap second is announced which it does not know', async () => {
    expect(logged(await running([await server({ leap: 1 })]))).to.include(
      'A leap second is announced that this program',
    );
  });

  it('a miner is not disturbed by a clock of its own that is wrong: it goes by the validator’s', async () => {
    const validator = await running([await server({ ahead: -10_000 })]);
    const { code, stdout } = await run(['miner', 'alice', validator.grpc, '--blocks', '1']);
    expect(stdout).to.match(/⚠ This host's clock is \d+(\.\d+)? s ahead of the validator's/);
    expect(stdout).to.include('✓ Block accepted!');
    expect(code).to.equal(0);
  });

  it('JSON/TCP refuses in the words that a deployed miner waits after', async () => {
    const validator = await running([await server({ leap: 3 })], '--require-time');
    const raw = await RawClient.connect({ host: '127.0.0.1', port: Number(validator.jsonTcp.split(':')[1]) });
    atEnd(() => raw.socket.destroy());
    const block = `{"index":0,"timestamp":1,"hash":"00","prev_block_hash":"${'00'.repeat(32)}","nonce":0,"transactions":[]}`;
    const answer = await raw.ask(`{"SubmitBlock":{"miner_id":"bob","block":${block}}}`);
    expect(JSON.parse(answer).BlockResult).to.deep.equal({
      result: 'RejectedBlockchainValidation',
      message: 'Not taken: the validator does not know the time: none of its time sources can be trusted',
    });
  });

  for (const { what, args, why } of [
    {
      what: 'with a clock of a speed of its own',
      args: ['--time-source', 'ntp:a', '--clock-speed', '20'],
      why: 'cannot go by outside time: leave --time-source out',
    },
    { what: '--require-time without a source', args: ['--require-time'], why: 'name some with --time-source' },
    {
      what: 'the system among others',
      args: ['--time-source', 'system,ntp:a'],
      why: 'the system is no source among others',
    },
  ]) {
    it(`${what}: does not start, and says why`, async () => {
      const folder = temporaryFolder();
      atEnd(folder.remove);
      const where = ['validator', '127.0.0.1:0', '--grpc', 'off', '--data', folder.path];
      expectRefusal(await run([...where, ...args]), 1, why);
    });
  }
});
