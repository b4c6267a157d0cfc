/** A validator seen from outside: metrics, probes, logs without secrets, and how all of them follow its stop. Through the program. */

import { once } from 'node:events';
import { connect } from 'node:http2';
import { expect } from 'chai';
import { createChannel, createClient } from 'nice-grpc';
import { HealthDefinition } from 'nice-grpc-server-health';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { formatAddress } from '../../src/wire/address.js';
import { requestToJson } from '../../src/wire/requests.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { grpcAddress, jsonTcpAddress, overGrpc, overJsonTcp } from '../support/clients.js';
import { expectRefusal, run } from '../support/ended.js';
import {
  end,
  hourcoin,
  MAIN,
  type RunningValidator,
  start,
  startValidator,
  temporaryFolder,
} from '../support/programs.js';
import { page, Scrape } from '../support/scrapes.js';
import { RawClient, unusedAddress } from '../support/sockets.js';
import { ntpServer } from '../support/time-servers.js';
import { until } from '../support/wait.js';

/** A key's token, as a miner could give it away. */
const TOKEN = `hck_${'Ab3-_'.repeat(9).slice(0, 43)}`;

/** Of grpc.health.v1. */
const [SERVING, NOT_SERVING] = [1, 2];

interface Watched extends RunningValidator {
  readonly http: string;
}

describe('hourcoin validator --http', function () {
  // Programs are started: on a busy machine that takes its time.
  this.timeout(60_000);
  const later = cleanup();

  function newFolder(): string {
    const { path, remove } = temporaryFolder();
    later(remove);
    return path;
  }

  async function started(args: readonly string[] = [], data = newFolder()): Promise<Watched> {
    const validator = await startValidator(data, ['--http', '127.0.0.1:0', ...args]);
    later(() => end(validator, 'SIGKILL'));
    const [, http] = await validator.printed(/^HTTP listening on (\S+)$/m);
    return { ...validator, http: String(http) };
  }

  /** Asks again until a page answers with a status. */
  async function answers(http: string, path: string, status: number): Promise<string> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const answer = await page(http, path).catch(() => undefined);
      if (answer?.status === status) return answer.text;
      if (performance.now() > deadline) throw new Error(`${path} never answered ${status}`);
    }
  }

  /** Reads metrics again until they are as they must be: they may be half a second old. */
  async function metrics(validator: Watched, isSo: (values: Scrape['values']) => boolean): Promise<Scrape> {
    const deadline = performance.now() + 10_000;
    for (;;) {
      const scrape = await Scrape.of(validator.http);
      if (isSo(scrape.values)) return scrape;
      if (performance.now() > deadline) throw new Error('the metrics never became what they must be');
    }
  }

  /** Holds a validator's stop up, until the grace is over or this is ended: a call whose request never ends. */
  async function heldUp({ grpc }: RunningValidator): Promise<{ end(): void }> {
    const session = connect(grpc.replace('grpc:', 'http:'));
    session.on('error', () => {});
    later(() => session.destroy());
    const headers = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
    const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
    const held = session.request({ ...headers, ':path': path });
    held.on('error', () => {});
    // An empty request, which is answered: the stream has begun.
    held.write(Buffer.alloc(5));
    await once(held, 'data');
    return held;
  }

  it('counts requests, verdicts, connections and blocks, and tells how the chain stands', async () => {
    const validator = await started();
    const before = await Scrape.of(validator.http);
    expect(before.values.get('hourcoin_chain_height')).to.equal(0);
    const [jsonTcp, grpc] = [overJsonTcp(validator), overGrpc(validator)];
    later(() => [jsonTcp.close(), grpc.close()]);
    const round = await jsonTcp.getRoundInfo('alice');
    const block = winning(round, 'alice');
    expect((await grpc.submitBlock('alice', block)).result).to.equal(SubmitResult.ACCEPTED);
    const failing = { ...winning(await grpc.getRoundInfo('bob'), 'bob'), hash: Buffer.alloc(32) };
    expect((await jsonTcp.submitBlock('bob', failing)).result).to.equal(SubmitResult.REJECTED_INVALID_HASH);
    await jsonTcp.submitBlock('alice', winning(await jsonTcp.getRoundInfo('alice'), 'alice'));
    await grpc.getBlock({ index: 7 }).catch(() => {});
    const raw = await RawClient.connect(jsonTcpAddress(validator));
    later(() => raw.destroy());
    await raw.ask('{"Nonsense":{}}');
    for (const length of [0, 2 ** 32 - 1]) {
      const broken = await RawClient.connect(jsonTcpAddress(validator));
      later(() => broken.destroy());
      const header = Buffer.alloc(4);
      header.writeUInt32BE(length);
      await broken.send(header);
      await broken.answers();
      broken.destroy();
    }
    const stream = grpc.watchRounds('w')[Symbol.asyncIterator]();
    await stream.next();

    const { values } = await metrics(
      validator,
      (values) => values.get('hourcoin_streams') === 1 && values.get('hourcoin_connections{protocol="json-tcp"}') === 2,
    );
    const told = (name: string): number | undefined => values.get(`hourcoin_${name}`);
    for (const [name, value] of [
      ['requests_total{protocol="json-tcp",call="GetRoundInfo",result="OK"}', 2],
      ['requests_total{protocol="json-tcp",call="SubmitBlock",result="OK"}', 2],
      ['requests_total{protocol="json-tcp",call="unknown",result="MALFORMED"}', 2],
      ['requests_total{protocol="json-tcp",call="unknown",result="LIMIT_EXCEEDED"}', 1],
      ['requests_total{protocol="grpc",call="SubmitBlock",result="OK"}', 1],
      ['requests_total{protocol="grpc",call="GetBlock",result="NOT_FOUND"}', 1],
      ['request_seconds_count{protocol="json-tcp",call="SubmitBlock"}', 2],
      ['request_seconds_count{protocol="grpc",call="SubmitBlock"}', 1],
      ['verdicts_total{result="Accepted"}', 1],
      ['verdicts_total{result="RejectedInvalidHash"}', 1],
      ['verdicts_total{result="RejectedMinerInLockout"}', 1],
      ['connections{protocol="json-tcp"}', 2],
      ['connections{protocol="grpc"}', 1],
      ['connections_total{protocol="json-tcp"}', 4],
      ['connections_limit', 10_000],
      ['queue_length', 0],
      ['chain_height', 1],
      ['round', 2],
      ['round_attempts', 1],
      ['lockouts', 1],
      ['ready', 1],
      ['clock_trusted', 1],
      ['leap_seconds_expire_timestamp_seconds', Date.parse('2027-06-28') / 1_000],
    ] as const) {
      expect(told(name), name).to.equal(value);
    }
    expect(told('commit_seconds_count')).to.be.at.least(2);
    expect(told('commit_seconds_bucket{le="+Inf"}')).to.equal(told('commit_seconds_count'));
    expect(told('tip_age_seconds')).to.be.within(-1, 60);
    expect(told('round_age_seconds')).to.be.within(0, 60);
    expect(told('data_bytes')).to.be.greaterThan(4_096);
    expect(told('data_free_bytes')).to.be.greaterThan(0);
    expect([...values.keys()].filter((name) => name.startsWith('hourcoin_build_info{version="'))).to.have.length(1);
    expect(values.get('process_cpu_seconds_total')).to.be.greaterThan(0);

    await stream.return?.(undefined);
    raw.destroy();
    const after = await metrics(validator, (values) => values.get('hourcoin_connections{protocol="json-tcp"}') === 1);
    expect(after.values.get('hourcoin_connections_total{protocol="json-tcp"}')).to.equal(4);
  });

  it('counts who is turned away at the door and who is slowed down, and nothing that a client says becomes a name', async () => {
    const args = ['--limit-loopback', '--max-connections-per-ip', '1', '--max-requests-per-miner', '1'];
    const validator = await started(args);
    const client = await RawClient.connect(jsonTcpAddress(validator));
    later(() => client.destroy());
    const second = await RawClient.connect(jsonTcpAddress(validator));
    await until(() => second.ended, 'it is closed');
    second.destroy();
    for (let times = 0; times < 2; times++) await client.ask('{"CheckLockout":{"miner_id":"mallory\\"}"}}');
    const { values } = await metrics(
      validator,
      (values) => values.get('hourcoin_slowed_requests_total{by="miner"}') === 1,
    );
    expect(values.get('hourcoin_refused_connections_total{reason="connections_from_address"}')).to.equal(1);
    expect([...values.keys()].filter((name) => name.includes('mallory'))).to.deep.equal([]);
  });

  it('is ready once it serves; /livez says that it lives, also before', async () => {
    const http = formatAddress(await unusedAddress());
    const before: unknown[] = [];
    // It waits for the time: what it says until then is asked for before it is told.
    const server = await ntpServer(later, async () => {
      before.push(await page(http, '/readyz'), await page(http, '/livez'));
      before.push((await Scrape.of(http)).values.get('hourcoin_ready'));
      return {};
    });
    const where = ['127.0.0.1:0', '--grpc', 'off', '--data', newFolder(), '--http', http];
    const program = hourcoin(['validator', ...where, '--time-source', server.source]);
    later(() => end(program, 'SIGKILL'));
    await program.printed(/^Waiting for miner connections\.\.\.$/m);
    expect(await page(http, '/readyz')).to.deep.equal({ status: 200, text: 'ready\n' });
    expect(before.slice(0, 3)).to.deep.equal([
      { status: 503, text: 'not ready: starting\n' },
      { status: 200, text: 'live\n' },
      0,
    ]);
  });

  it('with --require-time it is ready while its time can be relied on, and metrics tell how that stands', async () => {
    let isSilent = true;
    const server = await ntpServer(later, () => (isSilent ? undefined : {}));
    const validator = await started(['--time-source', server.source, '--require-time']);
    expect(await answers(validator.http, '/readyz', 503)).to.match(/^not ready: the validator does not know the time/);
    const before = (await Scrape.of(validator.http)).values;
    expect(before.get('hourcoin_clock_trusted')).to.equal(0);
    expect(before.get('hourcoin_time_sources{state="silent"}')).to.equal(1);
    expect(await healthOf(validator)).to.equal(NOT_SERVING);

    isSilent = false;
    expect(await answers(validator.http, '/readyz', 200)).to.equal('ready\n');
    const { values } = await metrics(validator, (values) => values.get('hourcoin_clock_trusted') === 1);
    expect(values.get('hourcoin_time_sources{state="agrees"}')).to.equal(1);
    for (const name of ['clock_offset', 'system_clock_offset', 'clock_uncertainty']) {
      expect(values.get(`hourcoin_${name}_seconds`), name).to.be.within(-0.25, 0.25);
    }
    await until(() => validator.stderr().includes('"Ready again"'), 'it is ready again');
    expect(await healthOf(validator)).to.equal(SERVING);
  });

  it('stops being ready first: /readyz and health checks say so while what was begun is ended, then all is closed', async () => {
    const validator = await started(['--grace', '60000']);
    const held = await heldUp(validator);
    const channel = createChannel(formatAddress(grpcAddress(validator)));
    later(() => channel.close());
    const health: number[] = [];
    const watched = (async () => {
      for await (const { status } of createClient(HealthDefinition, channel).watch({
        service: 'hourcoin.v1.ValidatorService',
      })) {
        health.push(status);
        if (health.length === 1) validator.process.kill('SIGTERM');
      }
    })();
    await watched;
    expect(health).to.deep.equal([SERVING, NOT_SERVING]);
    expect(await answers(validator.http, '/readyz', 503)).to.equal('not ready: stopping\n');
    expect(await page(validator.http, '/livez')).to.deep.equal({ status: 200, text: 'live\n' });
    const refused = await RawClient.connect(jsonTcpAddress(validator)).catch((error: Error) => error);
    expect(refused).to.be.instanceOf(Error);
    held.end();
    expect(await validator.ended).to.equal(0);
  });

  it('is not ready once its store has failed, and says why', async () => {
    // The system lets no file grow beyond some dozens of kilobytes.
    const limited = `trap '' XFSZ; ulimit -f 128; exec "$0" "$@"`;
    const where = ['127.0.0.1:0', '--grpc', '127.0.0.1:0', '--data', newFolder(), '--http', '127.0.0.1:0'];
    const program = start('sh', ['-c', limited, process.execPath, MAIN, 'validator', ...where, '--grace', '60000']);
    later(() => end(program, 'SIGKILL'));
    const [, grpc] = await program.printed(/^gRPC listening on (\S+)$/m);
    const [, http] = await program.printed(/^HTTP listening on (\S+)$/m);
    const validator = { ...program, jsonTcp: '', grpc: `grpc://${grpc}` };
    const held = await heldUp(validator);
    const client = overGrpc(validator);
    later(() => client.close());
    let isAlive = true;
    for (let number = 0; isAlive && number < 1_000; number++) {
      const minerId = `${number}`.padStart(256, 'm');
      const submitted = client
        .getRoundInfo('')
        .then((round) => client.submitBlock(minerId, winning(round, minerId, [])));
      isAlive = await submitted.then(
        () => true,
        () => false,
      );
    }
    expect(await page(String(http), '/readyz')).to.deep.equal({
      status: 503,
      text: 'not ready: its store has failed\n',
    });
    held.end();
    client.close();
    expect(await program.ended).to.equal(1);
  });

  it('--grace 0: whoever does not end is cut off', async () => {
    const validator = await started(['--grace', '0']);
    const client = await RawClient.connect(jsonTcpAddress(validator));
    await client.ask(requestToJson({ call: 'GetBlockchainInfo' }));
    later(() => client.destroy());
    expect(await end(validator)).to.equal(0);
    await until(() => client.ended || client.socket.destroyed, 'it is closed');
  });

  it('A port that is in use is named, with exit code 1, and no chain is begun', async () => {
    const validator = await started();
    const ending = await run([
      'validator',
      '127.0.0.1:0',
      '--grpc',
      'off',
      '--data',
      newFolder(),
      '--http',
      validator.http,
    ]);
    expectRefusal(ending, 1, `error: Address already in use: ${validator.http}: `);
  });

  it('Beyond this machine it warns', async () => {
    const validator = await started(['--http', '0.0.0.0:0']);
    expect(validator.stderr()).to.match(/"level":40,.*whoever reaches it can read its metrics/);
    expect((await page(validator.http.replace('0.0.0.0', '127.0.0.1'), '/readyz')).status).to.equal(200);
  });

  it('Off, it listens nowhere', async () => {
    const validator = await startValidator(newFolder());
    later(() => end(validator, 'SIGKILL'));
    expect(validator.stdout()).not.to.include('HTTP');
  });

  it('No token stands in the log, whoever says it and however', async () => {
    const validator = await started(['--log-level', 'trace']);
    const client = await RawClient.connect(jsonTcpAddress(validator));
    later(() => client.destroy());
    for (const request of [
      `{"GetRoundInfo":{"miner_id":"${TOKEN}"}}`,
      `{"GetRoundInfo":{"miner_id":"alice","api_key":"${TOKEN}"}}`,
      `{"CheckLockout":{"miner_id":"a ${TOKEN}, b","api_key":7}}`,
      `{"CheckLockout":{"miner_id":"alice_${TOKEN}"}}`,
    ]) {
      await client.ask(request);
    }
    expect(await end(validator)).to.equal(0);
    expect(validator.stderr()).to.include("Miner 'hck_[hidden]' requested round info");
    expect(validator.stderr() + validator.stdout()).not.to.include(TOKEN.slice(4, 16));
  });
});

/** What a validator's health check says of submissions. */
async function healthOf(validator: RunningValidator): Promise<number> {
  const channel = createChannel(formatAddress(grpcAddress(validator)));
  try {
    return (await createClient(HealthDefinition, channel).check({ service: 'hourcoin.v1.ValidatorService' })).status;
  } finally {
    channel.close();
  }
}
