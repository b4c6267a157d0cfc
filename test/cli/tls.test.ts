/** `hourcoin tls`: what it makes is good for a network, is nobody else's to read, and is never overwritten. */

import { X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { expectRefusal, run } from '../support/ended.js';
import { temporaryFolder } from '../support/programs.js';
import { clockAhead } from '../support/tls.js';

const DAY = 86_400_000;

describe('hourcoin tls', () => {
  const later = cleanup();

  /** A folder that is not there yet. */
  function newFolder(): string {
    const { path, remove } = temporaryFolder();
    later(remove);
    return join(path, 'tls');
  }

  /** Runs it, and gives what it has printed. */
  async function tls(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(['tls', ...args]);
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    return stdout;
  }

  const certificate = (folder: string, name: string): X509Certificate =>
    new X509Certificate(readFileSync(join(folder, `${name}.pem`)));

  /** How many days a certificate lasts yet, rounded. */
  const daysLeft = ({ validTo }: X509Certificate): number => Math.round((Date.parse(validTo) - Date.now()) / DAY);

  describe('init', () => {
    it('makes an authority, a certificate for the validator and one for each miner, with keys for their owner only', async () => {
      const folder = newFolder();
      await tls('init', folder, '--name', 'validator.example', '10.0.0.5', '--client', 'alice', 'bob');
      const names = ['alice', 'bob', 'ca', 'server'];
      expect(readdirSync(folder).sort()).to.deep.equal(names.flatMap((name) => [`${name}-key.pem`, `${name}.pem`]));
      const modes = names.map((name) => statSync(join(folder, `${name}-key.pem`)).mode & 0o777);
      expect(modes).to.deep.equal([0o600, 0o600, 0o600, 0o600]);
      expect(statSync(folder).mode & 0o777).to.equal(0o700);

      const authority = certificate(folder, 'ca');
      expect(authority.ca).to.equal(true);
      expect(daysLeft(authority)).to.equal(3_650);
      for (const name of ['alice', 'bob', 'server']) {
        const made = certificate(folder, name);
        expect(made.ca).to.equal(false);
        expect(made.checkIssued(authority) && made.verify(authority.publicKey), name).to.equal(true);
      }
      const server = certificate(folder, 'server');
      for (const host of ['validator.example', 'localhost']) expect(server.checkHost(host), host).to.equal(host);
      for (const address of ['10.0.0.5', '127.0.0.1', '::1'])
        expect(server.checkIP(address), address).to.equal(address);
      expect(server.checkHost('other.example')).to.equal(undefined);
      expect(server.keyUsage).to.deep.equal(['1.3.6.1.5.5.7.3.1']);
      expect(daysLeft(server)).to.equal(3_650);
      const alice = certificate(folder, 'alice');
      expect(alice.subject).to.equal('CN=alice');
      expect(alice.keyUsage).to.deep.equal(['1.3.6.1.5.5.7.3.2']);
      expect(daysLeft(alice)).to.equal(730);
    });

    it('says what it has made, until when, and what to run next', async () => {
      const folder = newFolder();
      const path = (name: string): string => join(folder, name);
      const [authority, server, alice, , , , next, validator, miner, ...commands] = (
        await tls('init', folder, '--name', 'validator.example', '--client', 'alice')
      ).split('\n');
      const until = (name: string): string => new Date(certificate(folder, name).validTo).toISOString().slice(0, 10);
      expect(authority).to.equal(
        `${path('ca.pem')}, ${path('ca-key.pem')}: the network's authority, until ${until('ca')}`,
      );
      expect(server).to.contain(
        `: the validator at validator.example, localhost, 127.0.0.1, ::1, until ${until('server')}`,
      );
      expect(alice).to.contain(`: the miner alice, until ${until('alice')}`);
      expect(next).to.contain('Next, the validator');
      expect(validator).to.equal(
        '  hourcoin validator --listen tls://0.0.0.0:8443 --listen grpcs://0.0.0.0:50443' +
          ` --tls-cert ${path('server.pem')} --tls-key ${path('server-key.pem')} --tls-client-ca ${path('ca.pem')}`,
      );
      expect(miner).to.contain('the miner alice');
      const files = `--ca ${path('ca.pem')} --cert ${path('alice.pem')} --key ${path('alice-key.pem')}`;
      expect(commands).to.deep.equal([
        `  hourcoin miner alice tls://validator.example:8443 ${files}`,
        `  hourcoin miner alice grpcs://validator.example:50443 ${files}`,
        '',
      ]);
    });

    it('needs no more than a folder: a validator on this machine, and a miner called miner', async () => {
      const folder = newFolder();
      const printed = await tls('init', folder);
      expect(certificate(folder, 'miner').subject).to.equal('CN=miner');
      expect(printed).to.contain('--listen tls://127.0.0.1:8443').and.to.contain('miner tls://localhost:8443');
    });

    it('takes any miner id: what is in it stands in the certificate as it is, and never in a path', async () => {
      const folder = newFolder();
      const minerIds = ['../etc', 'a "b", CN=c\\d', 'zoë', "it's", '..', '#41', '鉱夫'];
      const printed = await tls('init', folder, '--client', ...minerIds);
      const files = readdirSync(folder).filter((file) => !/-key\.pem$|^(ca|server)\./.test(file));
      const names = files.map((file) => certificate(folder, file.replace(/\.pem$/, '')).toLegacyObject().subject.CN);
      expect(names.sort()).to.deep.equal([...minerIds].sort());
      expect(printed).to.contain('hourcoin miner ../etc tls://');
      expect(await tls('client', folder, "it's mine")).to.contain(`hourcoin miner 'it'\\''s mine' tls://`);
    });

    it('overwrites nothing: exit code 1, and what is there is as it was', async () => {
      const folder = newFolder();
      await tls('init', folder);
      const before = readFileSync(join(folder, 'ca-key.pem'));
      expectRefusal(await run(['tls', 'init', folder, '--client', 'new']), 1, 'ca.pem is there already');
      expect(readFileSync(join(folder, 'ca-key.pem')).equals(before)).to.equal(true);
      expect(readdirSync(folder)).to.have.length(6);
      const other = newFolder();
      mkdirSync(other);
      writeFileSync(join(other, 'server-key.pem'), 'mine');
      expectRefusal(await run(['tls', 'init', other]), 1, 'server-key.pem is there already');
      expect(readdirSync(other)).to.deep.equal(['server-key.pem']);
    });

    it('says so where it cannot write: exit code 1', async () => {
      const file = newFolder();
      writeFileSync(file, '');
      expectRefusal(await run(['tls', 'init', join(file, 'tls')]), 1, 'error: cannot write: ENOTDIR');
    });

    for (const [what, args, why] of [
      ['a miner whose files would be the validator’s', ['--client', 'server'], 'would be made twice'],
      ['miners whose files would be each other’s', ['--client', 'x', 'x-key'], 'would be made twice'],
      ['a miner id that is too long for a name', ['--client', 'm'.repeat(65)], 'at most 64 characters'],
      ['a miner id that is none', ['--client', ''], 'Write 1 to 256 bytes of UTF-8.'],
      ['a name with a port', ['--name', 'localhost:8443'], 'Write a name or an address, without a port.'],
      ['a name that is none', ['--name', 'a b'], 'Write a name or an address, without a port.'],
    ] as const) {
      it(`refuses ${what}: exit code 2, and nothing is made`, async () => {
        const folder = newFolder();
        expectRefusal(await run(['tls', 'init', folder, ...args]), 2, why);
        expect(() => statSync(folder)).to.throw('ENOENT');
      });
    }
  });

  describe('client', () => {
    it('makes a certificate for one more miner, of the same authority', async () => {
      const folder = newFolder();
      await tls('init', folder);
      const printed = await tls('client', folder, 'carol');
      const carol = certificate(folder, 'carol');
      expect(carol.subject).to.equal('CN=carol');
      expect(carol.verify(certificate(folder, 'ca').publicKey)).to.equal(true);
      expect(carol.serialNumber).to.not.equal(certificate(folder, 'miner').serialNumber);
      expect(statSync(join(folder, 'carol-key.pem')).mode & 0o777).to.equal(0o600);
      expect(printed).to.contain('hourcoin miner carol tls://HOST:8443');
    });

    it('overwrites nothing: exit code 1', async () => {
      const folder = newFolder();
      await tls('init', folder);
      for (const minerId of ['miner', 'ca', 'server']) {
        expectRefusal(await run(['tls', 'client', folder, minerId]), 1, `${minerId}.pem is there already`);
      }
    });

    it('says so where there is no authority, or another one’s key: exit code 1', async () => {
      const [folder, other] = [newFolder(), newFolder()];
      await Promise.all([tls('init', folder), tls('init', other)]);
      writeFileSync(join(folder, 'ca-key.pem'), readFileSync(join(other, 'ca-key.pem')));
      expectRefusal(await run(['tls', 'client', folder, 'carol']), 1, 'are no authority and its key');
      expectRefusal(await run(['tls', 'client', `${folder}x`, 'carol']), 1, 'there is no authority in');
      writeFileSync(join(other, 'ca.pem'), 'not PEM');
      expectRefusal(await run(['tls', 'client', other, 'carol']), 1, 'there is no authority in');
    });

    it('makes none that outlives its authority, and none at all of one that has expired', async () => {
      const folder = newFolder();
      expect((await run(['tls', 'init', folder], clockAhead(-3_600 * DAY))).code).to.equal(0);
      await tls('client', folder, 'carol');
      expect(certificate(folder, 'carol').validTo).to.equal(certificate(folder, 'ca').validTo);
      const late = await run(['tls', 'client', folder, 'dave'], clockAhead(51 * DAY));
      const end = new Date(certificate(folder, 'ca').validTo).toISOString().slice(0, 10);
      expectRefusal(late, 1, `has expired on ${end}: make another one with hourcoin tls init`);
      expect(readdirSync(folder)).to.not.include('dave-key.pem');
    });
  });
});
