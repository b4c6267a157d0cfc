/** Building before a program runs: what a clone says that is not installed yet. */

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { cleanup } from '../support/cleanup.js';
import { ended } from '../support/ended.js';
import { start, temporaryFolder } from '../support/programs.js';

/** The repository: this file runs as dist/test/cli/build.test.js. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

describe('A clone in which npm ci has not run', () => {
  const later = cleanup();

  it('says so, with exit code 1, whatever is run', async () => {
    const clone = temporaryFolder();
    later(clone.remove);
    for (const name of ['scripts', 'package.json'])
      cpSync(join(ROOT, name), join(clone.path, name), { recursive: true });
    for (const script of ['scripts/run.js', 'scripts/build.js']) {
      const { code, stderr } = await ended(start(process.execPath, [join(clone.path, script), 'validator']));
      expect(stderr).to.equal('error: what Hourcoin is built with is not installed: run npm ci first\n');
      expect(code).to.equal(1);
    }
  });
});
