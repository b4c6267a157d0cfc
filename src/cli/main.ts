#!/usr/bin/env node
/** `hourcoin`: one command a file; here is how they begin and end. */

import { Command, CommanderError } from 'commander';
import { messageOf, stackOf } from '../engine/fault.js';
import { VERSION } from '../version.js';
import { PREFIX, readFlag } from './arguments.js';
import { addClientCommands } from './client-commands.js';
import { ExitError } from './exit.js';
import { addOperatorCommands } from './operator-commands.js';

/** Errors that say all there is to say, by name: their modules are loaded by the commands that need them. */
const EXPECTED = ['ExitError', 'StartError', 'StoreError', 'DamageError', 'ConnectionError', 'Fault'];

async function main(): Promise<void> {
  // Whoever reads our output may have gone: that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  // What grpc-js writes on stderr by itself we say in our own words.
  process.env.GRPC_VERBOSITY ??= 'NONE';
  // An empty variable is as good as none.
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith(PREFIX) && value === '') delete process.env[name];
  }
  try {
    if (process.argv.length <= 2) throw new ExitError('which command? See hourcoin --help', 2);
    await program().parseAsync();
  } catch (error) {
    process.exitCode = await end(error);
  }
  // What is left over, such as a connection that is closing, must not keep the process.
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))),
  );
  process.exit();
}

/** Says how it ended where that is not said yet, and gives the exit code. */
async function end(error: unknown): Promise<number> {
  // commander has printed its line; `--help` and `--version` are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  // What a peer has said may be part of a message.
  const { harmless } = await import('./text.js');
  const told = error instanceof Error && EXPECTED.includes(error.name);
  const text = told ? harmless(error.message) : stackOf(error);
  process.stderr.write(`error: ${text}\n`);
  return error instanceof ExitError ? error.code : 1;
}

function program(): Command {
  const program = new Command('hourcoin')
    .description('A blockchain paced by time: keep a chain, mine blocks, look at both.')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError(false)
    .hook('preAction', (_, command) => readFlags(command))
    .addHelpText('after', '\nEvery option can be given in the environment too: --clock-speed is HOURCOIN_CLOCK_SPEED.');
  addOperatorCommands(program);
  addClientCommands(program);
  return program;
}

/** Reads the flags that the environment gives: commander takes any value for on. */
function readFlags(command: Command): void {
  for (const option of command.options) {
    const [key, name = ''] = [option.attributeName(), option.envVar];
    if (!option.isBoolean() || command.getOptionValueSource(key) !== 'env') continue;
    const text = process.env[name] ?? '';
    try {
      command.setOptionValueWithSource(key, readFlag(text), 'env');
    } catch (error) {
      command.error(
        `error: option '${option.flags}' value '${text}' from env '${name}' is invalid. ${messageOf(error)}`,
      );
    }
  }
}

await main();
