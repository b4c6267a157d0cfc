/** Attacks by miners whose requests are in order, but too many. */

import { Status } from 'nice-grpc';
import { SubmitBlockRequest, SubmitResult } from '../../gen/hourcoin/v1/validator_service.js';
import { GrpcClient } from '../../src/client/grpc.js';
import { JsonTcpClient } from '../../src/client/json-tcp.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import { OPERATOR_LIMITS } from '../../src/engine/limits.js';
import type { Validator } from '../../src/validator/validator.js';
import { roundInfoFromJson } from '../../src/wire/answers.js';
import { requestToJson } from '../../src/wire/requests.js';
import { winning } from '../support/blocks.js';
import { submission } from '../support/submissions.js';
import type { Attack } from './attack.js';
import { GrpcCalls, JsonCalls, loops } from './calls.js';
import { many } from './throng.js';

/** A block that is refused before anything is recorded: its index is none that the chain will reach. */
const OFF_TIP = submission({ minerId: 'hot' });
const HOPELESS = { minerId: 'hot', block: { ...OFF_TIP.block, index: 1_000_000 } };

/** What a deployed miner does where it is answered what it does not expect. */
const hotLoop: Attack = {
  name: 'hot-loop',
  tries: 'a miner that submits again at once, hundreds of times a second, on both wires',
  async run({ jsonTcp, grpc }, { ms }, inPlace) {
    const text = requestToJson({ call: 'SubmitBlock', ...HOPELESS });
    const message = SubmitBlockRequest.encode(HOPELESS).finish();
    const grpcCalls = await GrpcCalls.to(grpc);
    const kept = await JsonCalls.to(jsonTcp);
    const over = performance.now() + ms;
    const counts = { 'submissions on a kept connection': 0, 'each on its own connection': 0, 'on gRPC': 0 };
    inPlace();
    await Promise.all([
      loops(4, async () => {
        await kept.ask(text);
        counts['submissions on a kept connection']++;
        return performance.now() < over;
      }),
      // As the deployed miner does.
      loops(4, async () => {
        const own = await JsonCalls.to(jsonTcp);
        await own.ask(text);
        own.close();
        counts['each on its own connection']++;
        return performance.now() < over;
      }),
      loops(4, async () => {
        await grpcCalls.ask('ValidatorService/SubmitBlock', message);
        counts['on gRPC']++;
        return performance.now() < over;
      }),
    ]);
    return counts;
  },
};

/** Ids cost nothing: each may use up an attempt, which has to be remembered, and be durable before it is answered. */
const inventedIds: Attack = {
  name: 'invented-ids',
  tries: '10,000 miner ids and more, half on each wire, that use up an attempt each',
  async run({ jsonTcp, grpc }, { ms }, inPlace) {
    const clients: readonly Validator[] = [new JsonTcpClient(jsonTcp), new GrpcClient(grpc)];
    const { block } = submission();
    let round = await clients[0]?.getRoundInfo('');
    let ids = 0;
    let recorded = 0;
    const over = performance.now() + ms;
    inPlace();
    await loops(32, async (loop) => {
      const client = clients[loop % clients.length] as Validator;
      const { nextIndex: index = 0, prevBlockHash = NO_HASH, serverTime = 0n } = round ?? {};
      const hopeless = { ...block, index, prevBlockHash, timestamp: serverTime + 3_600_000n };
      const { result } = await client.submitBlock(`invented ${ids++}`, hopeless);
      if (result === SubmitResult.REJECTED_INVALID_TIMESTAMP) recorded++;
      // An honest miner has won: there is a new round.
      else round = await client.getRoundInfo('');
      return performance.now() < over || recorded < 10_000;
    });
    return { ids, recorded };
  },
};

/** Ids that were never used before, each for one block: without a share for each address, one host would take every block. */
const oneHost: Attack = {
  name: 'one-host',
  tries: 'ever new miner ids at one address that would take every block, which is given its share of them',
  isLimited: true,
  async run({ jsonTcp }, { ms }, inPlace) {
    const { default: share } = OPERATOR_LIMITS.maxBlocksPerIp;
    const calls = await JsonCalls.to(jsonTcp);
    const over = performance.now() + ms;
    const figures = { ids: 0, accepted: 0, 'not taken': 0 };
    inPlace();
    await loops(4, async () => {
      const minerId = `fresh ${figures.ids++}`;
      const round = roundInfoFromJson(Buffer.from(await calls.ask(requestToJson({ call: 'GetRoundInfo', minerId }))));
      const block = winning(round, minerId);
      const answer = await calls.ask(requestToJson({ call: 'SubmitBlock', minerId, block }));
      if (answer.includes('"Accepted"')) figures.accepted++;
      if (answer.includes('"Not taken: ')) figures['not taken']++;
      return performance.now() < over;
    });
    if (figures.accepted > share) throw new Error(`${figures.accepted} blocks were accepted, of a share of ${share}`);
    return figures;
  },
};

/** Who asks too fast is slowed down on JSON/TCP, where a deployed miner would end at anything else, and refused on gRPC. */
const tooFast: Attack = {
  name: 'too-fast',
  tries: 'good requests on both wires, far more than an address may make',
  isLimited: true,
  async run({ jsonTcp, grpc }, { ms }, inPlace) {
    const { default: perSecond } = OPERATOR_LIMITS.maxRequestsPerIp;
    const json = await many(16, () => JsonCalls.to(jsonTcp));
    const grpcCalls = await many(4, () => GrpcCalls.to(grpc));
    const begun = performance.now();
    const isOver = (): boolean => performance.now() > begun + ms;
    const figures = { 'answered on JSON/TCP': 0, 'answered on gRPC': 0, 'refused on gRPC': 0 };
    const request = requestToJson({ call: 'GetBlockchainInfo' });
    inPlace();
    // Whoever is slowed down may wait for long: nobody waits for him.
    for (const calls of json) {
      void loops(64, async () => {
        await calls.ask(request);
        figures['answered on JSON/TCP']++;
        return true;
      }).catch(() => {});
    }
    await loops(16, async (loop) => {
      const status = await grpcCalls[loop % grpcCalls.length]?.ask('ValidatorService/GetBlockchainInfo', Buffer.of());
      if (status === Status.OK) figures['answered on gRPC']++;
      else if (status === Status.RESOURCE_EXHAUSTED) figures['refused on gRPC']++;
      else throw new Error(`status ${status}`);
      return !isOver();
    });
    const answered = figures['answered on JSON/TCP'] + figures['answered on gRPC'];
    // A second's worth at once, and so many a second; and what was being looked at when they were used up.
    const most = perSecond * (2 + (performance.now() - begun) / 1_000) + 16 * 64;
    if (answered > most) throw new Error(`${answered} requests were answered, where ${Math.round(most)} may be`);
    if (json.some((calls) => calls.isClosed)) throw new Error('a JSON/TCP connection was closed');
    return figures;
  },
};

export const MINERS: readonly Attack[] = [hotLoop, inventedIds, oneHost, tooFast];
