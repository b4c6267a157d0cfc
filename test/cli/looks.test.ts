/** `hourcoin status`, `block` and `verify`: a chain as people and as scripts read it. */

import { expect } from 'chai';
import type { StoredBlock } from '../../src/engine/state.js';
import { encodeBalance, key, textKey } from '../../src/store/records.js';
import { output } from '../support/blocks.js';
import { expectRefusal, run } from '../support/ended.js';
import { end, type RunningValidator, startValidator, temporaryFolder } from '../support/programs.js';
import { unusedAddress } from '../support/sockets.js';
import { copyOf, madeFolder, PARAMETERS, putSealed, tamper } from '../support/stores.js';

/** A miner who would like to write on the operator's terminal. */
const EVIL = 'e\u001bvil';

describe('Looking at a chain', () => {
  let folder: { path: string; remove: () => void };
  let damaged: { path: string; remove: () => void };
  let first: StoredBlock;
  let tip: StoredBlock;
  let validator: RunningValidator;
  let empty: RunningValidator;
  const emptyFolder = temporaryFolder();

  before(async () => {
    folder = await madeFolder((chain) => {
      first = chain.extend('alice');
      const inputs = chain.chain.outputs.unspent();
      const outputs = [output('bob', 0.5, chain.now + 200_000n), output(EVIL, 1.25, chain.now + 200_000n)];
      tip = chain.extend(EVIL, [{ inputs, outputs }]);
    });
    damaged = copyOf(folder.path);
    [validator, empty] = await Promise.all([startValidator(folder.path), startValidator(emptyFolder.path)]);
  });
  after(async () => {
    await Promise.all([end(validator), end(empty)]);
    for (const { remove } of [folder, damaged, emptyFolder]) remove();
  });

  const tipHash = (): string => tip.block.hash.toString('hex');

  async function printed(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(args);
    expect([code, stderr]).to.deep.equal([0, '']);
    return stdout;
  }

  for (const protocol of ['jsonTcp', 'grpc'] as const) {
    it(`status over ${protocol}: for people`, async () => {
      const address = validator[protocol];
      expect(await printed('status', address)).to.match(
        new RegExp(
          [
            `^Validator:  ${address}`,
            'Height:     2 blocks',
            `Tip:        ${tipHash()}`,
            'Difficulty: 0x10{31}',
            'Round:      \\d+, since \\d+ \\(20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d\\d\\dZ\\)',
            'Tonce:      1, 0 seconds of challenge remaining',
            'Attempted:  0 miners in this round',
            'Lockouts:   0 active',
            '$',
          ].join('\n'),
        ),
      );
    });

    it(`status over ${protocol}: as JSON, the protocol's names, 64-bit integers as decimal strings`, async () => {
      const status = JSON.parse(await printed('status', validator[protocol], '--json'));
      const { round_start, round, server_time, ...rest } = status;
      for (const number of [round_start, round, server_time]) expect(number).to.match(/^[1-9][0-9]*$/);
      expect(rest).to.deep.equal({
        block_count: '2',
        difficulty: `0x1${'0'.repeat(31)}`,
        tip_hash: tipHash(),
        tonce: 1,
        challenge_seconds_remaining: '0',
        attempted_miners: '0',
        active_lockouts: '0',
        next_index: 2,
        prev_block_hash: tipHash(),
        tip_timestamp: String(tip.block.timestamp),
        timescale: 'tai',
        window_past_ms: '300000',
        window_future_ms: '500',
        lockout_ms: '3600000',
        clock_speed: 1,
      });
    });
  }

  it('status of a chain without blocks: no tip', async () => {
    expect(await printed('status', empty.jsonTcp)).to.match(/^Height: {5}0 blocks\nTip: {8}none$/m);
    expect(JSON.parse(await printed('status', empty.grpc, '--json'))).to.deep.include({
      block_count: '0',
      tip_hash: null,
      tip_timestamp: null,
      prev_block_hash: '0'.repeat(64),
    });
  });

  it('status of nobody: one line, exit code 1', async () => {
    const { host, port } = await unusedAddress();
    for (const address of [`${host}:${port}`, `grpc://${host}:${port}`]) {
      expectRefusal(await run(['status', address]), 1, `error: cannot reach ${host}:${port}: `);
    }
  });

  it('block: for people, by index, by hash and the tip; control characters are made harmless', async () => {
    const { hash, prevBlockHash, timestamp, nonce } = tip.block;
    const expected = [
      'Block #1',
      `  Hash:          ${hash.toString('hex')}`,
      `  Previous hash: ${prevBlockHash.toString('hex')}`,
      `  Timestamp:     ${timestamp} (2025-11-10T18:43:23.000Z)`,
      `  Nonce:         ${nonce}`,
      '  Miner:         e\\u001bvil',
      `  Accepted at:   ${tip.acceptedAt} (2025-11-10T18:43:23.000Z)`,
      '  Round:         2, tonce 1',
      `  Difficulty:    0x1${'0'.repeat(31)}`,
      `  Content hash:  ${tip.contentHash.toString('hex')}`,
      '  Transaction 0 (coinbase)',
      `    pays   2 hours, e\\u001bvil, ${timestamp}`,
      '  Transaction 1',
      `    spends 2 hours, alice, ${PARAMETERS.firstRoundStart + 120_000n}`,
      `    pays   0.5 hours, bob, ${PARAMETERS.firstRoundStart + 320_000n}`,
      `    pays   1.25 hours, e\\u001bvil, ${PARAMETERS.firstRoundStart + 320_000n}`,
      '',
    ].join('\n');
    for (const name of ['1', hash.toString('hex').toUpperCase(), 'tip']) {
      expect(await printed('block', name, validator.grpc)).to.equal(expected);
    }
  });

  it('block: as JSON', async () => {
    const { hash, prevBlockHash, timestamp, nonce } = first.block;
    expect(JSON.parse(await printed('block', '0', validator.grpc, '--json'))).to.deep.equal({
      index: 0,
      timestamp: String(timestamp),
      hash: hash.toString('hex'),
      prev_block_hash: prevBlockHash.toString('hex'),
      nonce: String(nonce),
      transactions: [{ inputs: [], outputs: [{ to_addr: 'alice', value: 2, timestamp: String(timestamp) }] }],
      miner_id: 'alice',
      accepted_at: String(first.acceptedAt),
      round: '1',
      tonce: first.tonce,
      difficulty: `0x1${'0'.repeat(31)}`,
      content_hash: first.contentHash.toString('hex'),
    });
  });

  it('block: one that the chain does not have, exit code 1', async () => {
    const unknown = 'ab'.repeat(32);
    expectRefusal(await run(['block', '2', validator.grpc]), 1, 'error: no block #2 on this chain');
    expectRefusal(await run(['block', unknown, validator.grpc]), 1, `error: no block ${unknown} on this chain`);
    expectRefusal(await run(['block', 'tip', empty.grpc]), 1, 'error: the chain has no blocks yet');
  });

  it('verify: a sound chain, exit code 0', async () => {
    expect(await printed('verify', '--data', folder.path)).to.equal(
      `✓ The chain in ${folder.path} is sound\n  Blocks replayed: 2\n  Newest block:    ${tipHash()}\n  Outputs: 4, of which 3 are unspent\n`,
    );
  });

  it('verify: a sound chain as JSON', async () => {
    expect(JSON.parse(await printed('verify', '--json', '--data', folder.path))).to.deep.equal({
      is_sound: true,
      blocks: 2,
      height: 2,
      outputs: '4',
      unspent: '3',
      tip: tipHash(),
      problems: [],
    });
  });

  it('verify: a chain that is not sound, the first bad block and what can be done, exit code 1', async () => {
    await tamper(damaged.path, (database) => {
      putSealed(database, key('A', textKey('bob')), encodeBalance({ units: 1n, count: 1n }));
      database.removeSync(key('H', tip.block.hash));
    });
    const { code, stdout, stderr } = await run(['verify', '--data', damaged.path]);
    expect(stdout.split('\n')).to.deep.equal([
      '✗ block #1: it is not found by its hash',
      `  Hash:     ${tipHash()}`,
      `  Record:   H:${tipHash()} (a block's hash)`,
      '  Expected: block #1',
      '  Found:    nothing',
      '',
      'Block #0 is sound. If there is no backup, what is sound can be saved into a new folder, without keys:',
      `  hourcoin export chain.hourcoin --to 0 --data ${damaged.path}`,
      '  hourcoin import chain.hourcoin --data NEW',
      'If there is one:',
      '  hourcoin restore BACKUP --data NEW',
      '',
    ]);
    expect(stderr).to.equal(`error: the chain in ${damaged.path} is not sound: 1 of 2 blocks are, block #1 is not\n`);
    expect(code).to.equal(1);
  });

  it('verify: a chain that is not sound as JSON, exit code 1', async () => {
    const { code, stdout } = await run(['verify', '--json', '--data', damaged.path]);
    const { problems, ...rest } = JSON.parse(stdout);
    expect(rest).to.include({ is_sound: false, blocks: 1, height: 2, tip: first.block.hash.toString('hex') });
    expect(problems).to.deep.equal([
      {
        what: 'it is not found by its hash',
        expected: 'block #1',
        found: 'nothing',
        block: 1,
        hash: tipHash(),
        record: `H:${tipHash()}`,
      },
    ]);
    expect(code).to.equal(1);
  });

  it('verify: no chain at all, exit code 1', async () => {
    expectRefusal(await run(['verify', '--data', `${folder.path}/none`]), 1, 'there is no chain in');
  });
});
