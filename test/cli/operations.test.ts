/** The commands of docs/operations.md, "Backup and repair", run as they are written, beside a running validator. */

import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { key, u32 } from '../../src/store/records.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc } from '../support/clients.js';
import { ended } from '../support/ended.js';
import { end, MAIN, start, startValidator, temporaryFolder } from '../support/programs.js';
import { madeFolder, tamper } from '../support/stores.js';

/** The repository: this file runs as dist/test/cli/operations.test.js. */
const DOCUMENT = fileURLToPath(new URL('../../../docs/operations.md', import.meta.url));

function commands(): string[] {
  const [, section = ''] = /^## Backup and repair$(.*?)^## /ms.exec(readFileSync(DOCUMENT, 'utf8')) ?? [];
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) => String(block).trim().split('\n'));
}

describe('docs/operations.md, "Backup and repair"', () => {
  const later = cleanup();

  it('every command does what it is said to do, as it is written', async () => {
    const room = temporaryFolder();
    later(room.remove);
    const validator = await startValidator(join(room.path, 'hourcoin-data'), [String(EASY)]);
    later(() => end(validator, 'SIGKILL'));
    const client = overGrpc(validator);
    later(() => client.close());
    for (const minerId of ['alice', 'bob', 'carol']) {
      await client.submitBlock(minerId, winning(await client.getRoundInfo(minerId), minerId));
    }
    const damaged = await madeFolder((chain) => {
      for (const name of ['alice', 'bob', 'carol']) chain.extend(name);
    });
    later(damaged.remove);
    await tamper(damaged.path, (database) => database.putSync(key('B', u32(2)), Buffer.alloc(90)));
    cpSync(damaged.path, join(room.path, 'damaged'), { recursive: true });

    const written = commands();
    expect(written.length).to.be.above(8);
    for (const command of written) {
      const script = `set -e; hourcoin() { "${process.execPath}" "${MAIN}" "$@"; }; ${command}`;
      const { code, stderr } = await ended(start('bash', ['-c', script], { cwd: room.path }));
      expect(code, `${command}: ${stderr}`).to.equal(0);
    }
    expect(await end(validator)).to.equal(0);
  }).timeout(60_000);
});
