/** Visitors who send bytes that mean nothing, or nearly something, some of it in pieces, and go. Some never read. */

import { setTimeout as sleep } from 'node:timers/promises';
import { frame } from '../../src/wire/frames.js';
import { requestToJson } from '../../src/wire/requests.js';
import { broken } from '../hostile/mutate.js';
import { brokenJson } from '../hostile/mutate-json.js';
import { coinbaseTo, mined } from '../support/blocks.js';
import type { Dice } from './dice.js';
import { Process } from './time.js';
import { begin, JSON_TCP, MINUTE, RPC, SECOND, type World } from './world.js';

const NOISE = { minerId: 'noise', apiKey: undefined };

const SAMPLES = [
  requestToJson({ call: 'GetBlockchainInfo' }),
  requestToJson({ call: 'GetRoundInfo', ...NOISE }),
  requestToJson({ call: 'CheckLockout', ...NOISE }),
  requestToJson({
    call: 'SubmitBlock',
    ...NOISE,
    block: mined({ timestamp: 1_762_800_000_000n, transactions: [coinbaseTo('noise', 1_762_800_000_000n)] }),
  }),
];

export function makeNoise(world: World, dice: Dice): void {
  const { time, network } = world;
  const process = new Process('noise');
  network.endWith(process);
  begin(world, process, async () => {
    const from = `10.3.${dice.choose(256)}.${dice.choose(256)}`;
    const socket = network.connect(process, from, dice.pick([JSON_TCP, JSON_TCP, RPC]));
    socket.on('error', () => {});
    if (dice.chance(0.8)) socket.resume();
    for (let left = dice.between(1, 6); left > 0 && !socket.destroyed; left--) {
      socket.write(noise(dice));
      if (dice.chance(0.3)) await sleep(dice.wait(2 * SECOND));
    }
    if (dice.chance(0.5)) socket.end();
  });
  time.after(dice.wait(5 * MINUTE), time.world, () => process.kill());
}

function noise(dice: Dice): Buffer {
  const { choose } = dice;
  switch (choose(4)) {
    case 0:
      return Buffer.from(Array.from({ length: dice.between(1, 200) }, () => choose(256)));
    case 1:
      return broken(frame(dice.pick(SAMPLES)), 3, choose);
    case 2:
      // The length of a long frame, and little of it.
      return Buffer.concat([Buffer.of(0, choose(32), choose(256), choose(256)), Buffer.from('{"Submit')]);
    default: {
      const json = brokenJson(SAMPLES, choose);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(json.length);
      return Buffer.concat([length, json]);
    }
  }
}
