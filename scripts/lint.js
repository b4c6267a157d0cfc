// npm run lint: code and schemas are formatted and linted, what the library offers is documented, what is generated is fresh and committed, and
// no released schema is broken.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
let failed = 0;

check('biome', 'npx biome check --error-on-warnings .');
check('api docs', 'npx typedoc --emit none --logLevel Warn');
check('buf lint', 'npx buf lint');
check('buf format', 'npx buf format -d --exit-code');
check('gen/ is fresh', 'npm run --silent gen');
checkEmpty('gen/ is committed', 'git status --porcelain -- gen');

if (succeeds('python3 -c pass')) check('sessions.json is fresh', 'python3 test/vectors/make-sessions.py');
else process.stdout.write('- sessions.json: python3, which makes it, is not installed\n');
checkEmpty('sessions.json is committed', 'git status --porcelain -- test/vectors/sessions.json');

const release = lastRelease();
if (release) check(`buf breaking against ${release.name}`, `npx buf breaking --against .git#${release.ref}`);
else process.stdout.write('- buf breaking: this clone has no release to compare with\n');

process.exit(failed === 0 ? 0 : 1);

/** The newest release: by its tag or, in a clone without tags, by the commit that put its heading into CHANGELOG.md. */
function lastRelease() {
  const [tag] = output('git tag --list v* --sort=-version:refname').split('\n');
  if (tag) return { name: tag, ref: `tag=${tag}` };
  const [heading] = /^## \d+\.\d+\.\d+/m.exec(readFileSync(`${root}CHANGELOG.md`, 'utf8')) ?? [];
  if (heading === undefined) return undefined;
  const commit = lines(['git', 'log', '--format=%H', `-S${heading} `, '--', 'CHANGELOG.md']).at(-1);
  return commit && { name: `the release commit ${commit.slice(0, 7)}`, ref: `ref=${commit}` };
}

function check(name, command) {
  report(name, succeeds(command));
}

function succeeds(command) {
  const [program, ...args] = command.split(' ');
  return spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2] }).status === 0;
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
  return lines(command.split(' ')).join('\n');
}

function lines([program, ...args]) {
  return spawnSync(program, args, { cwd: root, encoding: 'utf8' }).stdout.trim().split('\n').filter(Boolean);
}
