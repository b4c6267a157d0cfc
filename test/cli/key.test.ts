/** `hourcoin key`: keys of miner ids, on a validator that runs and on one that does not. */

import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { jsonTcpAddress } from '../support/clients.js';
import { type Ended, expectRefusal, run } from '../support/ended.js';
import { end, MAIN, type RunningValidator, start, startValidator, temporaryFolder } from '../support/programs.js';
import { framed, RawClient } from '../support/sockets.js';
import { madeFolder } from '../support/stores.js';
import { isWritten } from '../support/validators.js';
import { until } from '../support/wait.js';

const TOKEN = /^hck_[\w-]{43}\n$/;
const NEEDS_KEY = 'this miner id needs its API key or certificate';

describe('hourcoin key', () => {
  const later = cleanup();

  /** A data folder with a chain. */
  async function folderWithChain(): Promise<string> {
    const { path, remove } = await madeFolder();
    later(remove);
    return path;
  }

  function newFolder(): string {
    const { path, remove } = temporaryFolder();
    later(remove);
    return join(path, 'data');
  }

  async function started(data: string, ...args: string[]): Promise<RunningValidator> {
    const validator = await startValidator(data, args);
    later(() => end(validator, 'SIGKILL'));
    return validator;
  }

  const key = (data: string, ...args: string[]): Promise<Ended> => run(['key', ...args, '--data', data]);

  /** Makes a key, and gives its token and what it is revoked by. */
  async function added(data: string, minerId: string): Promise<{ token: string; id: string }> {
    const { code, stdout, stderr } = await key(data, 'add', minerId);
    expect(stdout).to.match(TOKEN);
    const [, id = ''] = /^Key ([0-9a-f]{16}) of miner id '/.exec(stderr) ?? [];
    expect([code, id.length]).to.deep.equal([0, 16]);
    return { token: stdout.trim(), id };
  }

  /** The keys that are listed, by what they are revoked by. */
  async function listed(data: string): Promise<string[]> {
    const { code, stdout } = await key(data, 'list');
    expect(code).to.equal(0);
    return stdout.split('\n').slice(0, -1);
  }

  /** A connection, and whether a submission in a miner's name is judged there. */
  async function asker(validator: RunningValidator) {
    const client = await RawClient.connect(jsonTcpAddress(validator));
    later(() => client.destroy());
    const block = '{"index":9,"timestamp":1,"hash":"","prev_block_hash":"","nonce":0,"transactions":[]}';
    return async (minerId: string, apiKey?: string): Promise<'judged' | 'refused'> => {
      const shown = apiKey === undefined ? '' : `,"api_key":"${apiKey}"`;
      const answer = await client.ask(`{"SubmitBlock":{"miner_id":"${minerId}","block":${block}${shown}}}`);
      if (answer.includes('MismatchedIndex')) return 'judged';
      expect(answer).to.contain('Not taken: ');
      return 'refused';
    };
  }

  for (const running of [true, false]) {
    describe(running ? 'beside a running validator' : 'without a running validator', () => {
      let data: string;

      beforeEach(async () => {
        data = await folderWithChain();
        if (running) await started(data);
      });

      it('add: prints the token on stdout, alone, and what to do with it on stderr', async () => {
        const { code, stdout, stderr } = await key(data, 'add', 'alice');
        expect(stdout).to.match(TOKEN);
        expect(stderr).to.match(
          /^Key [0-9a-f]{16} of miner id 'alice'\. This is its token, which is shown only now: .*HOURCOIN_API_KEY.*\n$/,
        );
        expect(stderr).to.not.contain(stdout.trim());
        expect(code).to.equal(0);
      });

      it('list: every key with its miner id and when it was made, by miner id and then by age; never a token', async () => {
        expect(await key(data, 'list')).to.deep.equal({ code: 0, stdout: '', stderr: 'There are no keys.\n' });
        const before = Date.now();
        const [bob, first, second] = [await added(data, 'bob'), await added(data, 'alice'), await added(data, 'alice')];
        const after = Date.now();
        const lines = await listed(data);
        expect(lines.map((line) => line.split('  ')[0])).to.deep.equal([first.id, second.id, bob.id]);
        expect(lines.map((line) => line.split('  ')[2])).to.deep.equal(['alice', 'alice', 'bob']);
        for (const line of lines) expect(Date.parse(line.split('  ')[1] ?? '')).to.be.within(before, after);

        const { code, stdout, stderr } = await key(data, 'list', '--json');
        const json = JSON.parse(stdout) as { id: string; miner_id: string; made_at: string }[];
        expect(json.map(({ id, made_at, miner_id }) => `${id}  ${made_at}  ${miner_id}`)).to.deep.equal(lines);
        expect(Object.keys(json[0] ?? {})).to.deep.equal(['id', 'miner_id', 'made_at']);
        expect([code, stderr]).to.deep.equal([0, '']);
        expect(JSON.parse((await key(await folderWithChain(), 'list', '--json')).stdout)).to.deep.equal([]);
        for (const { token } of [bob, first, second]) expect(stdout + lines).to.not.contain(token.slice(4, 20));
      });

      it('revoke: the key is gone, and it says where that was the last one', async () => {
        const [first, second] = [await added(data, 'alice'), await added(data, 'alice')];
        expect(await key(data, 'revoke', first.id)).to.deep.equal({
          code: 0,
          stdout: '',
          stderr: `Key ${first.id} of miner id 'alice' is revoked.\n`,
        });
        expect(await listed(data)).to.have.length(1);
        const { stderr } = await key(data, 'revoke', second.id);
        expect(stderr).to.equal(
          `Key ${second.id} of miner id 'alice' is revoked.\n` +
            "It was the last one: where keys are not required of everyone, miner id 'alice' is anybody's again.\n",
        );
        expect(await listed(data)).to.deep.equal([]);
        expectRefusal(await key(data, 'revoke', second.id), 1, 'there is no such key: hourcoin key list');
      });

      it('revoke: what is no key of the list is refused, and nothing is revoked', async () => {
        const { id } = await added(data, 'alice');
        for (const other of ['', 'alice', id.slice(0, 15), `${id}0`]) {
          expectRefusal(await key(data, 'revoke', other), 1, 'there is no such key: ');
        }
        expect(await listed(data)).to.have.length(1);
      });

      it('any miner id has keys; on a terminal it is harmless', async () => {
        for (const minerId of ['zoë', 'a b', '鉱夫'.repeat(42), '\u001b[31mred', '__proto__', 'add-key']) {
          await added(data, minerId);
        }
        const lines = await listed(data);
        expect(lines.join()).to.contain('\\u001b[31mred').and.not.contain('\u001b');
        const json = JSON.parse((await key(data, 'list', '--json')).stdout) as { miner_id: string }[];
        expect(json.map(({ miner_id }) => miner_id)).to.include.members(['\u001b[31mred', '__proto__', 'zoë']);
      });
    });
  }

  it('A key holds at once on a running validator, over restarts and a kill; a revoked one holds no longer, at once', async () => {
    const data = await folderWithChain();
    const first = await started(data);
    const ask = await asker(first);
    expect(await ask('alice')).to.equal('judged');
    const { token, id } = await added(data, 'alice');
    expect(await ask('alice')).to.equal('refused');
    expect(await ask('alice', token)).to.equal('judged');
    await end(first, 'SIGKILL');

    const second = await started(data);
    const again = await asker(second);
    expect([await again('alice'), await again('alice', token)]).to.deep.equal(['refused', 'judged']);
    const other = await added(data, 'alice');
    await key(data, 'revoke', id);
    // Without showing it once more.
    expect(await again('alice')).to.equal('refused');
    expect(await again('alice', token)).to.equal('refused');
    expect(await end(second)).to.equal(0);

    await key(data, 'revoke', other.id);
    const { token: newest } = await added(data, 'alice');
    const asked = await asker(await started(data));
    expect(await asked('alice', other.token)).to.equal('refused');
    expect(await asked('alice', newest)).to.equal('judged');
  }).timeout(60_000);

  it('Keys are made and revoked while blocks are mined, and neither is lost', async () => {
    const data = newFolder();
    const validator = await started(data, '--clock-speed', '36000');
    const { token } = await added(data, 'alice');
    const env = { HOURCOIN_API_KEY: token };
    const miner = start(process.execPath, [MAIN, 'miner', 'alice', validator.jsonTcp, '--blocks', '5'], { env });
    later(() => end(miner, 'SIGKILL'));
    const ids = new Set<string>();
    for (let count = 0; count < 5; count++) ids.add((await added(data, `miner ${count}`)).id);
    expect(await miner.ended).to.equal(0);
    await end(validator, 'SIGKILL');
    expect((await listed(data)).filter((line) => ids.has(line.slice(0, 16)))).to.have.length(5);
    expect((await run(['verify', '--data', data])).code).to.equal(0);
  }).timeout(60_000);

  it('The token is nowhere: not in the data folder, not in a log at debug, not in what goes wrong', async () => {
    const data = newFolder();
    const validator = await started(data, '--log-level', 'debug', '--clock-speed', '36000');
    const { token } = await added(data, 'alice');
    const said: string[] = [];
    for (const [wire, url] of [
      ['JSON/TCP', validator.jsonTcp],
      ['gRPC', validator.grpc],
    ] as const) {
      const { code, stdout, stderr } = await run(['miner', 'alice', url, '--blocks', '1'], { HOURCOIN_API_KEY: token });
      expect(code, `${wire}: ${stderr}`).to.equal(0);
      said.push(stdout, stderr);
    }
    const client = await RawClient.connect(jsonTcpAddress(validator));
    later(() => client.destroy());
    for (const text of [
      `{"CheckLockout":{"miner_id":"alice","api_key":"${token}","api_key":"${token}"}}`,
      `"${token}"`,
    ]) {
      said.push(await client.ask(text));
    }
    const { token: wrong } = await added(data, 'bob');
    const env = { HOURCOIN_API_KEY: wrong };
    const thief = start(process.execPath, [MAIN, 'miner', 'alice', validator.grpc], { env });
    later(() => end(thief, 'SIGKILL'));
    await thief.printed(/needs its API key/);
    await end(thief, 'SIGKILL');
    await end(validator);
    for (const program of [thief, validator]) said.push(program.stdout(), program.stderr());
    expect(validator.stderr()).to.contain("Miner 'alice' submitting block");
    for (const secret of [token, wrong]) {
      expect(said.join('\n')).to.not.contain(secret.slice(4));
      expect(isWritten(secret.slice(4), data)).to.equal(false);
    }
    // Its miner id is, so that would have been found.
    expect(isWritten('alice', data)).to.equal(true);
  }).timeout(60_000);

  describe('The socket of a running validator', () => {
    it('is for its owner only, whatever the folder is, and gone once the validator has stopped', async () => {
      const data = newFolder();
      mkdirSync(data, { mode: 0o777 });
      const validator = await started(data);
      const { mode } = statSync(join(data, 'control.sock'));
      expect(mode & 0o777).to.equal(0o600);
      expect(await end(validator)).to.equal(0);
      expect(readdirSync(data)).to.not.include('control.sock');
    });

    it('may be left over from one that was killed: the next one starts, and takes commands', async () => {
      const data = newFolder();
      await end(await started(data), 'SIGKILL');
      expect(readdirSync(data)).to.include('control.sock');
      const { id } = await added(data, 'alice');
      await started(data);
      expect((await listed(data))[0]).to.contain(id);
      await added(data, 'bob');
      expect(await listed(data)).to.have.length(2);
    });

    it('may be a file or a folder of somebody: that is said, and the validator serves', async () => {
      const data = newFolder();
      mkdirSync(join(data, 'control.sock', 'mine'), { recursive: true });
      const validator = await started(data);
      expect(validator.stderr()).to.contain('Keys cannot be changed while the validator runs: ');
      expect(await (await asker(validator))('alice')).to.equal('judged');
      expectRefusal(await key(data, 'add', 'alice'), 1, 'is in use by another validator: stop that one');
    });

    it('is warned of where its path is too long for one; nobody listens elsewhere, and keys are made while it is stopped', async () => {
      const { path, remove } = temporaryFolder();
      later(remove);
      const data = join(path, 'long'.repeat(25), 'data');
      const validator = await started(data);
      expect(validator.stderr()).to.match(
        /Keys cannot be changed while the validator runs: the path of .*data is too long for a socket/,
      );
      expect(readdirSync(path)).to.deep.equal(['long'.repeat(25)]);
      expect(readdirSync(join(path, 'long'.repeat(25)))).to.deep.equal(['data']);
      expect(await (await asker(validator))('alice')).to.equal('judged');
      expectRefusal(await key(data, 'add', 'alice'), 1, 'is in use by another validator: stop that one');
      await end(validator);
      const { token } = await added(data, 'alice');
      const ask = await asker(await started(data));
      expect([await ask('alice'), await ask('alice', token)]).to.deep.equal(['refused', 'judged']);
    });

    it('takes whatever is said there: what is no command is told so, and ends nothing', async () => {
      const data = newFolder();
      const validator = await started(data);
      const ask = (bytes: Buffer): Promise<string> =>
        new Promise((resolve) => {
          const socket = connect(join(data, 'control.sock'));
          let said = '';
          socket.on('data', (piece) => {
            said += piece.toString('utf8');
          });
          socket.on('error', () => {});
          socket.on('close', () => resolve(said.slice(4)));
          socket.end(bytes);
        });
      for (const text of [
        'nonsense',
        'null',
        '{}',
        '7',
        '["no such"]',
        '["constructor"]',
        '[{}]',
        '["revoke-key"]',
        '[]',
      ]) {
        const told = JSON.parse(await ask(framed(text))) as object;
        expect(told, text).to.satisfy((told: object) => 'failed' in told || Object.keys(told).length === 0);
      }
      for (const bytes of [Buffer.of(), Buffer.of(0, 0), Buffer.alloc(8), Buffer.alloc(100, 0xff)]) await ask(bytes);
      expect(await listed(data)).to.deep.equal([]);
      await added(data, 'alice');
      expect(validator.process.exitCode).to.equal(null);
    });

    it('does not end a validator that is out of file descriptors', async () => {
      const data = newFolder();
      const few = 'ulimit -n 60; exec "$@"';
      const args = ['validator', '127.0.0.1:0', '--grpc', 'off', '--data', data];
      const validator = start('sh', ['-c', few, 'sh', process.execPath, MAIN, ...args]);
      later(() => end(validator, 'SIGKILL'));
      const [, jsonTcp = ''] = await validator.printed(/^JSON\/TCP listening on (\S+)$/m);
      await validator.printed(/^Waiting/m);
      const sockets = Array.from({ length: 100 }, () => connect(join(data, 'control.sock')));
      later(() => sockets.map((socket) => socket.destroy()));
      let gone = 0;
      for (const socket of sockets)
        socket
          .on('error', () => {})
          .once('close', () => gone++)
          .resume();
      await until(() => gone > 30, 'many are refused');
      for (const socket of sockets) socket.destroy();
      for (;;) {
        const { code } = await key(data, 'list');
        if (code === 0) break;
        expect(validator.process.exitCode).to.equal(null);
      }
      const client = await RawClient.connect(jsonTcpAddress({ jsonTcp }));
      later(() => client.destroy());
      expect(await client.ask('{"CheckLockout":{"miner_id":"alice"}}')).to.contain('"is_locked":false');
    });
  });

  describe('says what is wrong, exit code 1, and makes nothing', () => {
    for (const args of [['add', 'alice'], ['list'], ['revoke', '0123456789abcdef']]) {
      it(`key ${args[0]}: a folder that is not there, or has no chain`, async () => {
        const data = newFolder();
        const why = `there is no chain in ${data}: name the validator's folder with --data`;
        expectRefusal(await key(data, ...args), 1, why);
        expect(() => statSync(data)).to.throw('ENOENT');
        mkdirSync(data);
        writeFileSync(join(data, 'diary'), '');
        expectRefusal(await key(data, ...args), 1, why);
        expect(readdirSync(data)).to.deep.equal(['diary']);
      });
    }

    it('a folder that something else has a socket in, which does not answer as a validator does', async () => {
      const data = await folderWithChain();
      const server = createServer((socket) => socket.end('hello, who is there?'));
      later(() => server.close());
      await new Promise<void>((resolve) => server.listen(join(data, 'control.sock'), resolve));
      expectRefusal(await key(data, 'list'), 1, `the validator of ${data} cannot be asked: `);
    });
  });

  describe('wrong arguments: exit code 2', () => {
    for (const [args, why] of [
      [['add'], "missing required argument 'miner-id'"],
      [['add', ''], 'Write 1 to 256 bytes of UTF-8.'],
      [['add', 'm'.repeat(257)], 'Write 1 to 256 bytes of UTF-8.'],
      [['add', 'alice', 'bob'], 'too many arguments'],
      [['revoke'], "missing required argument 'key'"],
      [['lost'], "unknown command 'lost'"],
    ] as const) {
      it(args.map((arg) => arg.slice(0, 10) || '""').join(' '), async () => {
        expectRefusal(await run(['key', ...args]), 2, why);
      });
    }
  });

  it(`Whoever shows too little is told: ${NEEDS_KEY}`, async () => {
    const data = newFolder();
    const validator = await started(data, '--clock-speed', '36000');
    await added(data, 'alice');
    for (const url of [validator.jsonTcp, validator.grpc]) {
      const miner = start(process.execPath, [MAIN, 'miner', 'alice', url]);
      later(() => end(miner, 'SIGKILL'));
      await miner.printed(new RegExp(NEEDS_KEY));
      expect(miner.process.exitCode).to.equal(null);
    }
  });
});
