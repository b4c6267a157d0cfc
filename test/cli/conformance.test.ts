/** `hourcoin conformance`, against the real program: as it is, and with a rule of the engine broken. */

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { breakBuild } from '../support/broken-build.js';
import { cleanup } from '../support/cleanup.js';
import { ended } from '../support/ended.js';
import { end, hourcoin, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';

describe('hourcoin conformance', () => {
  const atEnd = cleanup();

  async function validator(main?: string): Promise<RunningValidator> {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    const running = await startValidator(folder.path, [], main);
    atEnd(() => end(running));
    return running;
  }

  it('Our validator conforms in every line, on both wires, and once more on its chain with blocks', async () => {
    const { jsonTcp, grpc } = await validator();
    for (const validators of [[jsonTcp, grpc], [grpc]]) {
      const { code, stdout, stderr } = await ended(hourcoin(['conformance', ...validators]));
      expect(stderr).to.equal('');
      const lines = stdout.trimEnd().split('\n');
      expect(lines.filter((line) => !validators.includes(line) && !line.startsWith('  ✓ '))).to.deep.equal([
        `${lines.length - 1 - validators.length} conform, 0 differ, 0 skipped`,
      ]);
      expect(stdout).to.contain('  ✓ A good block is accepted\n').and.contain('  ✓ An output twice in one block\n');
      expect(code).to.equal(0);
    }
  });

  it('A validator with a broken rule is told by the line of that rule, and the exit code is 1', async () => {
    const broken = {
      rule: 'an input is spent once in a block',
      file: 'rules.js',
      from: 'spent.has(key) || ',
      to: '',
    };
    const { jsonTcp, grpc } = await validator(fileURLToPath(new URL('src/cli/main.js', breakBuild(broken, atEnd))));
    for (const address of [jsonTcp, grpc]) {
      const { code, stdout, stderr } = await ended(hourcoin(['conformance', address]));
      const differ = stdout.split('\n').filter((line) => line.startsWith('  ✗ '));
      expect(differ).to.deep.equal([
        '  ✗ An input twice in one transaction',
        '  ✗ An input that another transaction of the block has spent',
      ]);
      expect(stdout).to.match(/^ {6}expected RejectedBlockchainValidation: .*InvalidInput; it was accepted$/m);
      expect(stderr).to.equal('error: it does not conform in all that was tried\n');
      expect(code).to.equal(1);
    }
  });

  it('Where nobody listens it says so in one line', async () => {
    const { code, stderr } = await ended(hourcoin(['conformance', '127.0.0.1:1']));
    expect([code, stderr]).to.deep.equal([1, 'error: cannot reach 127.0.0.1:1: nobody listens there\n']);
  });

  it('What is no address is a wrong argument', async () => {
    const { code, stderr } = await ended(hourcoin(['conformance', 'here']));
    expect(code).to.equal(2);
    expect(stderr).to.contain('Write host:port or tls://host:port for JSON/TCP, grpc://host:port or grpcs://host:port');
  });
});
