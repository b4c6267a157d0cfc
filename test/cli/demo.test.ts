/** `hourcoin demo`: a whole network for a few seconds. */

import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { ended } from '../support/ended.js';
import { end, hourcoin, temporaryFolder } from '../support/programs.js';

describe('hourcoin demo', () => {
  const later = cleanup();

  it('Blocks are accepted over both protocols and every balance is the sum of its blocks; exit code 0, nothing is left', async () => {
    const folder = temporaryFolder();
    later(folder.remove);
    const program = hourcoin(['demo', '--seconds', '3', '--miners', '4'], { env: { TMPDIR: folder.path } });
    const { code, stdout, stderr } = await ended(program);
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.match(
      /^A validator on 127\.0\.0\.1:\d+ \(JSON\/TCP\) and 127\.0\.0\.1:\d+ \(gRPC\), 4 miners, for 3 s\.$/m,
    );
    const [, height, jsonTcp, grpc] = (
      / {2}Blocks accepted: {2}(\d+) \((\d+) over JSON\/TCP, (\d+) over gRPC\)/.exec(stdout) ?? []
    ).map(Number) as [number, number, number, number];
    expect(jsonTcp).to.be.greaterThan(0);
    expect(grpc).to.be.greaterThan(0);
    expect(jsonTcp + grpc).to.equal(height);
    expect(stdout).to.include(`  Lockouts:         ${height} begun, `);
    expect(stdout).to.include(`  Balances:         ${2 * height} hours in all, 2 for each block\n`);
    expect(stdout.match(/: ✓ block #\d+ accepted over /g)?.length).to.equal(height);
    for (const name of ['alice', 'bob', 'carol', 'dave'])
      expect(stdout).to.match(new RegExp(`^${name} .* (JSON/TCP|gRPC) `, 'm'));
    expect(readdirSync(folder.path)).to.deep.equal([]);
  });

  it('Ctrl-C ends it early, with its summary', async () => {
    const folder = temporaryFolder();
    later(folder.remove);
    const program = hourcoin(['demo', '--seconds', '600', '--miners', '1'], { env: { TMPDIR: folder.path } });
    later(() => end(program, 'SIGKILL'));
    await program.printed(/alice: ✓ block #0 accepted/);
    expect(await end(program, 'SIGINT')).to.equal(0);
    expect(program.stdout()).to.match(/^ {2}Blocks accepted: {2}1 /m);
    expect(readdirSync(folder.path)).to.deep.equal([]);
  });
});
