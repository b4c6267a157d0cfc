// npm run lint: code and schemas are formatted and linted, what the library offers is documented, gen/ is what proto/ makes, and no released schema is broken.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
let failed = 0;

check('biome', 'npx biome check --error-on-warnings .');
check('api docs', 'npx typedoc --emit none --logLevel Warn');
check('buf lint', 'npx buf lint');
check('buf format', 'npx buf format -d --exit-code');
check('gen/ is fresh', 'npm run --silent gen');
checkEmpty('gen/ is committed', 'git status --porcelain -- gen');

const release = output('git tag --list v* --sort=-version:refname').split('\n')[0];
if (release) check(`buf breaking against ${release}`, `npx buf breaking --against .git#tag=${release}`);
else process.stdout.write('- buf breaking: there is no release tag yet to compare with\n');

process.exit(failed === 0 ? 0 : 1);

function check(name, command) {
  const [program, ...args] = command.split(' ');
  report(name, spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2] }).status === 0);
}

function checkEmpty(name, command) {
  const said = output(command);
  if (said !== '') process.stderr.write(`${said}\n`);
  report(name, said === '');
}

function report(name, holds) {
  process.stdout.write(`${holds ? '✓' : '✗'} ${name}\n`);
  if (!holds) failed++;
}

function output(command) {
  const [program, ...args] = command.split(' ');
  return spawnSync(program, args, { cwd: root, encoding: 'utf8' }).stdout.trim();
}
