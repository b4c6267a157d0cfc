/** `hourcoin validator --listen`: where it listens, with which certificates, to whom, and what it warns of. */

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { type Ended, ended, expectRefusal, run } from '../support/ended.js';
import { end, hourcoin, MAIN, type Program, start, temporaryFolder } from '../support/programs.js';
import { listenRaw } from '../support/sockets.js';
import { type Certificates, makeCertificates } from '../support/tls.js';
import { until } from '../support/wait.js';

interface Entry {
  readonly level: number;
  readonly msg: string;
}

const WARN = 40;

describe('hourcoin validator --listen', () => {
  const later = cleanup();
  let ours: Certificates;
  let others: Certificates;

  before(async () => {
    [ours, others] = await Promise.all([makeCertificates(['--client', 'alice', 'bob']), makeCertificates()]);
  });
  after(() => {
    for (const { remove } of [ours, others]) remove();
  });

  function newFolder(): string {
    const { path, remove } = temporaryFolder();
    later(remove);
    return join(path, 'data');
  }

  const files = (): string[] => ['--tls-cert', ours.path('server.pem'), '--tls-key', ours.path('server-key.pem')];

  /** What it has logged. */
  function logged({ stderr }: Program): Entry[] {
    return stderr()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  const warnings = (program: Program): string[] =>
    logged(program)
      .filter(({ level }) => level >= WARN)
      .map(({ msg }) => msg);

  /** A validator with arguments of its own, once it waits for miners, and what it says that it listens at. */
  async function started(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const program = hourcoin(['validator', ...args, '--data', newFolder()], { env });
    later(() => end(program, 'SIGKILL'));
    await program.printed(/^Waiting for miner connections\.\.\.$/m);
    const at = (what: string): string => {
      const [, address] = new RegExp(`^${what} listening on (\\S+)$`, 'm').exec(program.stdout()) ?? [];
      if (address === undefined) throw new Error(`nothing is said of ${what}: ${program.stdout()}`);
      return address.replace('0.0.0.0', '127.0.0.1');
    };
    return { program, at };
  }

  const PORTS = ['127.0.0.1:0', '--grpc', '127.0.0.1:0'];

  it('says where each of its addresses is, and serves all of them', async () => {
    const listen = [
      '--listen',
      'tls://127.0.0.1:0',
      '--listen',
      'grpcs://[::1]:0,127.0.0.1:0',
      '--listen',
      'grpc://127.0.0.1:0',
    ];
    const { program, at } = await started([...PORTS, ...listen, ...files()]);
    const lines = program.stdout().match(/^.* listening on .*$/gm) ?? [];
    expect(lines.map((line) => line.replace(/\d+$/, 'PORT'))).to.deep.equal([
      'JSON/TCP listening on 127.0.0.1:PORT',
      'gRPC listening on 127.0.0.1:PORT',
      'JSON/TCP over TLS listening on tls://127.0.0.1:PORT',
      'gRPC over TLS listening on grpcs://[::1]:PORT',
      'JSON/TCP listening on 127.0.0.1:PORT',
      'gRPC listening on grpc://127.0.0.1:PORT',
    ]);
    const urls = lines.map((line) => line.replace(/^.* /, ''));
    urls[1] = `grpc://${urls[1]}`;
    for (const url of [...urls, at('JSON/TCP')]) {
      const { code, stderr } = await run(['status', url, '--ca', ours.path('ca.pem')]);
      expect([code, stderr], url).to.deep.equal([0, '']);
    }
    expect(warnings(program)).to.deep.equal([]);
    expect(await end(program)).to.equal(0);
  });

  it('takes its addresses, and flags that are off, from the environment', async () => {
    const { program, at } = await started(PORTS, {
      HOURCOIN_LISTEN: 'tls://127.0.0.1:0,grpcs://127.0.0.1:0',
      HOURCOIN_TLS_CERT: ours.path('server.pem'),
      HOURCOIN_TLS_KEY: ours.path('server-key.pem'),
      HOURCOIN_AUTH_READS: 'off',
      HOURCOIN_LIMIT_LOOPBACK: '0',
      HOURCOIN_INSECURE: 'false',
      HOURCOIN_TLS_CLIENT_CA: '',
    });
    for (const url of [at('JSON/TCP over TLS'), at('gRPC over TLS')]) {
      expect((await run(['status', url, '--ca', ours.path('ca.pem')])).code).to.equal(0);
    }
    const closed = await started(PORTS, { HOURCOIN_AUTH_READS: '1' });
    const { code, stderr } = await run(['status', closed.at('JSON/TCP')]);
    expect([code, stderr]).to.deep.equal([1, 'error: this validator answers who shows an API key or a certificate\n']);
    expect(program.process.exitCode).to.equal(null);
  });

  it('with --tls-client-ca and --auth required: a miner mines under the name in its certificate, and under no other', async () => {
    const args = ['--listen', 'tls://127.0.0.1:0', '--listen', 'grpcs://127.0.0.1:0', '--auth', 'required'];
    const { program, at } = await started([...PORTS, ...args, ...files(), '--tls-client-ca', ours.path('ca.pem')]);
    const shown = ['--ca', ours.path('ca.pem'), '--cert', ours.path('alice.pem'), '--key', ours.path('alice-key.pem')];
    for (const url of [at('JSON/TCP over TLS'), at('gRPC over TLS')]) {
      const thief = start(process.execPath, [MAIN, 'miner', 'bob', url, ...shown]);
      later(() => end(thief, 'SIGKILL'));
      await thief.printed(/this miner id needs its API key or certificate/);
      await end(thief, 'SIGKILL');
    }
    const { code, stdout } = await run(['miner', 'alice', at('JSON/TCP over TLS'), '--blocks', '1', ...shown]);
    expect(stdout).to.contain('✓ Block accepted!');
    expect(code).to.equal(0);
    // Whoever is not let in is no alarm, and on the log's usual level not a line.
    for (const credentials of [[], ['--cert', others.path('miner.pem'), '--key', others.path('miner-key.pem')]]) {
      const ending = await run(['status', at('JSON/TCP over TLS'), '--ca', ours.path('ca.pem'), ...credentials]);
      expect(ending.code).to.equal(1);
    }
    expect(logged(program).filter(({ msg }) => !/Block ACCEPTED|lockout|blocks|Round/.test(msg))).to.deep.equal([]);
  });

  it('reads certificates again that have changed, without a word beyond one', async () => {
    const { path, remove } = temporaryFolder();
    later(remove);
    const [cert, key] = [join(path, 'server.pem'), join(path, 'server-key.pem')];
    const put = (certificates: Certificates): void => {
      copyFileSync(certificates.path('server-key.pem'), key);
      copyFileSync(certificates.path('server.pem'), cert);
    };
    put(ours);
    const { program, at } = await started([
      ...PORTS,
      '--listen',
      'tls://127.0.0.1:0',
      '--tls-cert',
      cert,
      '--tls-key',
      key,
    ]);
    const status = (ca: Certificates): Promise<Ended> =>
      run(['status', at('JSON/TCP over TLS'), '--ca', ca.path('ca.pem')]);
    expect((await status(ours)).code).to.equal(0);
    put(others);
    await until(
      () => logged(program).some(({ msg }) => msg === 'The TLS files have changed: new connections use them'),
      'it says so',
    );
    expect([(await status(others)).code, (await status(ours)).code]).to.deep.equal([0, 1]);
  });

  describe('beyond loopback', () => {
    const RISK =
      /^0\.0\.0\.0:\d+ is not encrypted: whoever stands between can read and change what miners say\. Serve tls:\/\/ or grpcs:\/\/ beside it \(--listen\)/;

    it('goes on as the network guide has it, plainly, and warns of the risk and of the way out', async () => {
      const { program, at } = await started(['0.0.0.0:0', '--grpc', 'off']);
      expect(warnings(program)).to.have.length(1);
      expect(warnings(program)[0]).to.match(RISK);
      const { code, stdout } = await run(['miner', 'alice', at('JSON/TCP'), '--blocks', '1']);
      expect(stdout).to.contain('✓ Block accepted!');
      expect(code).to.equal(0);
    });

    it('takes the way out: plain for some, TLS for others', async () => {
      const args = [
        '0.0.0.0:0',
        '--grpc',
        'off',
        '--listen',
        'tls://0.0.0.0:0',
        '--listen',
        'grpcs://0.0.0.0:0',
        ...files(),
      ];
      const { program, at } = await started(args);
      expect(warnings(program)).to.have.length(1);
      for (const what of ['JSON/TCP', 'JSON/TCP over TLS', 'gRPC over TLS']) {
        expect((await run(['status', at(what), '--ca', ours.path('ca.pem')])).code, what).to.equal(0);
      }
    });

    for (const args of [
      ['--grpc', '0.0.0.0:0'],
      ['--grpc', 'off', '--listen', 'grpc://0.0.0.0:0'],
      ['--grpc', '[::]:0'],
    ]) {
      it(`does not serve gRPC in the clear unless it is told to: ${args.join(' ')}`, async () => {
        const data = newFolder();
        const refused = await run(['validator', '127.0.0.1:0', ...args, '--data', data]);
        expectRefusal(
          refused,
          1,
          /could be read and changed by whoever stands between: use grpcs:\/\/, or say --insecure/,
        );
        const { program } = await started(['127.0.0.1:0', ...args, '--insecure']);
        expect(warnings(program)).to.have.length(1);
        expect(warnings(program)[0]).to.match(/^grpc:\/\/(0\.0\.0\.0|\[::\]):\d+ is not encrypted: /);
      });
    }
  });

  describe('cannot start: one line that says why, exit code 1', () => {
    const rows: readonly (readonly [string, () => string[], string])[] = [
      [
        'TLS without a certificate',
        () => ['--listen', 'tls://127.0.0.1:0'],
        'tls://127.0.0.1:0 needs a certificate: give --tls-cert and --tls-key (hourcoin tls init makes them)',
      ],
      ['a certificate for nobody', files, 'no address is served over TLS: add --listen tls://… or grpcs://…'],
      [
        'no such file',
        () => [
          '--listen',
          'tls://127.0.0.1:0',
          '--tls-cert',
          '/nowhere/cert.pem',
          '--tls-key',
          ours.path('server-key.pem'),
        ],
        "TLS cannot be served: ENOENT: no such file or directory, open '/nowhere/cert.pem'",
      ],
      [
        "another certificate's key",
        () => [
          '--listen',
          'grpcs://127.0.0.1:0',
          '--tls-cert',
          ours.path('server.pem'),
          '--tls-key',
          others.path('server-key.pem'),
        ],
        'server-key.pem is not the key of ',
      ],
      [
        'authorities that are none',
        () => ['--listen', 'tls://127.0.0.1:0', ...files(), '--tls-client-ca', ours.path('ca-key.pem')],
        'ca-key.pem is not a certificate in PEM',
      ],
    ];
    for (const [what, args, why] of rows) {
      it(what, async () => expectRefusal(await run(['validator', ...PORTS, '--data', newFolder(), ...args()]), 1, why));
    }

    it('an address that is in use', async () => {
      const taken = await listenRaw(() => {});
      later(taken.close);
      const address = `127.0.0.1:${taken.address.port}`;
      const args = ['--listen', `tls://${address}`, ...files()];
      const program = hourcoin(['validator', ...PORTS, '--data', newFolder(), ...args]);
      expectRefusal(await ended(program), 1, `Address already in use: ${address}`);
    });
  });

  describe('wrong arguments: exit code 2', () => {
    const BOTH = 'TLS needs both --tls-cert and --tls-key';
    for (const [args, why] of [
      [['--tls-cert', 'x'], BOTH],
      [['--tls-key', 'x'], BOTH],
      [['--tls-client-ca', 'x'], BOTH],
      [['--tls-cert', 'x', '--tls-client-ca', 'x'], BOTH],
      [['--tls-cert', ''], 'Write a path.'],
      [['--listen', 'https://127.0.0.1:0'], 'Write host:port, tls://host:port, grpc://host:port or grpcs://host:port.'],
      [['--listen', 'tls://127.0.0.1:0,'], 'Write host:port, tls://host:port'],
      [['--auth', 'everyone'], 'Allowed choices are open, required.'],
      [['--proxy-from', 'balancer.example'], 'Write 10.1.2.3 or 10.0.0.0/8.'],
      [['--proxy-from', '10.0.0.0/8,10.0.0.0/99'], 'Write 10.1.2.3 or 10.0.0.0/8.'],
      [['127.0.0.1:0', 'tls://127.0.0.1:0'], 'Write 0x hexadecimal'],
      [['tls://127.0.0.1:0'], 'Write HOST:PORT'],
      [['--grpc', 'grpcs://127.0.0.1:0'], 'Write HOST:PORT'],
    ] as const) {
      it(args.join(' '), async () => {
        expectRefusal(await run(['validator', '--data', newFolder(), ...args]), 2, why);
      });
    }
  });
});
