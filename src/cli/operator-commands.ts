/** The commands of those who run a validator, with their arguments. */

import { Argument, type Command, type Option } from 'commander';
import { DEFAULT_DATA, DEFAULT_GRPC, DEFAULT_JSON_TCP } from '../defaults.js';
import { OPERATOR_LIMITS } from '../engine/limits.js';
import * as read from './arguments.js';

export function addOperatorCommands(program: Command): void {
  addValidator(program);
  addVerify(program);
  addKey(program);
  addTls(program);
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
          'who shows a key or certificate: "open", miners whose id has a key, or "required", every miner (default: open on loopback and plain JSON/TCP)',
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
