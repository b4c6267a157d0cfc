/** `npm run bench`: every figure beside its floor, from one run, as a table and as JSON. */

import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { chain } from './chain.js';
import { grpc } from './grpc.js';
import { idle } from './idle.js';
import { jsonTcp } from './json-tcp.js';
import { mining } from './mining.js';
import type { Benchmark, Effort, Row } from './row.js';
import { starting } from './start.js';
import { submit } from './submit.js';
import { watch } from './watch.js';

const BENCHMARKS: readonly Benchmark[] = [jsonTcp, idle, submit, grpc, watch, mining, starting, chain];
const NAMES = BENCHMARKS.map(({ name }) => name);

const program = new Command('npm run bench --')
  .description(
    'Measures Hourcoin beside its floors, in turn, and prints the medians. Linux only: CPU time is read from /proc.',
  )
  .argument('[names...]', `which ones: ${NAMES.join(', ')} (default: all)`)
  .option('--seconds <s>', 'how long each figure is taken', positive, 3)
  .option('--rounds <n>', 'how often each is taken; the median counts', positive, 5)
  .option('--blocks <n>', 'how many blocks the long chain has', positive, 1_000_000)
  .option('--json <file>', 'write the rows there too')
  .parse();
const { seconds, rounds, blocks, json } = program.opts<Effort & { json?: string }>();
const unknown = program.args.find((name) => !NAMES.includes(name));
if (unknown !== undefined) program.error(`error: there is no benchmark ${unknown}: choose among ${NAMES.join(', ')}`);

const [cpu] = cpus();
process.stdout.write(
  `${cpus().length} × ${cpu?.model.trim()}, Node ${process.version}; ${rounds} × ${seconds} s each\n`,
);
const all: (Row & { benchmark: string })[] = [];
for (const { name, rows } of BENCHMARKS) {
  if (program.args.length > 0 && !program.args.includes(name)) continue;
  process.stdout.write(`\n${name}\n`);
  for await (const row of rows({ seconds, rounds, blocks })) {
    all.push({ benchmark: name, ...row });
    process.stdout.write(`${shown(row)}\n`);
  }
}
if (json !== undefined) {
  const host = { cpu: cpu?.model, cores: cpus().length, node: process.version };
  writeFileSync(json, `${JSON.stringify({ host, seconds, rounds, rows: all }, null, 2)}\n`);
}

function shown({ work, figure, unit, beside, floor, ratio, goal, met, more }: Row): string {
  const further = Object.entries(more).map(([name, value]) => `${name} ${number(value)}`);
  return [
    `  ${met ? '✓' : '✗'} ${work}: ${number(figure)} ${unit}; ${beside}: ${number(floor)}; ratio ${ratio.toFixed(2)}`,
    `      goal: ${goal}${further.length > 0 ? `; ${further.join(', ')}` : ''}`,
  ].join('\n');
}

function number(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 4e9)) throw new InvalidArgumentError('Write a number above 0.');
  return value;
}
