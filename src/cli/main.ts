#!/usr/bin/env node
/** `hourcoin`: one command a file; here are their arguments, and how they end. */

import { readFileSync } from 'node:fs';
import { Argument, Command, CommanderError, type Option } from 'commander';
import { DEFAULT_TIMEOUT_MS } from '../client/errors.js';
import { DEFAULT_DATA, DEFAULT_GRPC, DEFAULT_JSON_TCP } from '../defaults.js';
import { MAX_U32 } from '../engine/bytes.js';
import { OPERATOR_LIMITS } from '../engine/limits.js';
import { DEFAULT_MAX_ATTEMPTS } from '../miner/effort.js';
import * as read from './arguments.js';
import { ExitError } from './exit.js';

/** Errors that say all there is to say, by name: their modules are loaded by the commands that need them. */
const EXPECTED = ['ExitError', 'StartError', 'StoreError', 'DamageError', 'ConnectionError', 'Fault'];

/** A validator with the defaults, on both wires. */
const BOTH = [DEFAULT_JSON_TCP, `grpc://${DEFAULT_GRPC}`];

/** How a validator's address is written, for a client that speaks either wire. */
const ADDRESS = '[tls://]host:port, or grpc[s]://host:port';

/** Variables of options that have no value. */
const FLAGS = ['JSON', 'ALLOW_CLOCK_BEHIND', 'INSECURE', 'AUTH_READS', 'LIMIT_LOOPBACK'].map(
  (name) => `HOURCOIN_${name}`,
);

async function main(): Promise<void> {
  // Whoever reads our output may have gone: that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  // What grpc-js writes on stderr by itself we say in our own words.
  process.env.GRPC_VERBOSITY ??= 'NONE';
  // An empty variable is as good as none, and so is a flag that is off: commander takes any value for on.
  for (const [name, value] of Object.entries(process.env)) {
    const off = FLAGS.includes(name) && /^(0|false|no|off)$/i.test(value ?? '');
    if (name.startsWith('HOURCOIN_') && (value === '' || off)) delete process.env[name];
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
  const text = told ? harmless(error.message) : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`error: ${text}\n`);
  return error instanceof ExitError ? error.code : 1;
}

function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('hourcoin')
    .description('A blockchain paced by time: keep a chain, mine blocks, look at both.')
    .version(version)
    .exitOverride()
    .showSuggestionAfterError(false)
    .addHelpText('after', '\nEvery option can be given in the environment too: --clock-speed is HOURCOIN_CLOCK_SPEED.');
  addValidator(program);
  addMiner(program);
  addStatus(program);
  addBlock(program);
  addVerify(program);
  addKey(program);
  addConformance(program);
  addDemo(program);
  addTls(program);
  return program;
}

function addValidator(program: Command): void {
  const validator = program
    .command('validator')
    .description('keep a chain, judge blocks and serve miners, until Ctrl-C')
    .addArgument(
      new Argument('[address]', 'where to serve JSON/TCP').argParser(read.listenAddress).default(DEFAULT_JSON_TCP),
    )
    .addArgument(
      new Argument(
        '[difficulty]',
        "what a hash must meet, 0x hexadecimal or decimal (default: the chain's, or 0x and 30 F)",
      ).argParser(read.difficulty),
    )
    .addOption(
      read
        .option('--grpc <address>', 'where to serve gRPC, or "off"')
        .argParser(read.listenAddressOrOff)
        .default(DEFAULT_GRPC),
    )
    .addOption(
      read
        .option(
          '--listen <address>',
          'a further address: host:port, tls://…, grpc://… or grpcs://host:port; may be repeated',
        )
        .argParser(read.listenEndpoints),
    )
    .addOption(read.option('--tls-cert <file>', "the server's certificate, PEM").argParser(read.file))
    .addOption(read.option('--tls-key <file>', 'its private key, PEM').argParser(read.file))
    .addOption(
      read
        .option('--tls-client-ca <file>', 'authorities, PEM: clients over TLS must show a certificate of theirs')
        .argParser(read.file),
    )
    .addOption(
      read
        .option(
          '--auth <who>',
          'who shows a key or certificate: "open", miners whose id has a key, or "required", every miner (default: open on loopback and plain JSON/TCP, required where clients show certificates)',
        )
        .choices(['open', 'required']),
    )
    .addOption(read.option('--auth-reads', 'reading needs a key or certificate too'))
    .addOption(
      read.option('--insecure', 'serve gRPC beyond loopback without TLS, and take keys over plain connections'),
    )
    .addOption(
      read
        .option(
          '--proxy-from <network>',
          'a load balancer that speaks the PROXY protocol v2, as in 10.0.0.0/8; may be repeated',
        )
        .argParser(read.networks),
    )
    .addOption(read.option('--data <dir>', 'the data folder').argParser(read.folder).default(DEFAULT_DATA))
    .addOption(
      read.option('--timescale <scale>', "how time is counted (default: the chain's, or tai)").choices(['tai', 'utc']),
    )
    .addOption(read.option('--log-level <level>', 'how much to log').choices(read.LOG_LEVELS).default('info'))
    .addOption(
      read
        .option('--clock-speed <x>', "run the clock x times as fast, for trying out (default: the chain's, or 1)")
        .argParser(read.clockSpeed),
    )
    .addOption(
      read.option(
        '--allow-clock-behind',
        "start although the system's clock stands before times that the chain has used",
      ),
    )
    .addOption(read.option('--limit-loopback', 'limit clients on this machine, too, by address and miner id'));
  for (const [name, { default: value, least, most, bounds }] of Object.entries(OPERATOR_LIMITS)) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} <n>`;
    validator.addOption(read.option(flag, `limit: ${bounds}`).argParser(read.integer(least, most)).default(value));
  }
  validator.action(async (address, difficulty, options) => {
    const { runValidator } = await import('./validator.js');
    await runValidator({ address, difficulty, ...options });
  });
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

function addVerify(program: Command): void {
  program
    .command('verify')
    .description('replay every block of a data folder, and say whether the chain is sound')
    .addOption(read.option('--data <dir>', 'the data folder').argParser(read.folder).default(DEFAULT_DATA))
    .action(async ({ data }) => {
      const { runVerify } = await import('./verify.js');
      await runVerify(data);
    });
}

function addKey(program: Command): void {
  const data = (): Option =>
    read.option('--data <dir>', "the validator's data folder").argParser(read.folder).default(DEFAULT_DATA);
  const key = program.command('key').description('the keys that miner ids belong to, also of a running validator');
  key
    .command('add')
    .description('make a key for a miner id, and show its token: only now')
    .addArgument(new Argument('<miner-id>', 'whose').argParser(read.name))
    .addOption(data())
    .action(async (minerId, { data }) => {
      const { addKey } = await import('./key.js');
      await addKey(data, minerId);
    });
  key
    .command('list')
    .description('show every key')
    .addOption(data())
    .addOption(read.option('--json', 'print JSON'))
    .action(async ({ data, json }) => {
      const { listKeys } = await import('./key.js');
      await listKeys(data, json === true);
    });
  key
    .command('revoke')
    .description('revoke a key: its token is worth nothing from now on')
    .argument('<key>', 'as hourcoin key list shows it')
    .addOption(data())
    .action(async (id, { data }) => {
      const { revokeKey } = await import('./key.js');
      await revokeKey(data, id);
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

function addTls(program: Command): void {
  const tls = program.command('tls').description('make certificates for a private network');
  tls
    .command('init')
    .description("make an authority of the network's own, a certificate for its validator, and one for each miner")
    .addArgument(new Argument('<dir>', 'where to').argParser(read.folder))
    .addOption(
      read
        .option('--name <host...>', "the validator's names and addresses, beside localhost, 127.0.0.1 and ::1")
        .argParser(read.hosts),
    )
    .addOption(read.option('--client <miner-id...>', 'who gets a certificate (default: miner)').argParser(read.names))
    .action(async (folder, { name = [], client = ['miner'] }) => {
      const { runTlsInit } = await import('./tls.js');
      await runTlsInit(folder, name, client);
    });
  tls
    .command('client')
    .description('make a certificate for one more miner')
    .addArgument(new Argument('<dir>', 'what hourcoin tls init has made').argParser(read.folder))
    .addArgument(new Argument('<miner-id>', 'whom it is for').argParser(read.name))
    .action(async (folder, minerId) => {
      const { runTlsClient } = await import('./tls.js');
      await runTlsClient(folder, minerId);
    });
}

await main();
