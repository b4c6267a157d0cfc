/** The commands of those who mine and look, with their arguments. */

import { Argument, type Command } from 'commander';
import { DEFAULT_TIMEOUT_MS } from '../client/errors.js';
import { DEFAULT_GRPC, DEFAULT_JSON_TCP } from '../defaults.js';
import { MAX_U32 } from '../engine/bytes.js';
import { DEFAULT_MAX_ATTEMPTS } from '../miner/effort.js';
import { DEFAULT_TOLERANCE_MS } from '../time/source-spec.js';
import * as read from './arguments.js';

/** A validator with the defaults, on both wires. */
const BOTH = [DEFAULT_JSON_TCP, `grpc://${DEFAULT_GRPC}`];

/** Public servers of three keepers of time, so that one that is wrong is found out. */
const DEFAULT_TIME_SOURCES = ['ntp:time.cloudflare.com', 'ntp:time.nist.gov', 'ntp:ptbtime1.ptb.de'];

/** How a validator's address is written, for a client that speaks either wire. */
const ADDRESS = '[tls://]host:port, or grpc[s]://host:port';

export function addClientCommands(program: Command): void {
  addMiner(program);
  addStatus(program);
  addTime(program);
  addBlock(program);
  addConformance(program);
  addDemo(program);
}

function addMiner(program: Command): void {
  const miner = program
    .command('miner')
    .description('mine blocks, until Ctrl-C')
    .addArgument(new Argument('[miner-id]', 'who mines (default: miner_ and a random number)').argParser(read.name))
    .addArgument(new Argument('[validator]', ADDRESS).argParser(read.validatorAddress).default(DEFAULT_JSON_TCP))
    .addArgument(new Argument('[reward-address]', 'who is paid (default: the miner id)').argParser(read.name))
    .addOption(read.option('--blocks <n>', 'stop after the nth accepted block').argParser(read.integer(1, 1e9)))
    .addOption(
      read
        .option('--timeout <ms>', 'how long to wait for an answer')
        .argParser(read.integer(1, 3_600_000))
        .default(DEFAULT_TIMEOUT_MS),
    )
    .addOption(
      read
        .option('--max-attempts <n>', 'how many timestamps to try against the tonce')
        .argParser(read.integer(1, 1e6))
        .default(DEFAULT_MAX_ATTEMPTS),
    )
    .addOption(
      read
        .option('--threads <n>', 'how many threads search a nonce that takes long, or "all"')
        .argParser(read.threads)
        .default(1),
    )
    .addOption(
      read
        .option('--index <n>', 'the next block, on a validator that does not tell it')
        .argParser(read.integer(0, MAX_U32)),
    )
    .addOption(
      read.option('--prev-hash <hex>', "the tip's hash, on a validator that does not tell it").argParser(read.hash),
    );
  withCredentials(miner).action(async (minerId, validator, rewardAddress, options) => {
    const { runMiner } = await import('./miner.js');
    await runMiner({ minerId, validator, rewardAddress, ...options });
  });
}

function addStatus(program: Command): void {
  const status = program
    .command('status')
    .description('show what a validator says of itself')
    .addArgument(new Argument('[validator]', ADDRESS).argParser(read.validatorAddress).default(DEFAULT_JSON_TCP))
    .addOption(read.option('--json', 'print JSON'));
  withCredentials(status).action(async (validator, options) => {
    const { runStatus } = await import('./status.js');
    await runStatus(validator, options);
  });
}

function addTime(program: Command): void {
  const time = program
    .command('time')
    .description(
      "hold this host's clock against sources of time and a validator: would a block made now be in the window?",
    )
    .addArgument(new Argument('[validator]', `${ADDRESS} (default: only the sources)`).argParser(read.validatorAddress))
    .addOption(
      read
        .option(
          '--time-source <source>',
          `system (none), ntp:HOST[:PORT],… or an http[s]://… that answers as the World Time API does; may be repeated (default: ${DEFAULT_TIME_SOURCES.join(' ')})`,
        )
        .argParser(read.timeSources),
    )
    .addOption(
      read
        .option('--time-tolerance <ms>', 'how uncertain a source may be')
        .argParser(read.integer(1, 300_000))
        .default(DEFAULT_TOLERANCE_MS),
    )
    .addOption(read.option('--json', 'print JSON'));
  withCredentials(time).action(async (validator, { timeSource = DEFAULT_TIME_SOURCES, ...options }) => {
    const { runTime } = await import('./time.js');
    await runTime(validator, { timeSource, ...options });
  });
}

function addBlock(program: Command): void {
  const block = program
    .command('block')
    .description("show a block of a validator's chain")
    .addArgument(new Argument('<block>', 'an index, a hash, or "tip"').argParser(read.blockName))
    .addArgument(
      new Argument('[validator]', 'grpc[s]://host:port').argParser(read.grpcAddress).default(`grpc://${DEFAULT_GRPC}`),
    )
    .addOption(read.option('--json', 'print JSON'));
  withCredentials(block).action(async (block, validator, options) => {
    const { runBlock } = await import('./block.js');
    await runBlock(block, validator, options);
  });
}

function addConformance(program: Command): void {
  const conformance = program
    .command('conformance')
    .description("hold running validators, of whatever make, against the protocol's sessions and rules")
    .argument('[validator...]', `${ADDRESS} (default: ${BOTH.join(' ')})`, read.validatorAddresses)
    .addHelpText(
      'after',
      '\nA block is made and accepted on each of them, for miners of its own: try a chain that you can do without.',
    );
  withTls(conformance).action(async (validators, options) => {
    const { runConformance } = await import('./conformance.js');
    await runConformance(validators ?? BOTH, options);
  });
}

function addDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'a whole network for a while: a validator and miners on both protocols, on a fast clock, in a temporary folder',
    )
    .addOption(read.option('--miners <n>', 'how many miners').argParser(read.integer(1, 100)).default(5))
    .addOption(read.option('--clock-speed <x>', 'how fast the clock runs').argParser(read.clockSpeed).default(600))
    .addOption(read.option('--seconds <s>', 'how long it runs').argParser(read.integer(1, 86_400)).default(60))
    .action(async (options) => {
      const { runDemo } = await import('./demo.js');
      await runDemo(options);
    });
}

/** The files of a client that speaks TLS. */
function withTls(command: Command): Command {
  return command
    .addOption(
      read
        .option('--ca <file>', "who has signed the validator's certificate (default: whom Node.js trusts)")
        .argParser(read.file),
    )
    .addOption(read.option('--cert <file>', 'a certificate to show to the validator').argParser(read.file))
    .addOption(read.option('--key <file>', 'the private key of that').argParser(read.file));
}

/** All that a client may show. */
function withCredentials(command: Command): Command {
  return withTls(command)
    .addOption(
      read
        .option('--api-key-file <file>', "where the miner id's key is (default: what HOURCOIN_API_KEY says)")
        .argParser(read.file),
    )
    .addOption(read.option('--insecure', 'send the key over a plain connection too'));
}
