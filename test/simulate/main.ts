/** `npm run simulate`: tells stories of seeds, each in virtual time, and says which has gone wrong. */

import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError } from 'commander';
import { CANARIES } from './canaries.js';
import { type Outcome, simulate } from './simulate.js';

const DAY_MS = 86_400_000;

const program = new Command('npm run simulate --')
  .description(
    'Simulates the whole network in one process and in virtual time, and holds the validator against the rules while hosts crash, disks are full, clocks ' +
      'are stepped and connections break. The same seed tells the same story.',
  )
  .option('--seed <n>', 'the first seed (default: a new one)', whole(0, 2 ** 32 - 1))
  .option('--hours <n>', 'virtual time of each seed', whole(1, 1_000_000), 72)
  .option('--seeds <n>', 'so many seeds, one after the other', whole(1, 1_000_000), 1)
  .option('--seconds <n>', 'as many seeds as can be begun in so many seconds', whole(1, 1_000_000))
  .option('--canary <name>', 'with a bug, which must be found', named)
  .option('--verbose', 'tell the stories')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .addHelpText('after', `\nBugs: ${Object.keys(CANARIES).join(', ')}.`)
  .parse();

const { hours, seeds, seconds, canary, verbose, seed } = program.opts<{
  seed?: number;
  hours: number;
  seeds: number;
  seconds?: number;
  canary?: string;
  verbose?: true;
}>();

const first = seed ?? randomInt(2 ** 32);
const begun = performance.now();
const outcomes: Outcome[] = [];
while (seconds === undefined ? outcomes.length < seeds : elapsed() < seconds) {
  const seed = (first + outcomes.length) % 2 ** 32;
  process.stdout.write(`seed ${seed}${verbose ? '\n' : ': '}`);
  const outcome = await simulate({ seed, hours, canary, tell: verbose && say });
  outcomes.push(outcome);
  const { ms, figures, hash, problem } = outcome;
  say(`${(ms / DAY_MS).toFixed(1)} days, ${figures.get('blocks') ?? 0} blocks, story ${hash}`);
  if (problem === undefined) continue;
  say(`  ✗ ${problem.message.replaceAll('\n', '\n    ')}`);
  const bug = canary === undefined ? '' : ` --canary ${canary}`;
  say(`    again: npm run simulate -- --seed ${seed} --hours ${hours}${bug} --verbose`);
}
summarize();
const failed = outcomes.filter(({ problem }) => problem !== undefined).length;
say(`\n${outcomes.length - failed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;

function summarize(): void {
  const days = sum(({ ms }) => ms) / DAY_MS;
  const steps = sum(({ events }) => events);
  say(
    `\n${days.toFixed(1)} days in ${elapsed().toFixed(1)} s: ${(days / elapsed()).toFixed(1)} days and ` +
      `${Math.round(steps / elapsed()).toLocaleString('en')} steps a second`,
  );
  table('Faults', ({ faults }) => faults);
  table('What happened', ({ figures }) => figures);
}

function table(title: string, counts: (outcome: Outcome) => ReadonlyMap<string, number>): void {
  const total = new Map<string, number>();
  for (const [name, count] of outcomes.flatMap((outcome) => [...counts(outcome)]))
    total.set(name, (total.get(name) ?? 0) + count);
  say(`\n${title}:`);
  for (const [name, count] of [...total].sort()) say(`  ${count.toLocaleString('en').padStart(11)} ${name}`);
}

function sum(of: (outcome: Outcome) => number): number {
  return outcomes.reduce((total, outcome) => total + of(outcome), 0);
}

function elapsed(): number {
  return (performance.now() - begun) / 1_000;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function named(name: string): string {
  if (Object.hasOwn(CANARIES, name)) return name;
  throw new InvalidArgumentError(`There is no such bug: choose among ${Object.keys(CANARIES).join(', ')}.`);
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
  };
}
