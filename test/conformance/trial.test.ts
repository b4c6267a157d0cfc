/** A trial of a running validator: the line of a broken rule differs, on either wire, and lies end it with a word and not with a hang. */

import { type AddressInfo, createServer } from 'node:net';
import { expect } from 'chai';
import { type RoundInfo, Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import type { RuleFile } from '../../src/conformance/rules.js';
import { runSession } from '../../src/conformance/run.js';
import { type Finding, GOOD_BLOCK, tryRules } from '../../src/conformance/trial.js';
import { systemClock } from '../../src/time/clock.js';
import type { Validator } from '../../src/validator/validator.js';
import { EASY } from '../support/blocks.js';
import { type Breakage, breakBuild } from '../support/broken-build.js';
import { cleanup } from '../support/cleanup.js';
import { intercepted, serveGrpc, serveJsonTcp } from '../support/servers.js';
import { type Build, loadBuild } from '../support/session-validator.js';
import { vectors } from '../support/vectors.js';

const { rules } = vectors<RuleFile>('rules');
const ours = await loadBuild(new URL('../../', import.meta.url));

/** What is broken, and a line that must tell. */
const BREAKAGES: readonly (Breakage & { readonly line: string })[] = [
  { rule: 'tonces', file: 'tonce.js', from: 'last & 0x1f || 1', to: '1', line: 'An index that is not the height' },
  {
    rule: 'the challenge',
    file: 'tonce.js',
    from: 'CHALLENGE_MS = 60000n',
    to: 'CHALLENGE_MS = 2000n',
    line: GOOD_BLOCK,
  },
  {
    rule: 'meeting the tonce',
    file: 'tonce.js',
    from: '% tonce === 0',
    to: '% tonce >= 0',
    line: 'A timestamp that misses the tonce',
  },
  { rule: 'the lockout', file: 'state.js', from: 'LOCKOUT_MS = 3600000n', to: 'LOCKOUT_MS = 5000n', line: GOOD_BLOCK },
  {
    rule: 'the past of the window',
    file: 'step.js',
    from: 'timestamp < now - WINDOW_PAST_MS ||',
    to: '',
    line: 'A timestamp before the window',
  },
  {
    rule: 'the future of the window',
    file: 'step.js',
    from: '|| timestamp > now + WINDOW_FUTURE_MS',
    to: '',
    line: 'A timestamp beyond the window',
  },
  {
    rule: 'the window that is told',
    file: 'step.js',
    from: 'WINDOW_FUTURE_MS = 500n',
    to: 'WINDOW_FUTURE_MS = 60000n',
    line: GOOD_BLOCK,
  },
  {
    rule: 'the coinbase',
    file: 'rules.js',
    from: 'sum(outputs) !== COINBASE_VALUE',
    to: 'sum(outputs) > COINBASE_VALUE',
    line: 'A coinbase of less than 2.0',
  },
  {
    rule: 'the claimed hash',
    file: 'step.js',
    from: '!hash.equals(block.hash)',
    to: 'false',
    line: "A hash that is not the block's",
  },
  {
    rule: 'the attempt',
    file: 'step.js',
    from: 'rejected = (verdict) => ({ verdict, changes })',
    to: 'rejected = (verdict) => ({ verdict, changes: [] })',
    line: 'A coinbase with an input',
  },
];

/** What a validator may say of its round, and what is said of it. */
const LIES: readonly [Partial<RoundInfo>, RegExp][] = [
  [{ tonce: 0 }, /tonce 0/],
  [{ tonce: 64 }, /tonce 64/],
  [{ difficulty: 'abc' }, /difficulty abc/],
  [{ difficulty: '0x0' }, /difficulty 0x0/],
  [{ clockSpeed: 1e-9 }, /^(conforms|skipped)/],
  [{ clockSpeed: -1 }, /clock_speed -1/],
  [{ nextIndex: 0xffff_ffff }, /next_index 4294967295/],
  [{ prevBlockHash: Buffer.alloc(31) }, /prev_block_hash of 31 bytes/],
  [{ serverTime: (1n << 64n) - 1n }, /server_time/],
  [{ tipTimestamp: 1n << 62n }, /tip_timestamp/],
  [{ lockoutMs: 1n }, /lockout_ms 1/],
];

describe('A trial of a running validator', () => {
  const atEnd = cleanup();

  /** A validator of a build on an empty chain, its clock the system's. */
  async function node({ ValidatorNode, MemoryStore }: Build) {
    const clock = systemClock(Timescale.TAI);
    const store = new MemoryStore();
    await store.begin({ difficulty: EASY, timescale: Timescale.TAI, firstRoundStart: clock.now() }, 1);
    const made = new ValidatorNode(store, clock);
    atEnd(() => made.stop());
    return made;
  }

  async function found(validator: Validator): Promise<Finding[]> {
    const findings: Finding[] = [];
    for await (const finding of tryRules(validator, rules)) findings.push(finding);
    return findings;
  }

  it('conforms in every line: ours, in memory', async () => {
    const findings = await found(await node(ours));
    expect(findings.filter(({ outcome }) => outcome !== 'conforms')).to.deep.equal([]);
  });

  it('Trials that run at once do not disturb each other', async () => {
    const validator = await node(ours);
    const all = (await Promise.all([found(validator), found(validator), found(validator)])).flat();
    expect(all.filter(({ outcome }) => outcome === 'differs')).to.deep.equal([]);
  });

  for (const breakage of BREAKAGES) {
    it(`tells that ${breakage.rule} is broken: ${breakage.line}`, async () => {
      const broken = await loadBuild(breakBuild(breakage, atEnd));
      const findings = await found(await node(broken));
      const told = findings.filter(({ outcome }) => outcome === 'differs').map(({ name }) => name);
      expect(told).to.include(breakage.line);
    });
  }

  for (const [lie, said] of LIES) {
    it(`A round that cannot be is told, and nothing hangs: ${Object.keys(lie)} ${said}`, async () => {
      const validator = await node(ours);
      const liar = intercepted(validator, {
        getRoundInfo: async () => ({ ...(await validator.getRoundInfo('')), ...lie }),
      });
      for (const [serve, Client] of [
        [serveJsonTcp, JsonTcpClient],
        [serveGrpc, GrpcClient],
      ] as const) {
        const served = await serve(liar.validator);
        atEnd(served.close);
        const client = new Client(served.address);
        atEnd(() => client.close());
        const good = (await found(client)).find(({ name }) => name === GOOD_BLOCK);
        expect(`${good?.outcome} ${good?.detail}`).to.match(said);
      }
    });
  }

  it('Who sends what is no frame, or what nobody asked for, is listened to no more', async () => {
    const session = {
      name: 'any',
      wire: 'json-tcp',
      needs: [],
      validator: { difficulty: '0x1', timescale: 'tai', start: '0' },
      steps: [{ send: '"GetBlockchainInfo"', receive: '{"BlockchainInfo":{}}' }],
    } as const;
    const many = Buffer.concat(Array.from({ length: 2_000 }, () => Buffer.from([0, 0, 0, 1, 0x31])));
    for (const [sent, why] of [
      [Buffer.alloc(1_000, 0xff), 'it sent a frame that is too long'],
      [Buffer.alloc(4), 'it sent a frame that is empty'],
      [many, 'it sends what nobody has asked for'],
    ] as const) {
      const server = createServer((socket) => void socket.on('error', () => {}).end(sent));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      atEnd(() => server.close());
      const { port } = server.address() as AddressInfo;
      const differs = await runSession(session, { host: '127.0.0.1', port });
      expect(differs).to.be.oneOf([`step 1: ${why}`, 'step 1: expected {"BlockchainInfo":{}}, received 1']);
    }
  });
});
