/** Who may do what: keys, certificates, and what those are answered who have shown too little. The same on both protocols. */

import { type ServiceError, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { ChainCode, SubmitBlockRequest, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { connectTo } from '../../src/client/connect.js';
import type { Credentials } from '../../src/client/credentials.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import type { Fault } from '../../src/engine/fault.js';
import type { Auth } from '../../src/server/admission.js';
import type { Validator } from '../../src/validator/validator.js';
import type { ValidatorOptions } from '../../src/validator-server.js';
import { formatAddress, formatEndpoint } from '../../src/wire/address.js';
import { blockToJson } from '../../src/wire/requests.js';
import { balancerTo, FAR, headerFor, throughBalancer } from '../support/balancer.js';
import { sealed, winning } from '../support/blocks.js';
import { cleanup } from '../support/cleanup.js';
import { detailsOf, RawGrpc } from '../support/grpc.js';
import { LegacyMiner } from '../support/legacy-miner.js';
import { RawClient } from '../support/sockets.js';
import { type Certificates, makeCertificates } from '../support/tls.js';
import { type Scheme, startWhole, type WholeValidator } from '../support/validators.js';

/** A block that is judged, and uses nothing up: it is far from the tip. */
const FAR_OFF = sealed({
  index: 999,
  timestamp: 1n,
  hash: NO_HASH,
  prevBlockHash: NO_HASH,
  nonce: 0n,
  transactions: [],
});
const JUDGED =
  '{"BlockResult":{"result":"RejectedBlockchainValidation","message":"Blockchain validation failed: MismatchedIndex"}}';

/** A token that no validator has made. */
const UNKNOWN = `hck_${'A'.repeat(43)}`;

const NEEDS_KEY = 'this miner id needs its API key or certificate';
const NOT_KNOWN = 'the API key is not known';
const CAN_BE_READ =
  'an API key is not taken over a connection that others can read: connect by tls:// or grpcs://, and make a new key';
const READERS_ONLY = 'this validator answers who shows an API key or a certificate';

const PLAIN = ['tcp', 'grpc'] as const;
const SECURE = ['tls', 'grpcs'] as const;

describe('Who is asking', () => {
  const atEnd = cleanup();
  let certificates: Certificates;

  before(async () => {
    certificates = await makeCertificates(['--client', 'alice', 'bob', 'carol']);
  });
  after(() => certificates.remove());

  /** A validator on every wire. With `clientsOnly` those who speak TLS show certificates. */
  function started(
    options: ValidatorOptions = {},
    clientsOnly = false,
    end: typeof atEnd = atEnd,
  ): Promise<WholeValidator> {
    const { path } = certificates;
    const files = { cert: path('server.pem'), key: path('server-key.pem') };
    const tls = clientsOnly ? { ...files, clientCa: path('ca.pem') } : files;
    return startWhole(end, { listen: ['tls://127.0.0.1:0', 'grpcs://127.0.0.1:0'], tls, ...options });
  }

  /** What somebody shows: the token of a key, and a certificate. */
  function showing(apiKey?: string, certificate?: string): Credentials {
    const ca = certificates.read('ca.pem');
    return { apiKey, ...(certificate === undefined ? { ca } : certificates.credentialsOf(certificate)) };
  }

  /** How a submission is answered: judged, or why not. */
  async function outcome(client: Validator, minerId: string): Promise<string> {
    try {
      const { code } = await client.submitBlock(minerId, FAR_OFF);
      expect(code).to.equal(ChainCode.MISMATCHED_INDEX);
      return 'judged';
    } catch (error) {
      const { reason, message } = error as Fault;
      expect(reason).to.equal('UNAUTHENTICATED');
      return message;
    }
  }

  function raw(validator: WholeValidator, scheme: 'tcp'): Promise<RawClient> {
    return RawClient.connect(validator.at(scheme)).then((client) => {
      atEnd(() => client.destroy());
      return client;
    });
  }

  function rawGrpc(validator: WholeValidator): RawGrpc {
    const grpc = new RawGrpc(validator.at('grpc'));
    atEnd(() => grpc.close());
    return grpc;
  }

  /** A request of the JSON protocol. */
  function request(call: string, minerId: string, apiKey?: string): string {
    const key = apiKey === undefined ? '' : `,"api_key":${JSON.stringify(apiKey)}`;
    const block = call === 'SubmitBlock' ? `,"block":${blockToJson(FAR_OFF)}` : '';
    return `{"${call}":{"miner_id":${JSON.stringify(minerId)}${block}${key}}}`;
  }

  for (const auth of ['open', 'required'] as const) {
    describe(`--auth ${auth}`, () => {
      const ends: (() => unknown)[] = [];
      const tokens = new Map<string, string>();
      let withTokens: WholeValidator;
      let withCertificates: WholeValidator;

      before(async () => {
        const later = (end: () => unknown): void => void ends.push(end);
        withTokens = await started({ auth }, false, later);
        withCertificates = await started({ auth }, true, later);
        for (const minerId of ['alice', 'bob']) {
          tokens.set(minerId, (await withTokens.addKey(minerId)).token);
          await withCertificates.addKey(minerId);
        }
      });
      after(async () => {
        for (const end of ends.reverse()) await end();
      });

      // Alice and bob have keys, carol has none.
      for (const [minerId, shown, why] of [
        ['alice', undefined, NEEDS_KEY],
        ['alice', 'alice', 'judged'],
        ['alice', 'bob', NEEDS_KEY],
        ['alice', 'nobody', NOT_KNOWN],
        ['carol', undefined, auth === 'open' ? 'judged' : NEEDS_KEY],
        ['carol', 'alice', auth === 'open' ? 'judged' : NEEDS_KEY],
        ['carol', 'nobody', NOT_KNOWN],
      ] as const) {
        const who = { undefined: 'nobody shows a key', alice: "alice's key is shown", bob: "bob's key is shown" };
        const what = shown === 'nobody' ? "nobody's key is shown" : who[`${shown}`];
        for (const scheme of [...PLAIN, ...SECURE]) {
          it(`${minerId}, ${minerId === 'carol' ? 'who has no key' : 'who has one'}, over ${scheme}, where ${what}: ${why}`, async () => {
            const token = shown === undefined ? undefined : (tokens.get(shown) ?? UNKNOWN);
            expect(await outcome(withTokens.client(scheme, showing(token)), minerId)).to.equal(why);
          });
        }
      }

      for (const [minerId, certificate, why] of [
        ['alice', 'alice', 'judged'],
        ['alice', 'bob', NEEDS_KEY],
        ['carol', 'carol', 'judged'],
        ['carol', 'bob', auth === 'open' ? 'judged' : NEEDS_KEY],
      ] as const) {
        for (const scheme of SECURE) {
          it(`${minerId} over ${scheme}, where the certificate names ${certificate}: ${why}`, async () => {
            const client = withCertificates.client(scheme, showing(undefined, certificate));
            expect(await outcome(client, minerId)).to.equal(why);
          });
        }
      }

      for (const scheme of SECURE) {
        it(`a key and a certificate count side by side, over ${scheme}; a key that is not known counts against both`, async () => {
          const { token } = await withCertificates.addKey('alice');
          const both = withCertificates.client(scheme, showing(token, 'bob'));
          expect([await outcome(both, 'alice'), await outcome(both, 'bob')]).to.deep.equal(['judged', 'judged']);
          const wrong = withCertificates.client(scheme, showing(UNKNOWN, 'bob'));
          expect(await outcome(wrong, 'bob')).to.equal(NOT_KNOWN);
        });
      }
    });
  }

  it('Where nothing is said, keys are asked of everyone but on loopback and on plain JSON/TCP, where deployed miners are', async () => {
    const rows: readonly [ValidatorOptions, Readonly<Record<Scheme, Auth>>][] = [
      [{}, { tcp: 'open', grpc: 'open', tls: 'open', grpcs: 'open' }],
      [
        {
          address: '0.0.0.0:0',
          grpc: '0.0.0.0:0',
          listen: ['tls://0.0.0.0:0', 'grpcs://0.0.0.0:0'],
          insecure: true,
        },
        { tcp: 'open', grpc: 'required', tls: 'required', grpcs: 'required' },
      ],
      [{ auth: 'required' }, { tcp: 'required', grpc: 'required', tls: 'required', grpcs: 'required' }],
      // A balancer makes this machine's own address everybody's.
      [{ proxyFrom: ['192.0.2.1'] }, { tcp: 'open', grpc: 'required', tls: 'required', grpcs: 'required' }],
    ];
    for (const [options, expected] of rows) {
      const validator = await started(options);
      for (const [scheme, auth] of Object.entries(expected) as [Scheme, Auth][]) {
        const answer = await outcome(validator.client(scheme, showing()), 'carol');
        expect(answer, `${scheme} of ${JSON.stringify(options)}`).to.equal(auth === 'open' ? 'judged' : NEEDS_KEY);
      }
    }
  });

  describe('A submission that is refused', () => {
    it('uses nothing up: whom the miner id belongs to has its attempt yet, and no lockout', async () => {
      const validator = await started();
      const { token } = await validator.addKey('alice');
      const round = await validator.server.validator.getRoundInfo('');
      const good = winning(round, 'alice');
      for (const scheme of PLAIN) {
        for (const apiKey of [undefined, UNKNOWN, (await validator.addKey('bob')).token]) {
          const thief = validator.client(scheme, { apiKey });
          for (const block of [good, { ...good, hash: NO_HASH }]) {
            const error: unknown = await thief.submitBlock('alice', block).catch((error) => error);
            expect(error).to.include({ reason: 'UNAUTHENTICATED' });
          }
        }
      }
      const alice = validator.client('grpc', { apiKey: token });
      expect(await alice.getMiner('alice')).to.include({ hasAttempted: false, isLocked: false, blockCount: 0n });
      expect((await alice.submitBlock('alice', good)).result).to.equal(SubmitResult.ACCEPTED);
    });

    it('is answered on JSON/TCP as one that was not taken, and why', async () => {
      const validator = await started();
      await validator.addKey('alice');
      const client = await raw(validator, 'tcp');
      for (const [apiKey, why] of [
        [undefined, NEEDS_KEY],
        [UNKNOWN, NOT_KNOWN],
        ['not even a token', NOT_KNOWN],
        ['', NOT_KNOWN],
      ] as const) {
        expect(await client.ask(request('SubmitBlock', 'alice', apiKey))).to.equal(
          `{"BlockResult":{"result":"RejectedBlockchainValidation","message":"Not taken: ${why}","refused":"${why}"}}`,
        );
      }
    });

    it('is answered on gRPC with UNAUTHENTICATED, and a reason to match on', async () => {
      const validator = await started();
      await validator.addKey('alice');
      const submission = SubmitBlockRequest.encode({ minerId: 'alice', block: FAR_OFF }).finish();
      const error = await rawGrpc(validator)
        .unary('ValidatorService/SubmitBlock', submission)
        .then(
          () => undefined,
          (error: ServiceError) => error,
        );
      expect(error).to.include({ code: status.UNAUTHENTICATED, details: NEEDS_KEY });
      expect(detailsOf(error as ServiceError)['google.rpc.ErrorInfo']).to.include({
        reason: 'UNAUTHENTICATED',
        domain: 'hourcoin',
      });
    });

    for (const [what, options, waits] of [
      ['its submissions', { auth: 'required' }, 5_000],
      ['all that it asks', { auth: 'required', authReads: true }, 61_000],
    ] as const) {
      it(`keeps a deployed miner waiting that is refused ${what}: it neither ends nor asks again at once`, async () => {
        const validator = await started(options);
        const miner = new LegacyMiner('alice', formatAddress(validator.at('tcp')));
        const waited: number[] = [];
        const enough = new Error('enough');
        const running = miner.run(async (ms) => {
          waited.push(ms);
          if (waited.length === 4) throw enough;
        });
        expect(await running.catch((error) => error)).to.equal(enough);
        expect(waited).to.deep.equal([waits, waits, waits, waits]);
      });
    }
  });

  describe('A key on JSON/TCP', () => {
    let validator: WholeValidator;
    let token: string;
    let client: RawClient;

    beforeEach(async () => {
      validator = await started();
      ({ token } = await validator.addKey('alice'));
      client = await raw(validator, 'tcp');
    });

    it('may be null, as generated code writes what is not there: that is as good as none', async () => {
      const { validator: node } = validator.server;
      const block = blockToJson(winning(await node.getRoundInfo(''), 'carol'));
      for (const [request, answer] of [
        ['{"CheckLockout":{"miner_id":"alice","api_key":null}}', /^{"LockoutStatus":/],
        ['{"GetRoundInfo":{"api_key":null,"miner_id":"alice"}}', /^{"RoundInfo":/],
        [`{"SubmitBlock":{"api_key":null,"miner_id":"carol","block":${block}}}`, /"Accepted"/],
      ] as const) {
        expect(await client.ask(request)).to.match(answer);
      }
    });

    it('is the member api_key beside miner_id, anywhere in the object', async () => {
      const block = `"block":${blockToJson(FAR_OFF)}`;
      const members = ['"miner_id":"alice"', `"api_key":"${token}"`, block, '"other":{"api_key":[1,2]}'];
      for (let turn = 0; turn < members.length; turn++) {
        members.push(members.shift() as string);
        const fresh = await raw(validator, 'tcp');
        expect(await fresh.ask(`{"SubmitBlock":{${members.join()}}}`)).to.equal(JUDGED);
      }
    });

    it('stays shown on its connection, whichever call it came with, and on no other', async () => {
      for (const call of ['GetRoundInfo', 'CheckLockout', 'SubmitBlock']) {
        const fresh = await raw(validator, 'tcp');
        await fresh.ask(request(call, 'alice', token));
        expect(await fresh.ask(request('SubmitBlock', 'alice'))).to.equal(JUDGED);
        expect(await client.ask(request('SubmitBlock', 'alice'))).to.contain(NEEDS_KEY);
      }
    });

    it('is one of several that a connection has shown', async () => {
      const { token: bobs } = await validator.addKey('bob');
      for (const [minerId, apiKey] of [
        ['alice', token],
        ['bob', bobs],
        ['alice', undefined],
        ['bob', undefined],
      ] as const) {
        expect(await client.ask(request('SubmitBlock', minerId, apiKey))).to.equal(JUDGED);
      }
    });

    for (const [what, text] of [
      ['twice', `{"CheckLockout":{"miner_id":"alice","api_key":"a","api_key":"a"}}`],
      ['as a number', `{"CheckLockout":{"miner_id":"alice","api_key":1}}`],
      ['as an object', `{"CheckLockout":{"miner_id":"alice","api_key":{}}}`],
      ['in an array that stands for the object', `{"CheckLockout":["alice","a"]}`],
      ['after a block in an array', `{"SubmitBlock":["alice",${blockToJson(FAR_OFF)},"a"]}`],
      ['of a call that names no miner', `{"GetBlockchainInfo":{"api_key":"a"}}`],
    ] as const) {
      it(`is an Error where it is told ${what}`, async () => {
        expect(await client.ask(text)).to.match(/^\{"Error":\{"message":"Invalid request: /);
      });
    }

    it('is not there in an array that stands for the object', async () => {
      expect(await client.ask('{"CheckLockout":["alice"]}')).to.contain('"is_locked":false');
      expect(await client.ask(`{"SubmitBlock":["carol",${blockToJson(FAR_OFF)}]}`)).to.equal(JUDGED);
    });

    it('is not repeated by whoever is told that it is wrong', async () => {
      for (const text of [request('SubmitBlock', 'alice', `${token}x`), `{"CheckLockout":{"api_key":"${token}"}}`]) {
        expect(await client.ask(text)).to.not.contain(token);
      }
    });

    it('may be one of very many: the last is good', async () => {
      for (let count = 0; count < 70; count++) {
        const { token: other } = await validator.addKey(`miner ${count}`);
        expect(await client.ask(request('SubmitBlock', `miner ${count}`, other))).to.equal(JUDGED);
      }
      expect(await client.ask(request('SubmitBlock', 'miner 69'))).to.equal(JUDGED);
      expect(await client.ask(request('SubmitBlock', 'alice', token))).to.equal(JUDGED);
    });
  });

  it('On gRPC each call shows its own key: a proxy may carry many clients over one connection', async () => {
    const validator = await started();
    const { token } = await validator.addKey('alice');
    const grpc = rawGrpc(validator);
    const submission = SubmitBlockRequest.encode({ minerId: 'alice', block: FAR_OFF }).finish();
    const codes: (number | undefined)[] = [];
    for (const authorization of [`Bearer ${token}`, undefined, `bearer ${token}`, `Basic ${token}`, token, 'Bearer ']) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      codes.push(
        await grpc.unary('ValidatorService/SubmitBlock', submission, {}, undefined, headers).then(
          () => status.OK,
          ({ code }) => code,
        ),
      );
    }
    const { OK, UNAUTHENTICATED } = status;
    expect(codes).to.deep.equal([OK, UNAUTHENTICATED, OK, UNAUTHENTICATED, UNAUTHENTICATED, UNAUTHENTICATED]);
  });

  describe('Beyond this machine a key', () => {
    /** A client of which a load balancer says that it is far away. */
    async function farAway(validator: WholeValidator, scheme: Scheme, apiKey?: string): Promise<Validator> {
      const balancer = await balancerTo(validator.at(scheme), headerFor(FAR), 'in one piece with what follows');
      atEnd(balancer.close);
      const url = throughBalancer(formatEndpoint(validator.at(scheme)), balancer);
      const client = connectTo(url, undefined, showing(apiKey));
      atEnd(() => client.close());
      return client;
    }

    for (const scheme of PLAIN) {
      it(`is not taken over ${scheme}, where others could have read it, and that is said; with --insecure it is`, async () => {
        for (const insecure of [false, true]) {
          const validator = await started({ proxyFrom: ['127.0.0.1'], auth: 'open', insecure });
          const { token } = await validator.addKey('alice');
          const client = await farAway(validator, scheme, token);
          const expected = insecure ? 'judged' : CAN_BE_READ;
          expect(await outcome(client, 'alice')).to.equal(expected);
          const read = client.getRoundInfo('alice').catch(({ reason }) => ({ reason }));
          expect(await read).to.include(insecure ? { round: 1n } : { reason: 'UNAUTHENTICATED' });
          // Who shows none is as free as ever.
          expect(await outcome(await farAway(validator, scheme), 'carol')).to.equal('judged');
        }
      });
    }

    for (const scheme of SECURE) {
      it(`is taken over ${scheme}`, async () => {
        const validator = await started({ proxyFrom: ['127.0.0.1'] });
        const { token } = await validator.addKey('alice');
        expect(await outcome(await farAway(validator, scheme, token), 'alice')).to.equal('judged');
      });
    }
  });

  describe('A key that is revoked', () => {
    for (const scheme of [...PLAIN, ...SECURE]) {
      it(`is worth nothing from then on, over ${scheme}, also where it has been shown; its miner id is free again`, async () => {
        const validator = await started();
        const [first, second] = [await validator.addKey('alice'), await validator.addKey('alice')];
        const client = validator.client(scheme, showing(first.token));
        expect(await outcome(client, 'alice')).to.equal('judged');
        await validator.revokeKey(first.id);
        expect(await outcome(client, 'alice')).to.equal(NOT_KNOWN);
        expect(await outcome(validator.client(scheme, showing(second.token)), 'alice')).to.equal('judged');
        expect(await outcome(validator.client(scheme, showing()), 'alice')).to.equal(NEEDS_KEY);
        await validator.revokeKey(second.id);
        expect(await outcome(validator.client(scheme, showing()), 'alice')).to.equal('judged');
      });
    }

    it('is forgotten by a connection that does not show it again', async () => {
      const validator = await started();
      const { id, token } = await validator.addKey('alice');
      await validator.addKey('alice');
      const client = await raw(validator, 'tcp');
      expect(await client.ask(request('SubmitBlock', 'alice', token))).to.equal(JUDGED);
      await validator.revokeKey(id);
      expect(await client.ask(request('SubmitBlock', 'alice'))).to.contain(NEEDS_KEY);
    });

    it('is told nothing more on streams that were begun with it', async () => {
      const validator = await started({ authReads: true });
      const [alice, bob] = [await validator.addKey('alice'), await validator.addKey('bob')];
      const streams = [alice, bob].flatMap(({ token }) => {
        const client = validator.client('grpc', { apiKey: token });
        return [client.watchRounds('alice'), client.watchBlocks(0)].map((stream) => stream[Symbol.asyncIterator]());
      });
      const [rounds, blocks, othersRounds, othersBlocks] = streams as [
        (typeof streams)[0],
        (typeof streams)[0],
        (typeof streams)[0],
        (typeof streams)[0],
      ];
      for (const stream of [rounds, othersRounds]) expect((await stream.next()).value).to.include({ round: 1n });
      const waiting = [rounds, blocks, othersRounds, othersBlocks].map((stream) => stream.next());
      const told = Promise.allSettled(waiting);
      await validator.revokeKey(alice.id);
      const { validator: node } = validator.server;
      await node.submitBlock('carol', winning(await node.getRoundInfo(''), 'carol'));
      const reasons = (await told).map((one) => (one.status === 'rejected' ? one.reason.reason : 'told'));
      expect(reasons).to.deep.equal(['UNAUTHENTICATED', 'UNAUTHENTICATED', 'told', 'told']);
      for (const stream of streams) await stream.return?.(undefined);
    });
  });

  describe('--auth-reads', () => {
    it('answers on JSON/TCP in a way that a deployed miner waits, and says why', async () => {
      const validator = await started({ authReads: true });
      const { token } = await validator.addKey('alice');
      const client = await raw(validator, 'tcp');
      const round = JSON.parse(await client.ask(request('GetRoundInfo', 'alice')));
      expect(round).to.deep.equal({
        RoundInfo: {
          round_start: 0,
          tonce: null,
          challenge_seconds_remaining: 0,
          attempted_miners: 0,
          active_lockouts: 0,
          difficulty: '0x1',
          refused: READERS_ONLY,
        },
      });
      expect(await client.ask(request('CheckLockout', 'alice'))).to.equal(
        `{"LockoutStatus":{"is_locked":true,"seconds_remaining":60,"refused":"${READERS_ONLY}"}}`,
      );
      for (const text of ['"GetBlockchainInfo"', '{"GetBlockchainInfo":null}']) {
        expect(await client.ask(text)).to.equal(`{"Error":{"message":"${READERS_ONLY}","refused":"${READERS_ONLY}"}}`);
      }
      expect(await client.ask(request('GetRoundInfo', 'anybody', token))).to.contain('"next_index":0');
      expect(await client.ask(request('CheckLockout', 'anybody'))).to.contain('"is_locked":false');
      expect(await client.ask('"GetBlockchainInfo"')).to.contain('"block_count":0');
    });

    it('is UNAUTHENTICATED to every call of gRPC but health and reflection, with a reason to match on', async () => {
      const validator = await started({ authReads: true });
      const grpc = rawGrpc(validator);
      const methods = ['GetRoundInfo', 'CheckLockout', 'GetBlockchainInfo', 'WatchRounds'].map(
        (name) => `ValidatorService/${name}`,
      );
      methods.push(
        ...['ListBlocks', 'WatchBlocks', 'GetAddress', 'GetMiner', 'GetBlock'].map((name) => `ChainService/${name}`),
      );
      const named = Buffer.from('0a05616c696365', 'hex');
      const bodies: Readonly<Record<string, Buffer>> = { GetBlock: Buffer.from('0800', 'hex') };
      for (const method of methods) {
        const name = method.split('/')[1] as string;
        const isNamed = /Round|Lockout|Address|Miner/.test(name);
        const call = grpc.unary(method, bodies[name] ?? (isNamed ? named : Buffer.of()));
        const error = (await call.catch((error) => error)) as ServiceError;
        expect(error, method).to.include({ code: status.UNAUTHENTICATED, details: READERS_ONLY });
        expect(detailsOf(error)['google.rpc.ErrorInfo']).to.include({ reason: 'UNAUTHENTICATED' });
      }
      expect(await grpc.unary('grpc.health.v1.Health/Check', Buffer.of())).to.deep.equal(Buffer.from('0801', 'hex'));
      const services = await grpc.exchange(
        'grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        Buffer.from('3a00', 'hex'),
      );
      expect(String(services)).to.contain('hourcoin.v1.ValidatorService');
    });

    for (const scheme of [...PLAIN, ...SECURE]) {
      it(`is a Fault, UNAUTHENTICATED, to our clients over ${scheme}, until they show something`, async () => {
        const validator = await started({ authReads: true });
        const { token } = await validator.addKey('alice');
        const calls = (client: Validator) => [
          client.getRoundInfo('carol'),
          client.checkLockout('carol'),
          client.getBlockchainInfo(),
          client.submitBlock('carol', FAR_OFF),
        ];
        const stranger = validator.client(scheme, showing());
        for (const call of calls(stranger).slice(0, 3)) {
          const error: unknown = await call.catch((error) => error);
          expect(error).to.include({ reason: 'UNAUTHENTICATED', message: READERS_ONLY });
        }
        for (const call of calls(validator.client(scheme, showing(token)))) await call;
      });
    }

    for (const scheme of SECURE) {
      it(`is content with any certificate of the authority, over ${scheme}`, async () => {
        const validator = await started({ authReads: true }, true);
        const client = validator.client(scheme, showing(undefined, 'carol'));
        expect(await client.getRoundInfo('alice')).to.include({ round: 1n });
        expect(await client.getBlockchainInfo()).to.include({ blockCount: 0n });
      });
    }
  });
});
