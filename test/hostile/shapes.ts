/** Messages that are as long as they may be, and shaped to cost their reader most. */

import { nested, tag, UNKNOWN_FIELD, varint } from '../support/protobuf-bytes.js';
import type { Attack, Figures } from './attack.js';
import { GrpcCalls, JsonCalls, loops } from './calls.js';
import { many } from './throng.js';

const MEBIBYTE = 1_048_576;

/** How many are sent at once, each on a connection of its own. */
const AT_ONCE = 4;

const UNKNOWN_MEMBER = '{"CheckLockout":{"miner_id":"a","x":';
const BLOCK = '{"SubmitBlock":{"miner_id":"a","block":{';
const OUTPUTS = `${BLOCK}"transactions":[{"inputs":[],"outputs":[`;

/** Texts: how each begins, what it repeats until it is long enough, and how it ends. */
const JSON_SHAPES: Readonly<Record<string, readonly [string, string, string]>> = {
  'arrays in arrays': [UNKNOWN_MEMBER, '[', ''],
  'objects in objects': [UNKNOWN_MEMBER, '{"a":', ''],
  'the deepest nesting that is allowed, again and again': [
    `${UNKNOWN_MEMBER}[`,
    `${'['.repeat(250)}${']'.repeat(250)},`,
    '0]}}',
  ],
  'a huge number that is ignored': [UNKNOWN_MEMBER, '7', '}}'],
  'a huge exponent': [`${UNKNOWN_MEMBER}1e`, '7', '}}'],
  'a huge index': [`${BLOCK}"index":`, '7', '}}}'],
  'a huge timestamp': [`${BLOCK}"timestamp":`, '7', '}}}'],
  'a huge value': [`${OUTPUTS}{"to_addr":"","value":0.`, '7', '}]}]}}}'],
  'as many members as fit': [`${UNKNOWN_MEMBER}{`, '"":0,', '"":0}}}'],
  'as many unknown members as fit': ['{"CheckLockout":{"miner_id":"a"', ',"":0', '}}'],
  'as many elements as fit': [`${UNKNOWN_MEMBER}[`, '0,', '0]}}'],
  'a string of escapes': ['{"CheckLockout":{"miner_id":"', '\\u00e4', '"}}'],
  'a string of escaped pairs': ['{"CheckLockout":{"miner_id":"', '\\ud83d\\ude00', '"}}'],
  'a name of escapes': ['{"CheckLockout":{"', '\\u0061', '":0}}'],
  'a hash of any length': [`${BLOCK}"hash":"`, 'ab', '"}}}'],
  'as many transactions as fit': [`${BLOCK}"transactions":[`, '[[],[]],', '[[],[]]]}}}'],
  'as many outputs as fit': [OUTPUTS, '["",0,0],', '["",0,0]]}]}}}'],
  'white space': ['', ' ', '"GetBlockchainInfo"'],
};

/** Messages: the fields that they are in, and what is repeated there. */
const PROTOBUF_SHAPES: Readonly<Record<string, readonly [readonly number[], Buffer]>> = {
  'as many unknown fields as fit': [[], Buffer.concat([tag(UNKNOWN_FIELD, 0), varint(0)])],
  'the longest numbers': [[], Buffer.concat([tag(UNKNOWN_FIELD, 0), Buffer.alloc(9, 0xff), Buffer.of(1)])],
  'as many miner ids as fit': [[], Buffer.of(0x0a, 0)],
  'as many blocks as fit': [[], Buffer.of(0x12, 0)],
  'as many transactions as fit': [[2], Buffer.of(0x32, 0)],
  'as many outputs as fit': [[2, 6], Buffer.of(0x12, 0)],
  'groups in groups': [[], tag(1, 3)],
};

function filled([begin, again, end]: readonly [string, string, string]): Buffer {
  const times = Math.floor((MEBIBYTE - begin.length - end.length) / again.length);
  return Buffer.from(begin + again.repeat(times) + end);
}

/** Sends shapes in turn, on several connections, for a while. Tells how many of each were answered. */
async function sendAll<T>(
  shapes: ReadonlyMap<string, T>,
  ms: number,
  send: (loop: number, message: T) => Promise<unknown>,
): Promise<Figures> {
  const over = performance.now() + ms;
  const names = [...shapes.keys()];
  let sent = 0;
  await loops(AT_ONCE, async (loop) => {
    const name = names[sent++ % names.length] as string;
    await send(loop, shapes.get(name) as T).catch((error: Error) => {
      throw new Error(`${name}: ${error.message}`);
    });
    // All of them are sent, however long that takes.
    return performance.now() < over || sent < names.length;
  });
  return { messages: sent };
}

export const SHAPES: readonly Attack[] = [
  {
    name: 'shapes',
    tries: 'JSON of 1 MiB: deep nesting, huge numbers, as many members as fit, strings of escapes',
    async run({ jsonTcp }, { ms }, inPlace) {
      const texts = new Map(Object.entries(JSON_SHAPES).map(([name, shape]) => [name, filled(shape)]));
      const connections = await many(AT_ONCE, () => JsonCalls.to(jsonTcp));
      inPlace();
      return sendAll(texts, ms, async (loop, text) => connections[loop]?.ask(text));
    },
  },
  {
    name: 'shapes-grpc',
    tries: 'protobuf of 1 MiB: as many fields, blocks and outputs as fit, endless numbers, groups in groups',
    async run({ grpc }, { ms }, inPlace) {
      const messages = new Map(
        Object.entries(PROTOBUF_SHAPES).map(([name, [path, again]]) => [
          name,
          nested(path, Buffer.alloc(MEBIBYTE - 32, again)),
        ]),
      );
      const connections = await many(AT_ONCE, () => GrpcCalls.to(grpc));
      inPlace();
      return sendAll(messages, ms, async (loop, message) =>
        connections[loop]?.ask('ValidatorService/SubmitBlock', message),
      );
    },
  },
];
