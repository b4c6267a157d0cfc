/** The scripts of package.json: npm's own process stands for the program. */

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { jsonTcpAddress } from '../support/clients.js';
import { ended } from '../support/ended.js';
import { end, type Program, start, temporaryFolder } from '../support/programs.js';
import { RawClient } from '../support/sockets.js';

/** The repository: this file runs as dist/test/cli/npm.test.js. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

describe('npm run', () => {
  const later = cleanup();

  function npm(...args: string[]): Program {
    const program = start('npm', ['run', '--silent', ...args], { cwd: ROOT });
    later(() => end(program, 'SIGKILL'));
    return program;
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`${signal} sent to npm reaches the validator; its exit code is npm's, and nothing is left running`, async () => {
      const folder = temporaryFolder();
      later(folder.remove);
      const program = npm('validator', '--', '127.0.0.1:0', '--grpc', 'off', '--data', folder.path);
      const [, jsonTcp] = await program.printed(/^JSON\/TCP listening on (\S+)$/m);
      await program.printed(/^Waiting for miner connections\.\.\.$/m);
      const address = jsonTcpAddress({ jsonTcp: String(jsonTcp) });
      const client = await RawClient.connect(address);
      expect(await end(program, signal)).to.equal(0);
      expect(program.stdout()).to.match(/Stopping\.\.\.\n$/);
      // The validator has closed what it served, and nobody listens there any more: it is gone, not only npm.
      expect(await client.answers()).to.deep.equal([]);
      client.destroy();
      const again = await RawClient.connect(address).then(
        () => 'connected',
        (error: NodeJS.ErrnoException) => error.code,
      );
      expect(again).to.equal('ECONNREFUSED');
    });
  }

  it("The exit code of wrong arguments is npm's too", async () => {
    const { code, stderr } = await ended(npm('validator', '--', '127.0.0.1'));
    expect(stderr).to.match(/^error: .* Write HOST:PORT/m);
    expect(code).to.equal(2);
  });
});
