/** The commands of those who run a validator, with their arguments. */

import { Argument, type Command, type Option } from 'commander';
import { DEFAULT_DATA, DEFAULT_GRACE_MS, DEFAULT_GRPC, DEFAULT_JSON_TCP } from '../defaults.js';
import { MAX_U32 } from '../engine/bytes.js';
import { OPERATOR_LIMITS } from '../engine/limits.js';
import { DEFAULT_TOLERANCE_MS } from '../time/source-spec.js';
import * as read from './arguments.js';
import type { ValidatorArguments } from './validator.js';

export function addOperatorCommands(program: Command): void {
  addValidator(program);
  addConfig(program);
  addVerify(program);
  addCopies(program);
  addKey(program);
  addTls(program);
}

function addValidator(program: Command): void {
  const validator = program
    .command('validator')
    .description('keep a chain, judge blocks and serve miners, until Ctrl-C');
  withValidatorOptions(validator).action(async () => {
    const { configure } = await import('./settings.js');
    const { runValidator } = await import('./validator.js');
    await runValidator(await configure<ValidatorArguments>(validator));
  });
}

function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description('check what hourcoin validator would run with, and show it with where each value comes from');
  withValidatorOptions(config)
    .addOption(read.option('--json', 'print JSON'))
    .action(async () => {
      const { configure } = await import('./settings.js');
      const { runConfig } = await import('./config.js');
      await runConfig(await configure<ValidatorArguments>(config), config.getOptionValue('json') === true);
    });
}

/** What a validator may be told. Each option can be given in hourcoin.yaml and in the environment too. */
function withValidatorOptions(validator: Command): Command {
  validator
    .addOption(
      read
        .option(
          '--config <file>',
          'a file of these options (default: hourcoin.yaml in the current folder, if there is one)',
        )
        .argParser(read.file),
    )
    .addArgument(
      new Argument('[address]', 'where to serve JSON/TCP (env: HOURCOIN_ADDRESS)')
        .argParser(read.listenAddress)
        .default(DEFAULT_JSON_TCP),
    )
    .addArgument(
      new Argument(
        '[difficulty]',
        "what a hash must meet, 0x hexadecimal or decimal (default: the chain's, or 0x and 30 F; env: HOURCOIN_DIFFICULTY)",
      ).argParser(read.difficulty),
    )
    .optionsGroup('Where it serves:')
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
          '--proxy-from <network>',
          'a load balancer that speaks the PROXY protocol v2, as in 10.0.0.0/8; may be repeated',
        )
        .argParser(read.networks),
    )
    .optionsGroup('Who may connect:')
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
    .optionsGroup('The chain and its clock:')
    .addOption(read.option('--data <dir>', 'the data folder').argParser(read.folder).default(DEFAULT_DATA))
    .addOption(
      read.option('--timescale <scale>', "how time is counted (default: the chain's, or tai)").choices(['tai', 'utc']),
    )
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
    .addOption(
      read
        .option(
          '--time-source <source>',
          'whose time to go by: system, ntp:HOST[:PORT],… or an http[s]://… that answers as the World Time API does; may be repeated (default: system)',
        )
        .argParser(read.timeSources),
    )
    .addOption(
      read
        .option('--time-tolerance <ms>', 'how far the clock may be from the right time and still be trusted')
        .argParser(read.integer(1, 300_000))
        .default(DEFAULT_TOLERANCE_MS),
    )
    .addOption(read.option('--require-time', 'take no submissions while no outside time source can be trusted'))
    .optionsGroup('How it is run:')
    .addOption(
      read
        .option('--http <address>', 'where to serve metrics and probes over HTTP, or "off"')
        .argParser(read.listenAddressOrOff)
        .default('off'),
    )
    .addOption(
      read
        .option('--grace <n>', 'ms that stopping may take, until everybody is cut off')
        .argParser(read.integer(0, 86_400_000))
        .default(DEFAULT_GRACE_MS),
    )
    .addOption(read.option('--log-level <level>', 'how much to log').choices(read.LOG_LEVELS).default('info'))
    .optionsGroup('Limits:')
    .addOption(read.option('--limit-loopback', 'limit clients on this machine, too, by address and miner id'));
  for (const [name, { default: value, least, most, bounds }] of Object.entries(OPERATOR_LIMITS)) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} <n>`;
    validator.addOption(read.option(flag, bounds).argParser(read.integer(least, most)).default(value));
  }
  return validator;
}

function addVerify(program: Command): void {
  program
    .command('verify')
    .description('replay every block of a data folder, and say whether the chain is sound')
    .addOption(read.option('--data <dir>', 'the data folder').argParser(read.folder).default(DEFAULT_DATA))
    .addOption(read.option('--json', 'print JSON'))
    .action(async ({ data, json }) => {
      const { verifyApart } = await import('./verify-apart.js');
      await verifyApart(data, json === true);
    });
}

function addCopies(program: Command): void {
  const data = (): Option =>
    read.option('--data <dir>', 'the data folder').argParser(read.folder).default(DEFAULT_DATA);
  const blockIndex = read.integer(0, MAX_U32);
  program
    .command('backup')
    .description('make a verified copy of a data folder, also beside a running validator')
    .addArgument(new Argument('<dir>', 'a new folder for it').argParser(read.folder))
    .addOption(data())
    .action(async (folder, { data }) => {
      const { runBackup } = await import('./copies.js');
      await runBackup(folder, data);
    });
  program
    .command('restore')
    .description('make a new data folder of a backup, and verify it')
    .addArgument(new Argument('<backup>', 'what hourcoin backup has made').argParser(read.folder))
    .addOption(data())
    .action(async (backup, { data }) => {
      const { runRestore } = await import('./copies.js');
      await runRestore(backup, data);
    });
  program
    .command('export')
    .description('write the chain to a file that any language can read, also beside a running validator')
    .addArgument(new Argument('<file>', 'a new file, or - for stdout').argParser(read.file))
    .addOption(data())
    .addOption(read.option('--from <index>', 'the first block to write (default: 0)').argParser(blockIndex))
    .addOption(read.option('--to <index>', 'the last block to write (default: the newest)').argParser(blockIndex))
    .action(async (file, { data, from, to }) => {
      const { runExport } = await import('./export.js');
      await runExport(file, { data, from, to });
    });
  program
    .command('import')
    .description('make a new data folder of an exported chain; every block is judged again')
    .addArgument(new Argument('<file>', 'what hourcoin export has written, or - for stdin').argParser(read.file))
    .addOption(data())
    .action(async (file, { data }) => {
      const { runImport } = await import('./import.js');
      await runImport(file, data);
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
