/**
 * A validator that talks as the deployed ones do (spec, sections 1, 2 and 7): no further members, answers in two writes, what it cannot read
 * closes the connection without a word, and so do length bytes that arrive split. It judges as ours does.
 */

import type { Socket } from 'node:net';
import type { Validator } from '../../src/validator/validator.js';
import {
  blockchainInfoToJson,
  blockResultToJson,
  errorToJson,
  lockoutStatusToJson,
  roundInfoToJson,
} from '../../src/wire/answers.js';
import { type Request, requestFromJson } from '../../src/wire/requests.js';
import { header, listenRaw, type ScriptedServer } from './sockets.js';

/** Serves a validator as a deployed one. `say` may give an answer of its own. */
export function deployedValidator(
  validator: Validator,
  say: (request: Request) => string | undefined = () => undefined,
): Promise<ScriptedServer> {
  return listenRaw((socket) => {
    let waiting = Buffer.alloc(0);
    let turn = Promise.resolve();
    socket.on('data', (piece) => {
      if (waiting.length === 0 && piece.length < 4) return socket.destroy();
      waiting = Buffer.concat([waiting, piece]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE(0)) {
        const end = 4 + waiting.readUInt32BE(0);
        const body = waiting.subarray(4, end);
        waiting = waiting.subarray(end);
        turn = turn.then(() => answer(body, socket));
      }
    });
  });

  async function answer(body: Buffer, socket: Socket): Promise<void> {
    try {
      const request = requestFromJson(body);
      const text = say(request) ?? (await judge(request));
      socket.write(header(Buffer.byteLength(text)));
      socket.write(text);
    } catch {
      socket.destroy();
    }
  }

  async function judge(request: Request): Promise<string> {
    switch (request.call) {
      case 'GetRoundInfo':
        return roundInfoToJson(await validator.getRoundInfo(request.minerId)).replace(/,"round":.*$/, '}}');
      case 'CheckLockout':
        return lockoutStatusToJson(await validator.checkLockout(request.minerId));
      case 'GetBlockchainInfo':
        return blockchainInfoToJson(await validator.getBlockchainInfo()).replace(/,"tip_hash":.*$/, '}}');
      case 'SubmitBlock':
        return blockResultToJson(await validator.submitBlock(request.minerId, request.block));
      default:
        return errorToJson('unknown');
    }
  }
}
