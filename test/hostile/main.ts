/** `npm run test:hostile`: attacks the real program over real sockets, and holds it against what it must keep. */

import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError } from 'commander';
import type { Attack, Effort } from './attack.js';
import { ATTACKS } from './attacks.js';
import { BOUNDS } from './bounds.js';
import { trial } from './trial.js';

const NAMES = ATTACKS.map(({ name }) => name);

const program = new Command('npm run test:hostile --')
  .description(
    'Attacks a validator, for each attack a new one, while honest clients ask and mine beside it. The long form takes about a quarter of an hour. ' +
      'Linux only: memory and open files are read from /proc.',
  )
  .option('--short', 'little of everything, in about two minutes')
  .option('--only <name>', 'only this attack; may be repeated', named)
  .option('--seed <n>', 'what random choices are made from (default: a new one)', seed)
  .addHelpText('after', `\nAttacks:\n${ATTACKS.map(({ name, tries }) => `  ${name.padEnd(18)}${tries}`).join('\n')}`)
  .parse();
const options = program.opts<{ short?: true; only?: readonly string[]; seed?: number }>();
const isShort = options.short === true;
const effort: Effort = {
  isShort,
  ms: isShort ? 1_500 : 10_000,
  messages: isShort ? 5_000 : 1_000_000,
  seed: options.seed ?? randomInt(2 ** 32),
};

const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
for (const [signal, code] of Object.entries(EXIT_CODES)) {
  // More than once, as one Ctrl-C may come twice: from the terminal, and handed on by npm.
  process.on(signal, () => {
    process.exitCode = code;
    stop.abort();
  });
}

say(`seed ${effort.seed}`);
say(
  `p99 of what honest clients ask, ms (when it was quiet): at most ${BOUNDS.slower} times as much, and ${BOUNDS.slower * BOUNDS.leastQuietMs} ms in any case`,
);
const counts = { passed: 0, failed: 0 };
for (const attack of ATTACKS) {
  if (options.only?.includes(attack.name) === false) continue;
  say(`\n${attack.name}: ${attack.tries}`);
  const begun = performance.now();
  const problems = (await problemsUnder(attack)) ??
    (await problemsUnder(attack)) ?? ['twice in a row clients waited too long'];
  if (stop.signal.aborted) break;
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  counts[problems.length === 0 ? 'passed' : 'failed']++;
  if (problems.length === 0) {
    say(`  ✓ held, ${seconds} s`);
    continue;
  }
  say(`  ✗ did not hold, ${seconds} s`);
  for (const problem of problems) say(`    ${problem.replaceAll('\n', '\n    ')}`);
  say(`    again: npm run test:hostile -- ${isShort ? '--short ' : ''}--only ${attack.name} --seed ${effort.seed}`);
}
if (stop.signal.aborted) say('\nstopped');
else say(`\n${counts.passed} passed, ${counts.failed} failed`);
if (counts.failed > 0) process.exitCode ??= 1;

/**
 * Attacks a validator, and says what was measured. Returns what did not hold; undefined where that is no more than that clients waited for too
 * long, which others on this machine may have made them, once.
 */
async function problemsUnder(attack: Attack): Promise<readonly string[] | undefined> {
  try {
    const { problems, slowness, measured, figures } = await trial(attack, effort, stop.signal);
    const done = Object.entries(figures).map(([what, count]) => `${Math.round(count).toLocaleString('en')} ${what}`);
    say(`  ${done.join(', ')}`);
    say(`  ${measured}`);
    for (const slow of slowness) say(`  ${slow}`);
    return problems.length === 0 && slowness.length > 0 ? undefined : problems;
  } catch (error) {
    return [error instanceof Error ? String(error.stack) : String(error)];
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function named(name: string, before: readonly string[] = []): readonly string[] {
  if (NAMES.includes(name)) return [...before, name];
  throw new InvalidArgumentError(`There is no such attack: choose among ${NAMES.join(', ')}.`);
}

function seed(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value;
  throw new InvalidArgumentError('Write a whole number below 2^32.');
}
