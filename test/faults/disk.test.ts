/** A full disk, and one that cannot be written to: the validator says why, tells nobody what is not kept, and serves again when it can. */

import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { ConnectionError } from '../../src/client/errors.js';
import { Fault } from '../../src/engine/fault.js';
import { EASY, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { overGrpc, overJsonTcp } from '../support/clients.js';
import { ended, expectRefusal, run } from '../support/ended.js';
import {
  end,
  listening,
  MAIN,
  type Program,
  type RunningValidator,
  start,
  startValidator,
  temporaryFolder,
  validatorArguments,
} from '../support/programs.js';
import { copyOf, madeFolder } from '../support/stores.js';

/** Fast enough that a test has many rounds. */
const FAST = ['--clock-speed', '20'];

describe('A disk', () => {
  const later = cleanup();

  function newFolder(): string {
    const folder = temporaryFolder();
    later(folder.remove);
    return folder.path;
  }

  /** A validator whose files the system lets grow to so many KiB: to it the disk is full then, wherever the test runs. */
  function limited(data: string, kib: number, args: readonly string[] = []): Program {
    // What measures coverage would write a file, too.
    const shell = `unset NODE_V8_COVERAGE; trap '' XFSZ; ulimit -f ${2 * kib}; exec "$0" "$@"`;
    const program = start('sh', ['-c', shell, process.execPath, MAIN, ...validatorArguments(data), ...args]);
    later(() => end(program, 'SIGKILL'));
    return program;
  }

  function clientsOf(validator: RunningValidator) {
    const clients = { json: overJsonTcp(validator), grpc: overGrpc(validator) };
    later(() => {
      clients.json.close();
      clients.grpc.close();
    });
    return clients;
  }

  it('that is full: "Not taken" on JSON/TCP, UNAVAILABLE on gRPC, why on stderr, exit code 1; with room it serves on from there', async () => {
    const data = newFolder();
    const validator = await listening(limited(data, 100, [String(EASY), ...FAST, '--log-level', 'warn']));
    const { json, grpc } = clientsOf(validator);
    let accepted = 0;
    let faults: unknown[] = [];
    for (; accepted < 2_000; accepted++) {
      const minerId = `${accepted}`.padStart(200, 'm');
      const block = winning(await json.getRoundInfo(''), minerId);
      // One that wins and one that fails, on both protocols in turn: both wait for a write.
      const [one, other] = accepted % 2 === 0 ? [json, grpc] : [grpc, json];
      const verdicts = await Promise.allSettled([
        one.submitBlock(minerId, block),
        other.submitBlock(`late ${minerId}`, { ...block, hash: Buffer.alloc(32) }),
      ]);
      faults = verdicts.flatMap((verdict) => (verdict.status === 'rejected' ? [verdict.reason] : []));
      const [won] = verdicts;
      if (won.status === 'fulfilled') expect(won.value.result).to.equal(SubmitResult.ACCEPTED);
      else break;
    }
    const told = faults.filter((fault) => fault instanceof Fault);
    expect(told.length).to.be.greaterThan(0);
    for (const fault of told) expect(fault).to.include({ reason: 'UNAVAILABLE' });
    // Who comes when it has stopped finds nobody.
    for (const fault of faults) if (!told.includes(fault as Fault)) expect(fault).to.be.instanceOf(ConnectionError);
    expect(await validator.ended).to.equal(1);
    expect(validator.stderr()).to.match(
      /^error: the data in .* could not be written or read: (File too large|Input\/output error .*the disk is full).*$/m,
    );

    const again = await startValidator(data, ['--log-level', 'warn']);
    later(() => end(again, 'SIGKILL'));
    const { grpc: client } = clientsOf(again);
    expect((await client.getBlockchainInfo()).blockCount).to.equal(BigInt(accepted));
    const block = winning(await client.getRoundInfo('alice'), 'alice');
    expect((await client.submitBlock('alice', block)).result).to.equal(SubmitResult.ACCEPTED);
    expect(await end(again)).to.equal(0);
    const { code, stdout } = await run(['verify', '--data', data]);
    expect(stdout).to.include(`Blocks replayed: ${accepted + 1}\n`);
    expect(code).to.equal(0);
  });

  for (const kib of [0, 4, 16, 32, 60]) {
    it(`that has room for ${kib} KiB: a new chain is refused with the reason, and begun once there is room`, async () => {
      const data = join(newFolder(), 'data');
      const ending = await ended(limited(data, kib));
      expectRefusal(ending, 1, new RegExp(`cannot use the data folder ${data}: EFBIG`));
      const validator = await startValidator(data);
      expect(await end(validator)).to.equal(0);
    });
  }

  describe('that must not be written to', () => {
    let sound: { path: string; remove: () => void };

    before(async () => {
      sound = await madeFolder((chain) => chain.extend('alice'));
    });
    after(() => sound.remove());

    /** A program that may do only what a file's mode lets its owner do. Root may do all: it lays that down first. */
    function bound(...args: string[]): Program {
      if (process.getuid?.() !== 0) return start(process.execPath, [MAIN, ...args]);
      return start('setpriv', ['--bounding-set', '-dac_override', '--', process.execPath, MAIN, ...args]);
    }

    for (const [what, lock] of [
      ['the folder', (folder: string) => chmodSync(folder, 0o500)],
      ['the data file', (folder: string) => chmodSync(join(folder, 'data.mdb'), 0o400)],
      ['the file of its readers', (folder: string) => chmodSync(join(folder, 'lock.mdb'), 0o400)],
      ['the file of its lock', (folder: string) => chmodSync(join(folder, 'validator.lock'), 0o400)],
    ] as const) {
      it(`(${what}): why, exit code 1, and nothing is changed`, async () => {
        const folder = copyOf(sound.path);
        later(folder.remove);
        const files = (): Record<string, string> =>
          Object.fromEntries(
            readdirSync(folder.path).map((name) => [name, readFileSync(join(folder.path, name)).toString('base64')]),
          );
        if (what === 'the folder')
          for (const name of readdirSync(folder.path)) chmodSync(join(folder.path, name), 0o400);
        const before = files();
        lock(folder.path);
        later(() => chmodSync(folder.path, 0o700));
        const ending = await ended(bound(...validatorArguments(folder.path)));
        expectRefusal(ending, 1, new RegExp(`cannot use the data folder ${folder.path}: EACCES`));
        expect(files()).to.deep.equal(before);
        expect(statSync(folder.path).isDirectory()).to.equal(true);
      });
    }

    it('(the folder, and all in it) can be verified all the same', async () => {
      const folder = copyOf(sound.path);
      later(folder.remove);
      for (const name of readdirSync(folder.path)) chmodSync(join(folder.path, name), 0o400);
      chmodSync(folder.path, 0o500);
      later(() => chmodSync(folder.path, 0o700));
      const { code, stderr } = await ended(bound('verify', '--data', folder.path));
      expect(stderr).to.equal('');
      expect(code).to.equal(0);
    });
  });
});
