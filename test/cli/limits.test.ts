/** Limits as an operator has them: options of `hourcoin validator`, their variables, their help and their table in docs/operations.md. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { OPERATOR_LIMITS, type OperatorLimit } from '../../src/engine/limits.js';
import { requestToJson } from '../../src/wire/requests.js';
import { winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { jsonTcpAddress, overJsonTcp } from '../support/clients.js';
import { type Ended, expectRefusal, run } from '../support/ended.js';
import { end, hourcoin, type RunningValidator, temporaryFolder } from '../support/programs.js';
import { RawClient } from '../support/sockets.js';
import { present } from '../support/stores.js';

/** This file runs as dist/test/cli/limits.test.js. */
const DOCS = fileURLToPath(new URL('../../../docs/operations.md', import.meta.url));

const LIMITS: readonly { readonly flag: string; readonly variable: string; readonly limit: OperatorLimit }[] =
  Object.entries(OPERATOR_LIMITS).map(([name, limit]) => {
    const words = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return { flag: `--${words}`, variable: `HOURCOIN_${words.toUpperCase().replaceAll('-', '_')}`, limit };
  });

const LOCKOUT = '{"CheckLockout":{"miner_id":"alice"}}';

describe('Limits that an operator may set', () => {
  const atEnd = cleanup();

  it('docs/operations.md has each of them, with its default, what it bounds and why', () => {
    const row = /^\| `(--[a-z-]+)` \| ([0-9 ]+) \| (.*?) \| (.*) \|$/gm;
    const rows = [...readFileSync(DOCS, 'utf8').matchAll(row)].map(([, flag, value, bounds, why]) => {
      expect(why, flag).to.match(/\w/);
      return { flag, default: Number(value?.replaceAll(' ', '')), bounds };
    });
    expect(rows).to.deep.equal(
      LIMITS.map(({ flag, limit }) => ({ flag, default: limit.default, bounds: limit.bounds })),
    );
  });

  it('--help has each of them, with its default, what it bounds and its variable', async () => {
    const { stdout, code } = await run(['validator', '--help']);
    expect(code).to.equal(0);
    const text = stdout.replace(/\s+/g, ' ');
    for (const { flag, variable, limit } of LIMITS) {
      expect(text).to.include(`${flag} <n> ${limit.bounds} (default: ${limit.default}, env: ${variable})`);
    }
    expect(text).to.match(/--limit-loopback .*\(env: HOURCOIN_LIMIT_LOOPBACK\)/);
  });

  describe('are whole numbers within bounds: others end the program with one line and exit code 2', () => {
    const endings = new Map<string, Ended>();
    before(async () => {
      const waiting = [...LIMITS];
      const runner = async (): Promise<void> => {
        for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
          // Some on the command line, some in the environment; some too small, some too large.
          const { flag, variable, limit } = one;
          const value = waiting.length % 2 === 0 ? limit.least - 1 : limit.most + 1;
          const [args, env] = waiting.length % 3 === 0 ? [[], { [variable]: `${value}` }] : [[flag, `${value}`], {}];
          endings.set(flag, await run(['validator', '127.0.0.1:0', ...args], env));
        }
      };
      await Promise.all([runner(), runner(), runner()]);
    }).timeout(60_000);

    for (const { flag, limit } of LIMITS) {
      it(flag, () => {
        const why = `Write a whole number from ${limit.least} to ${limit.most}.`;
        expectRefusal(present(endings.get(flag)), 2, why);
      });
    }
  });

  /** A validator program; it is ended after the test, where it has not ended by then. */
  async function started(
    data: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<RunningValidator> {
    const program = hourcoin(['validator', '127.0.0.1:0', '--grpc', 'off', '--data', data, ...args], { env });
    atEnd(() => end(program, 'SIGKILL'));
    const [, jsonTcp] = await program.printed(/^JSON\/TCP listening on (\S+)$/m);
    await program.printed(/^Waiting for miner connections\.\.\.$/m);
    return { ...program, jsonTcp: String(jsonTcp), grpc: '' };
  }

  function newFolder(): string {
    const folder = temporaryFolder();
    atEnd(folder.remove);
    return folder.path;
  }

  /** How many of some connections, one after the other, are taken in. */
  async function taken(validator: RunningValidator, connections: number): Promise<number> {
    let count = 0;
    for (let i = 0; i < connections; i++) {
      const client = await RawClient.connect(jsonTcpAddress(validator));
      atEnd(() => client.destroy());
      client.socket.write(Buffer.concat([Buffer.of(0, 0, 0, LOCKOUT.length), Buffer.from(LOCKOUT)]));
      if ((await client.answerOrEnd()) !== undefined) count++;
    }
    return count;
  }

  it('hold for the program: on this machine those by address only with --limit-loopback', async () => {
    const args = ['--max-connections', '3', '--max-connections-per-ip', '2'];
    expect(await taken(await started(newFolder(), args), 5)).to.equal(3);
    expect(await taken(await started(newFolder(), [...args, '--limit-loopback']), 5)).to.equal(2);
    const variables = { HOURCOIN_MAX_CONNECTIONS_PER_IP: '1', HOURCOIN_LIMIT_LOOPBACK: 'yes' };
    expect(await taken(await started(newFolder(), [], variables), 3)).to.equal(1);
    expect(await taken(await started(newFolder(), [], { ...variables, HOURCOIN_LIMIT_LOOPBACK: '0' }), 3)).to.equal(3);
  });

  it('of an hour hold over a crash and a restart', async () => {
    const data = newFolder();
    const args = ['--limit-loopback', '--max-blocks-per-ip', '1'];
    const submitted = async (validator: RunningValidator, minerId: string): Promise<string> => {
      const client = overJsonTcp(validator);
      const round = await client.getRoundInfo('');
      client.close();
      const raw = await RawClient.connect(jsonTcpAddress(validator));
      atEnd(() => raw.destroy());
      return raw.ask(requestToJson({ call: 'SubmitBlock', minerId, block: winning(round, minerId) }));
    };
    const first = await started(data, args);
    expect(await submitted(first, 'alice')).to.contain('"Accepted"');
    const refusal = /"Not taken: blocks accepted from 127\.0\.0\.1 within an hour: 1 at most; again in 3[56]\d\d s"/;
    expect(await submitted(first, 'bob')).to.match(refusal);
    await end(first, 'SIGKILL');
    const second = await started(data, args);
    expect(await submitted(second, 'carol')).to.match(refusal);
    await end(second);
    expect(await submitted(await started(data, args), 'dave')).to.match(refusal);
  });
});
