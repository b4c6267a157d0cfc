/** Attacks by those who ask, and do not read what they are told. */

import { setTimeout as sleep } from 'node:timers/promises';
import { ListBlocksRequest, WatchBlocksRequest } from '../../gen/hourcoin/v1/chain_service.js';
import { WatchRoundsRequest } from '../../gen/hourcoin/v1/validator_service.js';
import { OPERATOR_LIMITS } from '../../src/engine/limits.js';
import { grpcFramed } from '../support/grpc.js';
import {
  callHeaders,
  END_HEADERS,
  END_STREAM,
  FRAME,
  headerBlock,
  http2Frame,
  INITIAL_WINDOW_SIZE,
  PREFACE,
  settings,
} from '../support/http2-frames.js';
import { framed } from '../support/sockets.js';
import type { Attack } from './attack.js';
import { barrage, cut, throng, write } from './throng.js';

/** Blocks of a chain whose pages are as long as they can be. */
const LARGE_BLOCKS = 3;

/** Each with as many calls as it may have. */
const CONNECTIONS = 4;

/** Answers pile up where requests are taken and answers are not. */
const neverReads: Attack = {
  name: 'never-reads',
  tries: '16 connections that pipeline requests on JSON/TCP and never read an answer',
  async run({ jsonTcp }, { ms }, inPlace) {
    const requests = Buffer.concat(Array(100).fill(framed('{"GetRoundInfo":{"miner_id":"deaf"}}')));
    function* script() {
      for (;;) yield requests;
    }
    return barrage(jsonTcp, script, { connections: 16, ms, reads: false }, inPlace);
  },
};

/** Calls on many streams that let nothing through: what is answered has to wait in memory (CVE-2019-9517). */
function stalled(
  name: string,
  tries: string,
  calls: readonly (readonly [method: string, request: Uint8Array])[],
): Attack {
  return {
    name,
    tries,
    largeBlocks: LARGE_BLOCKS,
    async run({ grpc }, { ms }, inPlace) {
      const opening = [PREFACE, settings(INITIAL_WINDOW_SIZE, 0)];
      for (let n = 0; n < OPERATOR_LIMITS.maxStreams.default; n++) {
        const [method, request] = calls[n % calls.length] as (typeof calls)[number];
        const block = headerBlock(callHeaders(method));
        opening.push(
          http2Frame(FRAME.HEADERS, END_HEADERS, 2 * n + 1, block),
          http2Frame(FRAME.DATA, END_STREAM, 2 * n + 1, grpcFramed(Buffer.from(request))),
        );
      }
      const sockets = await throng(grpc, CONNECTIONS);
      for (const socket of sockets) write(socket, ...opening);
      // The first answers, which have room, are made soon.
      await sleep(ms / 5);
      inPlace();
      await sleep(ms);
      return { connections: sockets.length, 'cut off': cut(sockets) };
    },
  };
}

export const READERS: readonly Attack[] = [
  neverReads,
  stalled('stalled-pages', 'calls for pages of the largest blocks, which are never read', [
    ['ChainService/ListBlocks', ListBlocksRequest.encode({ fromIndex: 0, pageSize: 0, pageToken: '' }).finish()],
  ]),
  stalled('stalled-watchers', 'watchers of rounds and of the largest blocks, who never read', [
    ['ChainService/WatchBlocks', WatchBlocksRequest.encode({ fromIndex: 0 }).finish()],
    ['ValidatorService/WatchRounds', WatchRoundsRequest.encode({ minerId: 'deaf' }).finish()],
  ]),
];
