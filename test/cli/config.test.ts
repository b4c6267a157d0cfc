/** hourcoin.yaml, the environment and the command line: one precedence, which `hourcoin config` shows; what is wrong in a file is said with its line. */

import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { overJsonTcp } from '../support/clients.js';
import { type Ended, ended, expectRefusal } from '../support/ended.js';
import { end, hourcoin, temporaryFolder } from '../support/programs.js';
import { present } from '../support/stores.js';
import { makeCertificates } from '../support/tls.js';

/** docs: this file runs as dist/test/cli/config.test.js. */
const DOCS = fileURLToPath(new URL('../../../docs/', import.meta.url));

/** What `hourcoin config --json` says. */
interface Shown {
  readonly file: string | null;
  readonly settings: Readonly<
    Record<string, { readonly value: unknown; readonly source: string; readonly where: string | null }>
  >;
}

describe('Configuration', () => {
  const later = cleanup();

  /** A new folder with a hourcoin.yaml in it, or none. */
  function folderWith(text?: string): string {
    const folder = temporaryFolder();
    later(folder.remove);
    if (text !== undefined) writeFileSync(join(folder.path, 'hourcoin.yaml'), text);
    return folder.path;
  }

  function config(cwd: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return ended(hourcoin(['config', ...args], { cwd, env }));
  }

  /** What it is configured to do. */
  async function shown(cwd: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Shown> {
    const { code, stdout, stderr } = await config(cwd, ['--json', ...args], env);
    expect([code, stderr]).to.deep.equal([0, '']);
    return JSON.parse(stdout);
  }

  describe('The command line wins over the environment, that over the file, that over the default', () => {
    /** An option, its default, and three other values: in the file, in the environment, on the command line. */
    const rows: [string, unknown, [string, unknown], [string, unknown], [string[], unknown]][] = [
      ['max-connections', 10_000, ['5', 5], ['6', 6], [['--max-connections', '7'], 7]],
      ['address', '127.0.0.1:8080', ['"[::1]:1"', '[::1]:1'], ['h:2', 'h:2'], [['h:3'], 'h:3']],
      ['difficulty', null, ['0x05', '0x5'], ['6', '0x6'], [['0x7'], '0x7']],
      ['insecure', false, ['true', true], ['off', false], [['--insecure'], true]],
      [
        'listen',
        null,
        ['[h:1, "h:2"]', ['h:1', 'h:2']],
        ['h:3,h:4', ['h:3', 'h:4']],
        [
          ['--listen', 'h:5', '--listen', 'h:6'],
          ['h:5', 'h:6'],
        ],
      ],
    ];
    const variable = (name: string): string => `HOURCOIN_${name.toUpperCase().replaceAll('-', '_')}`;

    /** With nothing, with the file, with the environment too, and with the command line too. */
    let all: Shown[];
    const folder = temporaryFolder();
    const file = join(folder.path, 'hourcoin.yaml');
    before(async () => {
      writeFileSync(file, rows.map(([name, , [inFile]]) => `${name}: ${inFile}\n`).join(''));
      const env = Object.fromEntries(rows.map(([name, , , [text]]) => [variable(name), text]));
      const args = rows.flatMap(([, , , , [words]]) => words);
      const cwd = folder.path;
      all = await Promise.all([shown(folderWith()), shown(cwd), shown(cwd, [], env), shown(cwd, args, env)]);
    }).timeout(20_000);
    after(() => folder.remove());

    for (const [at, [name, byDefault, [, fromFile], [, fromEnvironment], [, fromLine]]] of rows.entries()) {
      it(name, () => {
        expect(all.map(({ settings }) => settings[name])).to.deep.equal([
          { value: byDefault, source: 'default', where: null },
          { value: fromFile, source: 'file', where: `${file}:${at + 1}` },
          { value: fromEnvironment, source: 'environment', where: variable(name) },
          { value: fromLine, source: 'command line', where: null },
        ]);
      });
    }

    it('an empty variable is none', async () => {
      const { settings } = await shown(folderWith('max-memory: 99'), [], { HOURCOIN_MAX_MEMORY: '' });
      expect(settings['max-memory']).to.deep.include({ value: 99, source: 'file' });
    });

    it('a flag in the environment is on or off, and nothing else', async () => {
      const cwd = folderWith('limit-loopback: yes\nallow-clock-behind: No');
      const env = { HOURCOIN_AUTH_READS: 'TRUE', HOURCOIN_INSECURE: '1', HOURCOIN_LIMIT_LOOPBACK: 'no' };
      const { settings } = await shown(cwd, [], env);
      const flags = ['auth-reads', 'insecure', 'limit-loopback', 'allow-clock-behind'];
      expect(flags.map((name) => settings[name]?.value)).to.deep.equal([true, true, false, false]);
      const wrong = await config(cwd, [], { HOURCOIN_AUTH_READS: 'flase' });
      expectRefusal(wrong, 2, "value 'flase' from env 'HOURCOIN_AUTH_READS' is invalid. Write true or false.");
    });

    it('a wrong argument in the environment is refused', async () => {
      const ending = await config(folderWith(), [], { HOURCOIN_DIFFICULTY: '0' });
      expectRefusal(ending, 2, "difficulty '0' from env 'HOURCOIN_DIFFICULTY' is invalid. Write 0x hexadecimal");
    });
  });

  it('A variable that no option is called sets nothing, and that is told; those of other commands are known', async () => {
    const env = {
      HOURCOIN_MAX_CONNECTION: '5',
      HOURCOIN_API_KEY: 'hck_0123456789',
      HOURCOIN_ADDRESS: '',
      HOURCOIN_THREADS: '2',
    };
    const { code, stderr } = await config(folderWith(), [], env);
    expect(code).to.equal(0);
    expect(JSON.parse(stderr)).to.deep.include({
      level: 40,
      msg: 'The environment has HOURCOIN_MAX_CONNECTION, which no option is called: ignored',
    });
  });

  describe('Which file', () => {
    it('the one that is named, by --config or else HOURCOIN_CONFIG, or else hourcoin.yaml in the current folder', async () => {
      const cwd = folderWith('max-memory: 101');
      for (const name of ['a', 'b'])
        writeFileSync(join(cwd, `${name}.yaml`), `max-memory: ${name === 'a' ? 102 : 103}`);
      const files = await Promise.all([
        shown(folderWith()),
        shown(cwd),
        shown(cwd, [], { HOURCOIN_CONFIG: 'a.yaml' }),
        shown(cwd, ['--config', join(cwd, 'b.yaml')], { HOURCOIN_CONFIG: 'a.yaml' }),
        shown(cwd, ['--config', '/dev/null']),
      ]);
      expect(files.map(({ file, settings }) => [file, settings['max-memory']?.value])).to.deep.equal([
        [null, 1_024],
        [join(cwd, 'hourcoin.yaml'), 101],
        [join(cwd, 'a.yaml'), 102],
        [join(cwd, 'b.yaml'), 103],
        ['/dev/null', 1_024],
      ]);
    });

    it('one that is named must be there', async () => {
      const cwd = folderWith('max-memory: 101');
      expectRefusal(
        await config(cwd, ['--config', 'none.yaml']),
        2,
        `${join(cwd, 'none.yaml')} cannot be read: ENOENT`,
      );
    });

    it('one that is there must be readable, though nobody named it', async () => {
      const cwd = folderWith();
      mkdirSync(join(cwd, 'hourcoin.yaml'));
      expectRefusal(await config(cwd), 2, 'hourcoin.yaml cannot be read: EISDIR');
    });

    it('of another command none: those of miners mean something else', async () => {
      const cwd = folderWith('nonsense');
      const ending = await ended(hourcoin(['verify'], { cwd }));
      expect(ending.stderr).to.not.contain('hourcoin.yaml');
    });
  });

  it('A validator runs as its file says, tells which file that was, and no bit of the difficulty is lost', async () => {
    const difficulty = '0x00ffffffffffffffffffffffffffff01';
    const cwd = folderWith(
      `address: 127.0.0.1:0\ngrpc: off\ndifficulty: ${difficulty}\ndata: chain\nlisten:\n- 127.0.0.1:0\n`,
    );
    const program = hourcoin(['validator'], { cwd });
    later(() => end(program, 'SIGKILL'));
    await program.printed(/^Waiting for miner connections\.\.\.$/m);
    const [, jsonTcp = ''] = await program.printed(/^JSON\/TCP listening on (\S+)$/m);
    expect(program.stdout()).to.contain(`Configuration:\n  File: ${join(cwd, 'hourcoin.yaml')}\n  Address: `);
    expect(program.stdout().match(/listening on/g)).to.have.length(2);
    expect(existsSync(join(cwd, 'chain', 'data.mdb'))).to.equal(true);
    const client = overJsonTcp({ jsonTcp });
    later(() => client.close());
    expect(BigInt((await client.getBlockchainInfo()).difficulty)).to.equal(BigInt(difficulty));
    expect(await end(program)).to.equal(0);
  });

  describe('hourcoin config', () => {
    it('prints a hourcoin.yaml that says the same', async () => {
      const cwd = folderWith();
      const args = ['h:1', '0xF0', '--listen', 'h:2', '--listen', '[::1]:3', '--data', 'null', '--auth-reads'];
      const env = { HOURCOIN_TLS_CLIENT_CA: '', HOURCOIN_CLOCK_SPEED: '0.5', HOURCOIN_PROXY_FROM: '10.0.0.0/8,::1' };
      const { code, stdout, stderr } = await config(cwd, args, env);
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout).to.match(
        /^# No file was read\.\naddress: h:1 +# command line\ndifficulty: "0xF0" +# command line\n/i,
      );
      expect(stdout).to.match(/^listen: +# command line\n {2}- h:2\n {2}- "\[::1\]:3"\n#tls-cert: +# not set$/m);
      expect(stdout).to.match(/^clock-speed: 0\.5 +# HOURCOIN_CLOCK_SPEED$/m);

      writeFileSync(join(cwd, 'hourcoin.yaml'), stdout);
      const [before, after] = await Promise.all([shown(cwd, ['--config', '/dev/null', ...args], env), shown(cwd)]);
      const values = ({ settings }: Shown) => Object.entries(settings).map(([name, { value }]) => [name, value]);
      expect(values(after)).to.deep.equal(values(before));
    });

    it('has every option of the validator, and no other', async () => {
      const [{ settings }, help] = await Promise.all([shown(folderWith()), ended(hourcoin(['validator', '--help']))]);
      const options = [...help.stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, name]) => String(name));
      expect(Object.keys(settings).sort()).to.deep.equal(
        ['address', 'difficulty', ...options.filter((name) => !['config', 'help'].includes(name))].sort(),
      );
    });

    it('starts nothing and makes nothing', async () => {
      const cwd = folderWith();
      await shown(cwd);
      expect(existsSync(join(cwd, 'hourcoin-data'))).to.equal(false);
    });

    it('says what a start would say of the time sources', async () => {
      const { code, stderr } = await config(folderWith('require-time: true'));
      expect([code, stderr.split(':')[1]]).to.deep.equal([1, ' time can be required of outside sources only']);
    });

    it('says what a start would say of the addresses and certificates: exit code 1, and still where each came from', async () => {
      const cwd = folderWith('listen: [grpcs://0.0.0.0:50443]\n');
      const { code, stdout, stderr } = await config(cwd);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^error: grpcs:\/\/0\.0\.0\.0:50443 needs a certificate: [^\n]*\n$/);
      expect(stdout).to.match(/^listen: +# \S*hourcoin\.yaml:1$/m);

      const ours = await makeCertificates();
      later(() => ours.remove());
      symlinkSync(ours.folder, join(cwd, 'tls'));
      const cert = ['--tls-cert', 'tls/server.pem', '--tls-key'];
      expect((await config(cwd, [...cert, 'tls/server-key.pem'])).code).to.equal(0);
      const wrong = await config(cwd, [...cert, 'tls/miner-key.pem']);
      expect([wrong.code, wrong.stderr.split(':')[1]]).to.deep.equal([1, ' TLS cannot be served']);
    });
  });

  describe('A wrong file ends the program with one line that says where and what to do, and exit code 2', () => {
    const nested = (text: string): string => `data: ${text.repeat(30_000)}`;
    const rows: [string, string | Buffer, string][] = [
      [
        'an unknown option',
        'data: x\nmax-conections: 5',
        "2:1: there is no option 'max-conections': did you mean max-connections?",
      ],
      [
        'the program’s own name for one',
        'maxConnections: 5',
        "1:1: there is no option 'maxConnections': did you mean max-connections?",
      ],
      [
        'an option with its dashes',
        '--log-level: info',
        "1:1: there is no option '--log-level': did you mean log-level?",
      ],
      ['one like no other', 'colour: red', "1:1: there is no option 'colour': see hourcoin validator --help"],
      ['one of another command', 'json: true', "1:1: there is no option 'json': "],
      ['another file', 'config: x', "1:1: there is no option 'config': "],
      ['an option twice', 'data: a\n\ndata: b', '3:1: data is set twice, first in line 1: keep one of them'],
      ['a wrong number', 'max-memory: 1e3', "1:13: '1e3' is invalid for max-memory. Write a whole number from 64 to"],
      ['a wrong choice', 'auth:   none', "1:9: 'none' is invalid for auth. Allowed choices are open, required."],
      ['a wrong address in a list', 'listen:\n  - h:1\n  - h', "3:5: 'h' is invalid for listen. Write host:port"],
      ['a difficulty beyond 128 bits', `difficulty: 0x1${'0'.repeat(32)}`, '1:13: '],
      ['a flag that is neither', 'insecure: maybe', "1:11: 'maybe' is invalid for insecure. Write true or false."],
      ['no value', 'data:\nlog-level: info', '1:6: data has no value: give it one, or leave it out'],
      ['null', 'data: ~', '1:7: data has no value'],
      ['null in a list', 'listen: [h:1, null]', '1:15: listen has no value'],
      ['one value for a list', 'listen: h:1', '1:9: listen is a list: write each value in a line with "- "'],
      ['a list for one value', 'data: [a]', '1:7: data has one value: write it without a list'],
      ['an empty list', 'listen: []', '1:9: the list of listen is empty: leave it out'],
      ['a mapping', 'tls-cert:\n  file: x', '2:3: here stands one value: no mapping, list or alias'],
      ['a list in a list', 'listen: [[h:1]]', '1:10: here stands one value'],
      ['an option that is no name', '? [data]\n: x', '1:3: here stands one value'],
      ['an alias', 'data: &a x\ntls-cert: *a', '2:11: here stands one value'],
      ['a merge', '<<: {data: x}', "1:1: there is no option '<<'"],
      ['another type', 'max-memory: !!int 99', '1:13: this is not YAML as it is read here: Unresolved tag'],
      ['several lines', 'data: |\n  a\n  b\n', '1:7: a value is one line, without control characters'],
      ['a control character', 'data: "a\\0b"', '1:7: a value is one line, without control characters'],
      ['a list of options', '- data: x', '1:1: this is no list of options: write one a line'],
      ['a text', 'data', '1:1: this is no list of options'],
      ['another document', 'data: x\n---\ndata: y', '2:1: a second document begins here: keep one of them'],
      ['tabs', 'data: x\n\tlog-level: info', '2:1: this is not YAML as it is read here: Tabs'],
      ['a quote without its end', 'data: "x', '1:9: this is not YAML as it is read here: Missing closing'],
      ['two on a line', 'data: log-level: info', '1:7: this is not YAML as it is read here: Nested mappings'],
      ['what nests without end', nested('['), 'this is nested too deeply'],
      ['the same with lines', nested('\n[').replace('data: ', ''), 'this is nested too deeply'],
      ['the same with dashes', nested('- ').replace('data: ', ''), 'this is nested too deeply'],
      ['the same with keys', nested('? ').replace('data: ', ''), 'this is nested too deeply'],
      ['a file that is too long', '#'.repeat(65_537), ' cannot be read: it is longer than 64 KiB'],
      ['what is no text', Buffer.from('data: \xff', 'latin1'), ' cannot be read: it is not UTF-8'],
    ];

    /** Run three at a time: each takes as long as Node does to start. */
    const endings = new Map<string, Ended>();
    const folder = temporaryFolder();
    before(async () => {
      const waiting = [...rows.entries()];
      const runner = async (): Promise<void> => {
        for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
          const [at, [name, text]] = row;
          const file = join(folder.path, `${at}.yaml`);
          writeFileSync(file, text);
          const args = ['--config', file, '--data', join(folder.path, 'data')];
          endings.set(name, await ended(hourcoin([at % 2 === 0 ? 'validator' : 'config', ...args])));
        }
      };
      await Promise.all([runner(), runner(), runner()]);
    }).timeout(60_000);
    after(() => folder.remove());

    for (const [at, [name, , why]] of rows.entries()) {
      it(name, () => {
        const ending = present(endings.get(name));
        expectRefusal(ending, 2, why);
        expect(ending.stderr).to.contain(`${join(folder.path, String(at))}.yaml`);
      });
    }

    it('also where the command line gives the option: a file that is wrong is not half read', async () => {
      const ending = await config(folderWith('max-memory: much'), ['--max-memory', '99']);
      expectRefusal(ending, 2, "1:13: 'much' is invalid for max-memory.");
    });

    it('No data folder was made', () => {
      expect(existsSync(join(folder.path, 'data'))).to.equal(false);
    });
  });

  describe('docs/hourcoin.yaml', () => {
    const sample = readFileSync(`${DOCS}hourcoin.yaml`, 'utf8');

    /** A validator is seen from outside only where it is told to; who copies the sample wants to see it. */
    const OTHER: Readonly<Record<string, unknown>> = { http: '127.0.0.1:9464' };

    it('sets every option that has a default to it, and no other', async () => {
      const { settings } = await shown(folderWith(sample));
      const unlike = Object.entries(await shown(folderWith()).then((plain) => plain.settings)).filter(
        ([name, { value }]) => settings[name]?.value !== value,
      );
      expect(Object.fromEntries(unlike.map(([name]) => [name, settings[name]?.value]))).to.deep.equal(OTHER);
      const unset = Object.entries(settings).filter(([, { value, source }]) => value !== null && source !== 'file');
      expect(unset.map(([name]) => name)).to.deep.equal([]);
    });

    it('has an example of each option that has none', async () => {
      const examples = sample.replaceAll(/^#(?=[a-z]| {2}- )/gm, '');
      const { stdout } = await config(folderWith(examples), ['--json']);
      const { settings } = JSON.parse(stdout) as Shown;
      const others = Object.entries(settings).filter(([, { source }]) => source !== 'file');
      expect(others.map(([name]) => name)).to.deep.equal([]);
    });
  });
});
