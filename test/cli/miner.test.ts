/** `hourcoin miner`: what it prints while it mines, and how it ends. */

import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overJsonTcp } from '../support/clients.js';
import { ended } from '../support/ended.js';
import {
  end,
  hourcoin,
  MAIN,
  type Program,
  type RunningValidator,
  start,
  startValidator,
  temporaryFolder,
} from '../support/programs.js';
import { unusedAddress } from '../support/sockets.js';

describe('hourcoin miner', () => {
  const later = cleanup();
  const folder = temporaryFolder();
  const hardFolder = temporaryFolder();
  let validator: RunningValidator;
  let hard: RunningValidator;

  before(async () => {
    [validator, hard] = await Promise.all([startValidator(folder.path), startValidator(hardFolder.path, ['0x1'])]);
  });
  after(async () => {
    await Promise.all([end(validator), end(hard)]);
    for (const { remove } of [folder, hardFolder]) remove();
  });

  function miner(...args: string[]): Program {
    const program = hourcoin(['miner', ...args]);
    later(() => end(program, 'SIGKILL'));
    return program;
  }

  for (const [protocol, address] of [
    ['JSON/TCP', () => validator.jsonTcp],
    ['gRPC', () => validator.grpc],
  ] as const) {
    it(`--blocks 1 over ${protocol}: what the network guide shows, and exit code 0`, async () => {
      const minerId = `alice over ${protocol}`;
      const { code, stdout, stderr } = await ended(miner(minerId, address(), 'rewards', '--blocks', '1'));
      const [, ...found] =
        new RegExp(
          [
            '^=== Hourcoin Miner Client ===',
            '',
            'Configuration:',
            `  Miner ID: ${minerId}`,
            `  Validator: ${address()}`,
            '  Reward Address: rewards',
            '',
            'Connecting to validator...',
            '✓ Connected to validator',
            '',
            'Current Round Info:',
            '  Tonce: (\\d+)',
            '  Challenge time remaining: \\d+ seconds',
            '  Difficulty: 0x(F{30})',
            '  Attempted miners: 0',
            '  Active lockouts: \\d',
            '',
            '✓ Ready to mine!',
            '',
            'Starting continuous mining...',
            'Press Ctrl\\+C to stop',
            '',
            'Mining block #(\\d)...',
            '  Tonce: (\\d+)',
            '  Challenge time remaining: \\d+ seconds',
            '  Found valid timestamp: \\d+',
            '  ✓ Block mined! Hash: ([0-9a-f]{64})',
            '  Nonce: (\\d+)',
            '  Submitting to validator...',
            '  ✓ Block accepted! You are now in 1-hour lockout.',
            '',
            '$',
          ].join('\n'),
        ).exec(stdout) ?? [];
      expect(found.length, stdout).to.equal(6);
      expect(found[0]).to.equal(found[3]);
      expect([code, stderr]).to.deep.equal([0, '']);
      const { tipHash } = await client().getBlockchainInfo();
      expect(tipHash?.toString('hex')).to.equal(found[4]);
    });
  }

  it('A rejected block is shown with its reason; the miner waits for the next round, and Ctrl-C ends it', async () => {
    const round = await client().getRoundInfo('');
    const { result } = await client().submitBlock('bob', { ...winning(round, 'bob'), hash: Buffer.alloc(32) });
    expect(result).to.equal(SubmitResult.REJECTED_INVALID_HASH);
    const program = miner('bob', validator.jsonTcp);
    await program.printed(/^ {2}✗ Block rejected: Already attempted this round$/m);
    await program.printed(/^⏳ This round's attempt is used up\. Waiting for the next round\.\.\.$/m);
    expect(await end(program, 'SIGINT')).to.equal(0);
  });

  it('A miner in lockout says how long it waits, and SIGTERM ends it', async () => {
    const program = miner('carol', validator.jsonTcp);
    await program.printed(/✓ Block accepted!.*\n\n⏳ In lockout period\. Waiting 3(600|59\d) seconds\.\.\.\n/);
    expect(await end(program, 'SIGTERM')).to.equal(0);
  });

  it('Where nobody listens it says so and tries again, until it is stopped', async () => {
    const { host, port } = await unusedAddress();
    const program = miner('dave', `${host}:${port}`);
    await program.printed(/✗ Failed to connect to validator: cannot reach .*: nobody listens there\. Trying again in/);
    await program.printed(/(Trying again in[\s\S]*){2}/);
    expect(await end(program, 'SIGINT')).to.equal(0);
  });

  for (const threads of ['1', '2', 'all']) {
    it(`--threads ${threads} on a hard chain: it tells how fast it searches, and Ctrl-C ends it`, async () => {
      const program = miner('erin', hard.grpc, '--threads', threads);
      const [, rate, tried] = await program.printed(
        /^ {2}Searching the nonce: (\d+\.\d) million a second, (\d+\.\d) million tried\.\.\.$/m,
      );
      expect(Number(rate)).to.be.above(0);
      expect(Number(tried)).to.be.above(0);
      expect(await end(program, 'SIGINT')).to.equal(0);
      expect(program.stderr()).to.equal('');
    });
  }

  it('Without WebAssembly it mines all the same', async () => {
    const args = ['--jitless', MAIN, 'miner', 'frank', validator.jsonTcp, '--blocks', '1'];
    const program = start(process.execPath, args);
    later(() => end(program, 'SIGKILL'));
    const { code, stdout } = await ended(program);
    expect(stdout).to.match(/✓ Block accepted!/);
    expect(code).to.equal(0);
  });

  it('Control characters in its names are made harmless on the screen', async () => {
    const { stdout } = await ended(miner('e\u001b[31mvil\n', validator.jsonTcp, 'a\u0007', '--blocks', '1'));
    expect(stdout).to.include('  Miner ID: e\\u001b[31mvil\\u000a\n');
    expect(stdout).to.include('  Reward Address: a\\u0007\n');
  });

  function client() {
    const made = overJsonTcp(validator);
    later(() => made.close());
    return made;
  }
});
