/** Programs that speak TLS and show who they are: from files and the environment, never from an argument. */

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Address, formatAddress } from '../../src/wire/address.js';
import { cleanup } from '../support/cleanup.js';
import { grpcAddress, jsonTcpAddress } from '../support/clients.js';
import { ended, expectRefusal, run } from '../support/ended.js';
import {
  end,
  hourcoin,
  type Program,
  type RunningValidator,
  startValidator,
  temporaryFolder,
} from '../support/programs.js';
import { listenRaw, type ScriptedServer } from '../support/sockets.js';
import { type Certificates, frontOf, H2, makeCertificates, type TlsFront } from '../support/tls.js';

const TOKEN = 'hck_0123456789-secret';

describe('Programs over TLS', () => {
  const later = cleanup();
  const folder = temporaryFolder();
  let validator: RunningValidator;
  let ours: Certificates;
  let others: Certificates;

  before(async () => {
    [validator, ours, others] = await Promise.all([
      startValidator(folder.path, ['--clock-speed', '3600']),
      makeCertificates(['--client', 'alice', 'bob']),
      makeCertificates(['--client', 'alice']),
    ]);
    await run(['miner', 'first', validator.jsonTcp, '--blocks', '1']);
  });
  after(async () => {
    await end(validator);
    for (const { remove } of [folder, ours, others]) remove();
  });

  /** TLS before a validator, on either wire, for clients with certificates; where it is reached. */
  async function front(
    wire: 'tls' | 'grpcs',
    { server } = ours,
    at?: Address,
    behind = validator,
  ): Promise<{ front: TlsFront; url: string }> {
    const target = wire === 'tls' ? jsonTcpAddress(behind) : grpcAddress(behind);
    const made = await frontOf(target, { ...server(true), ...(wire === 'tls' ? {} : H2) }, at);
    later(made.close);
    return { front: made, url: `${wire}://${formatAddress(made.address)}` };
  }

  function shown(minerId: string, { path } = ours): string[] {
    return ['--ca', ours.path('ca.pem'), '--cert', path(`${minerId}.pem`), '--key', path(`${minerId}-key.pem`)];
  }

  function miner(args: readonly string[], env?: NodeJS.ProcessEnv): Program {
    const program = hourcoin(['miner', ...args], { ...(env === undefined ? {} : { env }) });
    later(() => end(program, 'SIGKILL'));
    return program;
  }

  for (const [wire, minerId] of [
    ['tls', 'alice'],
    ['grpcs', 'bob'],
  ] as const) {
    it(`miner: its block is accepted over ${wire}://, where it shows its certificate`, async () => {
      const { front: made, url } = await front(wire);
      const args = [minerId, url, '--blocks', '1', ...shown(minerId)];
      const { code, stdout, stderr } = await ended(miner(args));
      expect(stdout).to.contain(`  Validator: ${url}\n`).and.to.contain('  ✓ Block accepted!');
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(made.clients[0]).to.equal(minerId);
    });

    it(`status${wire === 'grpcs' ? ' and block' : ''} over ${wire}://; the files may be named in the environment`, async () => {
      const { url } = await front(wire);
      const env = {
        HOURCOIN_CA: ours.path('ca.pem'),
        HOURCOIN_CERT: ours.path('alice.pem'),
        HOURCOIN_KEY: ours.path('alice-key.pem'),
      };
      const status = await run(['status', url], env);
      expect([status.code, status.stderr]).to.deep.equal([0, '']);
      expect(status.stdout).to.contain(`Validator:  ${url}\n`);
      if (wire === 'grpcs') {
        const { code, stdout } = await run(['block', 'tip', url], env);
        expect(stdout).to.match(/^Block #\d+$/m);
        expect(code).to.equal(0);
      }
    });

    it(`conformance over ${wire}://`, async () => {
      // At the pace of real time: rounds of a second would pass while it tries things.
      const data = temporaryFolder();
      later(data.remove);
      const calm = await startValidator(data.path);
      later(() => end(calm));
      const { url } = await front(wire, ours, undefined, calm);
      const { code, stdout, stderr } = await run(['conformance', url, ...shown('alice')]);
      expect(stdout).to.match(/^\d\d conform, 0 differ, 0 skipped$/m);
      expect([code, stderr]).to.deep.equal([0, '']);
    });

    describe(`a miner over ${wire}://`, () => {
      it('ends where it does not trust the validator, or is not trusted, and has never been: one line, exit code 1', async () => {
        const { url } = await front(wire);
        for (const [args, why] of [
          [shown('alice').slice(2), 'its certificate is of no authority that is trusted here'],
          [['--ca', ours.path('ca.pem')], 'wants a certificate of this client: give --cert and --key'],
        ] as const) {
          const { code, stderr } = await ended(miner(['alice', url, ...args]));
          expect(stderr)
            .to.match(/^error: [^\n]*\n$/)
            .and.to.contain(why);
          expect(code).to.equal(1);
        }
      });

      it('goes on where it was, until the certificate is right again', async () => {
        const { front: first, url } = await front(wire);
        const program = miner(['alice', url, ...shown('alice')]);
        await program.printed(/^✓ Connected to validator$/m);
        await first.close();
        const { front: wrong } = await front(wire, others, first.address);
        await program.printed(/The validator is out of reach: cannot trust .*Trying again/);
        await wrong.close();
        await front(wire, ours, first.address);
        await program.printed(/^✓ Connected to validator again$/m);
        expect(await end(program, 'SIGINT')).to.equal(0);
      }).timeout(60_000);
    });
  }

  it('What the environment says of checking certificates changes nothing', async () => {
    const { url } = await front('tls');
    const { code, stderr } = await run(['status', url], { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' });
    expect(stderr).to.match(/^error: cannot trust /m);
    expect(code).to.equal(1);
  });

  describe('wrong files: one line that names the file, and exit code 2', () => {
    const rows: readonly (readonly [string, () => string[], string])[] = [
      ['no such file', () => ['--ca', ours.path('none.pem')], 'cannot read --ca '],
      ['a folder', () => ['--ca', ours.folder], 'cannot read --ca '],
      ['no path', () => ['--ca', ''], 'Write a path.'],
      ['no certificate', () => ['--ca', ours.path('ca-key.pem')], 'ca-key.pem is not a certificate in PEM'],
      ['a certificate alone', () => ['--cert', ours.path('alice.pem')], 'alice.pem and --key go together'],
      ['a key alone', () => ['--key', ours.path('alice-key.pem')], '--cert and --key '],
      [
        'a key that is another’s',
        () => ['--cert', ours.path('alice.pem'), '--key', ours.path('bob-key.pem')],
        'bob-key.pem is not the key of --cert ',
      ],
      [
        'a key that is none',
        () => ['--cert', ours.path('alice.pem'), '--key', ours.path('alice.pem')],
        'alice.pem is not a private key in PEM',
      ],
    ];
    for (const [what, args, why] of rows) {
      it(what, async () => {
        const endings = await Promise.all(
          [['miner', 'alice'], ['status'], ['conformance'], ['block', 'tip']].map((command) =>
            run([...command, 'grpcs://127.0.0.1:1', ...args()]),
          ),
        );
        for (const { code, stdout, stderr } of endings) {
          // A key that others may read is warned of as well.
          expectRefusal({ code, stdout, stderr: stderr.replace(/^warning: .*\n/, '') }, 2, why);
        }
      });
    }
  });

  describe('an API key', () => {
    /** Keeps what it is sent, and answers with an Error, which a miner ends with. */
    async function recorder(): Promise<{ server: ScriptedServer; sent: () => string }> {
      let sent = '';
      const server = await listenRaw((socket) =>
        socket.on('data', (piece) => {
          sent += piece;
          socket.end();
        }),
      );
      later(server.close);
      return { server, sent: () => sent };
    }

    /** A file of the user's own. */
    function file(text: string, mode = 0o600): string {
      const { path, remove } = temporaryFolder();
      later(remove);
      const name = join(path, 'key');
      writeFileSync(name, text);
      chmodSync(name, mode);
      return name;
    }

    /** Nothing that was printed tells the token. */
    function expectSilent({ stdout, stderr }: { stdout: string; stderr: string }): void {
      expect(stdout + stderr).to.not.contain(TOKEN);
    }

    for (const [what, args, env] of [
      ['--api-key-file', () => ['--api-key-file', file(`${TOKEN}\n`)], {}],
      [
        '--api-key-file, over what HOURCOIN_API_KEY says',
        () => ['--api-key-file', file(TOKEN)],
        { HOURCOIN_API_KEY: 'x' },
      ],
      ['HOURCOIN_API_KEY', () => [], { HOURCOIN_API_KEY: TOKEN }],
    ] as const) {
      it(`comes from ${what}`, async () => {
        const { server, sent } = await recorder();
        const ending = await run(['status', formatAddress(server.address), ...args()], env);
        expect(sent()).to.contain(`{"GetRoundInfo":{"miner_id":"status","api_key":"${TOKEN}"}}`);
        expect([ending.code, ending.stderr]).to.deep.equal([
          1,
          `error: ${formatAddress(server.address)} closed the connection\n`,
        ]);
        expectSilent(ending);
      });
    }

    it('comes from a file that HOURCOIN_API_KEY_FILE names; an empty variable is none', async () => {
      const { server, sent } = await recorder();
      await run(['status', formatAddress(server.address)], {
        HOURCOIN_API_KEY_FILE: file(TOKEN),
        HOURCOIN_API_KEY: '',
      });
      expect(sent()).to.contain(TOKEN);
      const none = await recorder();
      await run(['status', formatAddress(none.server.address)], { HOURCOIN_API_KEY: '' });
      expect(none.sent()).to.contain('GetRoundInfo').and.to.not.contain('api_key');
    });

    for (const [what, text] of [
      ['is empty', ''],
      ['has an empty line only', '\n'],
      ['has several lines', `${TOKEN}\n${TOKEN}\n`],
      ['has spaces', `${TOKEN} \n`],
    ] as const) {
      it(`refuses a file that ${what}: exit code 2, and it is not told`, async () => {
        const ending = await run(['status', '127.0.0.1:1', '--api-key-file', file(text)]);
        expectRefusal(ending, 2, 'does not hold an API key: one line, without spaces');
        expectSilent(ending);
      });
    }

    it('refuses what is none in the environment, and a file that is not there: exit code 2', async () => {
      const ending = await run(['status', '127.0.0.1:1'], { HOURCOIN_API_KEY: `${TOKEN}\n${TOKEN}` });
      expectRefusal(ending, 2, 'the API key is not one: ');
      expectSilent(ending);
      const none = await run(['status', '127.0.0.1:1', '--api-key-file', '/nowhere/key']);
      expectRefusal(none, 2, 'cannot read --api-key-file /nowhere/key: ENOENT');
    });

    it('warns where others on the machine can read the file, and goes on', async () => {
      const { server, sent } = await recorder();
      const path = file(TOKEN, 0o644);
      const ending = await run(['status', formatAddress(server.address), '--api-key-file', path]);
      expect(ending.stderr).to.contain(
        `warning: others on this machine can read ${path}, which is secret: chmod 600 ${path}\nerror: `,
      );
      expect(sent()).to.contain(TOKEN);
      expectSilent(ending);
    });

    it('is never an argument', async () => {
      const ending = await run(['miner', 'alice', '127.0.0.1:1', '--api-key', TOKEN]);
      expectRefusal(ending, 2, "unknown option '--api-key'");
      expectSilent(ending);
    });

    for (const command of [
      ['miner', 'alice', '192.0.2.1:8080'],
      ['status', 'grpc://192.0.2.1:50051'],
      ['block', 'tip', 'grpc://192.0.2.1:50051'],
    ]) {
      it(`is not sent in the clear beyond loopback: ${command.join(' ')}: exit code 2, and what to do`, async () => {
        const ending = await run(command, { HOURCOIN_API_KEY: TOKEN });
        expectRefusal(ending, 2, /is not encrypted, .*: write (tls|grpcs):\/\/192\.0\.2\.1:\d+; --insecure/);
        expectSilent(ending);
      });
    }

    it('is sent with --insecure', async function () {
      // An address that is not of loopback, and is this machine's all the same.
      if (process.platform !== 'linux') this.skip();
      const { server, sent } = await recorder();
      const address = formatAddress({ ...server.address, host: '0.0.0.0' });
      await run(['status', address, '--insecure'], { HOURCOIN_API_KEY: TOKEN });
      expect(sent()).to.contain(TOKEN);
      const again = await recorder();
      const other = formatAddress({ ...again.server.address, host: '0.0.0.0' });
      const off = await run(['status', other], { HOURCOIN_API_KEY: TOKEN, HOURCOIN_INSECURE: '0' });
      expect([off.code, again.sent()]).to.deep.equal([2, '']);
    });

    for (const wire of ['jsonTcp', 'grpc'] as const) {
      it(`is what a miner mines with over ${wire === 'grpc' ? 'gRPC' : 'JSON/TCP'}, where its id has one; nothing that is printed tells it`, async () => {
        const minerId = `carol over ${wire}`;
        const key = await run(['key', 'add', minerId, '--data', folder.path]);
        const token = key.stdout.trim();
        const { code, stdout, stderr } = await ended(
          miner([minerId, validator[wire], '--blocks', '1'], { HOURCOIN_API_KEY: token }),
        );
        expect(stdout).to.contain('  ✓ Block accepted!');
        expect([code, stderr]).to.deep.equal([0, '']);
        expect(stdout + validator.stdout() + validator.stderr()).to.not.contain(token);
      });
    }
  });
});
