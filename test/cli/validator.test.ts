/** `hourcoin validator`: what it prints and logs, how it is told what to do, and how it ends. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { expect } from 'chai';
import { createChannel, createClient } from 'nice-grpc';
import { HealthDefinition } from 'nice-grpc-server-health';
import { SubmitResult, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { LOG_LEVELS } from '../../src/cli/arguments.js';
import { systemTime } from '../../src/time/clock.js';
import type { Validator } from '../../src/validator/validator.js';
import { formatAddress } from '../../src/wire/address.js';
import { requestToJson } from '../../src/wire/requests.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { grpcAddress, jsonTcpAddress, overGrpc, overJsonTcp } from '../support/clients.js';
import { ended, expectRefusal, run } from '../support/ended.js';
import {
  end,
  hourcoin,
  MAIN,
  type RunningValidator,
  start,
  startValidator,
  temporaryFolder,
} from '../support/programs.js';
import { RawClient } from '../support/sockets.js';
import { madeFolder, PARAMETERS } from '../support/stores.js';
import { until } from '../support/wait.js';

describe('hourcoin validator', () => {
  const later = cleanup();

  function newFolder(): string {
    const folder = temporaryFolder();
    later(folder.remove);
    return folder.path;
  }

  /** A data folder with a chain, removed after the test. */
  async function folderWith(...args: Parameters<typeof madeFolder>): Promise<string> {
    const folder = await madeFolder(...args);
    later(folder.remove);
    return folder.path;
  }

  /** A validator that is ended after the test, where it has not ended by then. */
  async function started(data = newFolder(), args: readonly string[] = []): Promise<RunningValidator> {
    const validator = await startValidator(data, args);
    later(() => end(validator, 'SIGKILL'));
    return validator;
  }

  function jsonTcpOf(validator: RunningValidator) {
    const client = overJsonTcp(validator);
    later(() => client.close());
    return client;
  }

  function grpcOf(validator: RunningValidator) {
    const client = overGrpc(validator);
    later(() => client.close());
    return client;
  }

  /** Wins a round, paying the miner. */
  async function win(validator: Validator, minerId: string): Promise<void> {
    const block = winning(await validator.getRoundInfo(minerId), minerId);
    expect((await validator.submitBlock(minerId, block)).result).to.equal(SubmitResult.ACCEPTED);
  }

  /** Uses a miner's attempt up. */
  async function fail(validator: Validator, minerId: string): Promise<void> {
    const block = { ...winning(await validator.getRoundInfo(minerId), minerId), hash: Buffer.alloc(32) };
    expect((await validator.submitBlock(minerId, block)).result).to.equal(SubmitResult.REJECTED_INVALID_HASH);
  }

  describe('what it prints', () => {
    for (const level of LOG_LEVELS) {
      it(`--log-level ${level}: banner and addresses on stdout, the log on stderr and nowhere else`, async () => {
        const data = newFolder();
        const validator = await started(data, ['--log-level', level]);
        await win(jsonTcpOf(validator), 'alice');
        expect(await end(validator)).to.equal(0);
        expect(validator.stdout()).to.equal(
          [
            '=== Hourcoin Validator Server ===',
            '',
            'Configuration:',
            `  Address: ${validator.jsonTcp}`,
            `  gRPC: ${formatAddress(grpcAddress(validator))}`,
            '  Difficulty: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF',
            '  Timescale: tai',
            `  Data: ${data}`,
            '',
            `JSON/TCP listening on ${validator.jsonTcp}`,
            `gRPC listening on ${formatAddress(grpcAddress(validator))}`,
            'Waiting for miner connections...',
            'Stopping...',
            '',
          ].join('\n'),
        );
        const levels = new Set(logged(validator).map((entry) => entry.level));
        const least = { trace: 20, debug: 20, info: 30, warn: 40, error: 50, silent: 60 }[level];
        expect([...levels].sort()).to.deep.equal([20, 30].filter((one) => one >= least));
      });
    }

    it('Without gRPC, and with a fast clock, it says so', async () => {
      const data = newFolder();
      const program = hourcoin([
        'validator',
        '127.0.0.1:0',
        '1000',
        '--grpc',
        'off',
        '--data',
        data,
        '--clock-speed',
        '2.5',
      ]);
      later(() => end(program, 'SIGKILL'));
      await program.printed(/^Waiting for miner connections\.\.\.$/m);
      expect(program.stdout()).to.include('  gRPC: off\n  Difficulty: 0x3E8\n');
      expect(program.stdout()).to.include(
        '  Clock speed: 2.5 - THIS CLOCK RUNS 2.5 TIMES AS FAST AS REAL TIME: for trying out only\n',
      );
      expect(program.stdout()).not.to.include('gRPC listening');
    });

    it("The log tells each miner's doings in the network guide's words", async () => {
      const validator = await started(newFolder(), ['--log-level', 'debug']);
      const client = jsonTcpOf(validator);
      const round = await client.getRoundInfo('alice');
      await client.checkLockout('alice');
      await client.submitBlock('alice', winning(round, 'alice'));
      await client.submitBlock('alice', winning(await client.getRoundInfo('alice'), 'alice'));
      const last = "✗ Block REJECTED from miner 'alice': Miner in lockout. ";
      await until(() => validator.stderr().includes(last), 'the rejection is logged');
      const texts = logged(validator).map(({ msg }) => msg);
      expect(texts.shift()).to.match(/^New connection from: 127\.0\.0\.1:\d+$/);
      expect(texts.pop()).to.match(
        /^✗ Block REJECTED from miner 'alice': Miner in lockout\. 359\d seconds remaining\.$/,
      );
      expect(texts).to.deep.equal([
        "Miner 'alice' requested round info",
        "Miner 'alice' checked lockout",
        "Miner 'alice' submitting block #0",
        "✓ Block ACCEPTED from miner 'alice'. Miner entered 1-hour lockout. Blockchain now has 1 blocks",
        'Round 2 has begun',
        "Miner 'alice' requested round info",
        "Miner 'alice' submitting block #1",
      ]);
    });

    it('Control characters in miner ids are made harmless in the log', async () => {
      const validator = await started(newFolder(), ['--log-level', 'debug']);
      const client = jsonTcpOf(validator);
      await win(client, 'evil\u001b[2J\n\u009b\u202eroot');
      await until(() => validator.stderr().includes('Round 2 has begun'), 'the block is logged');
      const about = logged(validator).filter(({ msg }) => msg.includes('evil'));
      expect(new Set(about.map(({ msg }) => /'(.*)'/.exec(msg)?.[1]))).to.deep.equal(
        new Set(['evil\\u001b[2J\\u000a\\u009b\\u202eroot']),
      );
      expect(about.length).to.equal(3);
    });
  });

  describe('what it is told', () => {
    it('Every option can be given in the environment; the command line counts more', async () => {
      const data = newFolder();
      const env = {
        HOURCOIN_GRPC: 'off',
        HOURCOIN_DATA: data,
        HOURCOIN_TIMESCALE: 'tai',
        HOURCOIN_LOG_LEVEL: 'silent',
        HOURCOIN_CLOCK_SPEED: '60',
        // As good as not given.
        HOURCOIN_ALLOW_CLOCK_BEHIND: '',
      };
      const program = hourcoin(['validator', '127.0.0.1:0', '0XfF', '--timescale', 'utc'], { env });
      later(() => end(program, 'SIGKILL'));
      const [, address] = await program.printed(/^JSON\/TCP listening on (.*)$/m);
      await program.printed(/^Waiting/m);
      const client = jsonTcpOf({ ...program, jsonTcp: String(address), grpc: '' });
      expect(await client.getRoundInfo('')).to.deep.include({
        timescale: Timescale.UTC,
        clockSpeed: 60,
        difficulty: '0xFF',
      });
      expect(program.stdout()).to.include(`  gRPC: off\n  Difficulty: 0xFF\n  Timescale: utc\n  Data: ${data}\n`);
    });

    for (const [what, args, both] of [
      ['difficulty', ['0xFFFF'], /difficulty 0x10+, not 0xFFFF:/],
      ['timescale', ['--timescale', 'utc'], /timescale tai, not utc:/],
      ['clock speed', ['--clock-speed', '1'], /clock speed 600, not 1:/],
    ] as const) {
      it(`A ${what} other than the chain's: both are named, exit code 1, and nothing is touched`, async () => {
        const data = await folderWith((chain) => chain.extend('alice'), { clockSpeed: 600 });
        const before = readFileSync(join(data, 'data.mdb'));
        expectRefusal(await run(['validator', '127.0.0.1:0', ...args, '--grpc', 'off', '--data', data]), 1, both);
        expect(readFileSync(join(data, 'data.mdb')).equals(before)).to.equal(true);
      });
    }

    it("What is not given is the chain's; the same may be given again", async () => {
      const parameters = { ...PARAMETERS, timescale: Timescale.UTC };
      const data = await folderWith(undefined, { parameters, clockSpeed: 600 });
      for (const args of [[], ['--timescale', 'utc', '--clock-speed', '600']]) {
        const validator = await started(data, args);
        expect(await jsonTcpOf(validator).getRoundInfo('')).to.deep.include({
          timescale: Timescale.UTC,
          clockSpeed: 600,
          difficulty: `0x${EASY.toString(16)}`,
        });
        await end(validator);
      }
    });

    it('A port that is in use is named, for both protocols, with exit code 1', async () => {
      const validator = await started();
      const grpc = formatAddress(grpcAddress(validator));
      for (const [taken, args] of [
        [validator.jsonTcp, [validator.jsonTcp, '--grpc', 'off']],
        [grpc, ['127.0.0.1:0', '--grpc', grpc]],
      ] as const) {
        const ending = await run(['validator', ...args, '--data', newFolder()]);
        expectRefusal(ending, 1, `error: Address already in use: ${taken}: `);
      }
    });

    it('An address that is not this host’s is named, for both protocols, with exit code 1', async () => {
      for (const args of [
        ['192.0.2.1:0', '--grpc', 'off'],
        ['127.0.0.1:0', '--grpc', '192.0.2.1:0', '--insecure'],
      ]) {
        const ending = await run(['validator', ...args, '--data', newFolder()]);
        expectRefusal(ending, 1, 'error: cannot listen on 192.0.2.1:0: ');
      }
    });
  });

  describe('how it ends', () => {
    for (const [signal, what, endless] of [
      ['SIGINT', 'streams', false],
      ['SIGTERM', 'streams (one without an end of its own)', true],
    ] as const) {
      it(`${signal}: exit code 0 within five seconds, with ${what}, idle connections and half a frame open`, async () => {
        const validator = await started();
        const client = grpcOf(validator);
        await win(client, 'alice');
        const interruptions: string[] = [];
        const onInterrupted = ({ message }: Error): void => void interruptions.push(message);
        const watched = [client.watchRounds('w', { onInterrupted }), client.watchBlocks(0, { onInterrupted })];
        const streams = [...watched, ...(endless ? [healthOf(validator)] : [])].map(read);
        const idle = await RawClient.connect(jsonTcpAddress(validator));
        await idle.ask(requestToJson({ call: 'GetBlockchainInfo' }));
        const half = await RawClient.connect(jsonTcpAddress(validator));
        await half.send(Buffer.from([0, 0]));
        await until(() => streams.every(({ seen }) => seen() > 0), 'the streams have begun');
        const overdue = AbortSignal.timeout(5_000);
        expect(await end(validator, signal)).to.equal(0);
        expect(overdue.aborted).to.equal(false);
        expect(await Promise.all([idle.answers(), half.answers()])).to.deep.equal([[], []]);
        for (const client of [idle, half]) client.destroy();
        // The validator has ended the streams; the client would go on with its own when it comes back.
        for (const message of interruptions.slice(0, 2)) expect(message).to.contain('has ended the stream');
        expect(interruptions.length).to.be.at.least(2);
        client.close();
        await Promise.all(streams.map((stream) => stream.end));
        expect(validator.stdout()).to.match(/Stopping\.\.\.\n$/);
      }).timeout(30_000);
    }

    /** A stream of reflection, which has no end of its own: stopping gives it two seconds. */
    async function holdUp(validator: RunningValidator): Promise<void> {
      const session = connect(validator.grpc.replace('grpc:', 'http:'));
      later(() => session.destroy());
      session.on('error', () => {});
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => {});
      // An empty request, which is answered: the stream has begun.
      stream.write(Buffer.alloc(5));
      await once(stream, 'data');
    }

    it('A later signal ends it at once', async () => {
      const validator = await started();
      await holdUp(validator);
      const again = setInterval(() => validator.process.kill('SIGTERM'), 50);
      later(() => clearInterval(again));
      // As the signal itself does: a shell says 143.
      expect(await validator.ended).to.equal('SIGTERM');
    });

    it('The same Ctrl-C twice, from a terminal and handed on by npm, is one: exit code 0', async () => {
      const validator = await started();
      await holdUp(validator);
      validator.process.kill('SIGINT');
      await validator.printed(/^Stopping\.\.\.$/m);
      expect(await end(validator, 'SIGINT')).to.equal(0);
    });

    it('Killed and started again, it finds chain, round, attempts and lockouts', async () => {
      const data = newFolder();
      const killed = await started(data);
      const first = jsonTcpOf(killed);
      await win(first, 'alice');
      await win(first, 'bob');
      await fail(first, 'carol');
      const { serverTime, ...before } = await first.getRoundInfo('');
      await end(killed, 'SIGKILL');

      const validator = await started(data);
      const { serverTime: now, ...after } = await jsonTcpOf(validator).getRoundInfo('');
      expect({ ...after, challengeSecondsRemaining: 0n, tonce: 0 }).to.deep.equal({
        ...before,
        challengeSecondsRemaining: 0n,
        tonce: 0,
      });
      expect(now >= serverTime).to.equal(true);
      const grpc = grpcOf(validator);
      for (const [minerId, isLocked, hasAttempted, blockCount] of [
        ['alice', true, false, 1n],
        ['bob', true, false, 1n],
        ['carol', false, true, 0n],
      ] as const) {
        expect(await grpc.getMiner(minerId)).to.include({ isLocked, hasAttempted, blockCount });
      }
      expect((await grpc.getAddress('bob', { pageSize: 0, pageToken: '' })).balance).to.equal(2);
    });

    it('Neither HTTP nor garbage at either port ends it', async () => {
      const validator = await started();
      const rubbish = [
        'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
        '\u0016\u0003\u0001\u0002\u0000',
        Buffer.alloc(65_536, 0xff),
      ];
      for (const address of [jsonTcpAddress(validator), grpcAddress(validator)]) {
        for (const bytes of rubbish) {
          const client = await RawClient.connect(address);
          await client.send(Buffer.from(bytes));
          client.shutDown();
          await client.answers();
          client.destroy();
          await client.closed;
        }
      }
      await win(jsonTcpOf(validator), 'alice');
      expect((await grpcOf(validator).getBlockchainInfo()).blockCount).to.equal(1n);
    });

    it('A store that fails: what is submitted is not taken, the reason is told, exit code 1, and the chain is sound', async () => {
      const data = newFolder();
      // The system lets no file grow beyond some dozens of kilobytes.
      const limited = `trap '' XFSZ; ulimit -f 128; exec "$0" "$@"`;
      const args = [process.execPath, MAIN, 'validator', '127.0.0.1:0', '--grpc', 'off', '--data', data];
      const program = start('sh', ['-c', limited, ...args]);
      later(() => end(program, 'SIGKILL'));
      const [, address] = await program.printed(/^JSON\/TCP listening on (.*)$/m);
      const client = await RawClient.connect(jsonTcpAddress({ jsonTcp: String(address) }));
      const round = jsonTcpOf({ ...program, jsonTcp: String(address), grpc: '' });
      let accepted = 0;
      let answer = '';
      do {
        const minerId = `${accepted}`.padStart(256, 'm');
        const block = winning(await round.getRoundInfo(''), minerId, []);
        answer = await client.ask(requestToJson({ call: 'SubmitBlock', minerId, block }));
      } while (answer.includes('"Accepted"') && ++accepted < 1_000);
      expect(answer).to.equal(
        '{"BlockResult":{"result":"RejectedBlockchainValidation","message":"Not taken: the validator cannot write to its store"}}',
      );
      expect(await program.ended).to.equal(1);
      expect(program.stderr()).to.match(/^error: the data in .* could not be written or read: File too large.*\n$/m);
      const { code, stdout } = await run(['verify', '--data', data]);
      expect(stdout).to.include(`Blocks replayed: ${accepted}\n`);
      expect(code).to.equal(0);
    });
  });

  describe('its clock', () => {
    const inFuture = (ms: bigint) => {
      const firstRoundStart = systemTime(Timescale.TAI) + ms;
      return { parameters: { ...PARAMETERS, firstRoundStart } };
    };

    it('A clock more than five seconds before the stored time: by how much, what to do, exit code 1', async () => {
      const data = await folderWith(undefined, inFuture(60_000n));
      // A flag that is off in the environment is not given.
      const env = { HOURCOIN_ALLOW_CLOCK_BEHIND: '0' };
      const ending = await run(['validator', '127.0.0.1:0', '--grpc', 'off', '--data', data], env);
      expectRefusal(ending, 1, /the system's clock stands 5\d\.\d+ s before the last time that this chain has used/);
      expect(ending.stderr).to.include('--allow-clock-behind');
    });

    it('With --allow-clock-behind it starts, and time stands still', async () => {
      const future = inFuture(60_000n);
      const validator = await started(await folderWith(undefined, future), ['--allow-clock-behind']);
      const { serverTime } = await jsonTcpOf(validator).getRoundInfo('');
      expect(serverTime).to.equal(future.parameters.firstRoundStart);
      expect(logged(validator).map(({ level, msg }) => [level, msg.replace(/[\d.]+ s/, 'N s')])).to.deep.include([
        40,
        "The system's clock has gone back N s: time stands still until it has caught up",
      ]);
    });

    it('A clock a little before the stored time is waited for', async () => {
      const future = inFuture(2_000n);
      const validator = await started(await folderWith(undefined, future));
      expect(validator.stderr()).to.match(/"level":40,.*stands [12](\.\d+)? s before .*: waiting for it"/);
      const { serverTime } = await jsonTcpOf(validator).getRoundInfo('');
      expect(serverTime >= future.parameters.firstRoundStart).to.equal(true);
      expect(validator.stderr()).not.to.include('has gone back');
    });

    it('--clock-speed 3600: RoundInfo says so, an hour is over in a second, and a miner follows', async () => {
      const data = newFolder();
      const validator = await started(data, ['--clock-speed', '3600']);
      const miner = await ended(hourcoin(['miner', 'alice', validator.jsonTcp, '--blocks', '2']));
      expect(miner.code).to.equal(0);
      expect(miner.stdout).to.include('  Clock speed: 3600 times real time\n');
      expect(miner.stdout).to.match(/⏳ In lockout period\. Waiting 3\d\d\d seconds\.\.\.\n/);
      const { serverTime, clockSpeed } = await jsonTcpOf(validator).getRoundInfo('');
      expect(clockSpeed).to.equal(3_600);
      const { blocks } = await grpcOf(validator).listBlocks(0, { pageSize: 0, pageToken: '' });
      const [first, second] = blocks.map(({ acceptedAt }) => acceptedAt) as [bigint, bigint];
      expect(second - first >= 3_600_000n).to.equal(true);

      // A clock that ran ahead does not fall back to the real time when the validator starts again.
      await end(validator);
      const again = await jsonTcpOf(await started(data)).getRoundInfo('');
      expect(again.serverTime >= serverTime).to.equal(true);
      expect(again.serverTime - systemTime(Timescale.TAI) > 3_000_000n).to.equal(true);
    });
  });
});

/** What a program has logged. */
function logged({ stderr }: { stderr: () => string }): { level: number; msg: string }[] {
  return stderr()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { level: number; msg: string });
}

/** The health of a validator, as a stream that has no end of its own. */
async function* healthOf(validator: RunningValidator): AsyncGenerator<unknown, void> {
  const channel = createChannel(formatAddress(grpcAddress(validator)));
  try {
    yield* createClient(HealthDefinition, channel).watch({ service: '' });
  } finally {
    channel.close();
  }
}

/** Reads a stream until it ends, in whatever way. */
function read(stream: AsyncIterable<unknown>): { seen: () => number; end: Promise<void> } {
  let count = 0;
  const end = (async () => {
    for await (const _ of stream) count++;
  })().catch(() => {});
  return { seen: () => count, end };
}
