/** Good messages of the vectors, broken at random: each is answered once, whatever it is. */

import { Status } from 'nice-grpc';
import { chooser } from '../support/seeded.js';
import { vectors } from '../support/vectors.js';
import type { Attack } from './attack.js';
import { GrpcCalls, JsonCalls, loops } from './calls.js';
import { brokenJson } from './mutate-json.js';
import { brokenProtobuf } from './mutate-protobuf.js';
import { many } from './throng.js';

const CONNECTIONS = 4;

/** Messages in flight on each connection. */
const IN_FLIGHT = 8;

/** How long a stream may take that does not end by itself. */
const DEADLINE = { 'grpc-timeout': '20m' };

/** What a broken message may be answered; never that something unknown has failed. */
const STATUSES = [
  Status.OK,
  Status.INVALID_ARGUMENT,
  Status.NOT_FOUND,
  Status.RESOURCE_EXHAUSTED,
  // A stream's.
  Status.DEADLINE_EXCEEDED,
];

interface Sessions {
  readonly sessions: readonly {
    readonly wire: 'json-tcp' | 'grpc';
    readonly steps: readonly { readonly send?: string; readonly call?: string; readonly request?: string }[];
  }[];
}

interface Messages {
  readonly requests: readonly { readonly json: string }[];
  readonly decode: readonly { readonly json: string }[];
}

/** Every request of the vectors, as it is sent. */
function jsonRequests(): string[] {
  const { requests, decode } = vectors<Messages>('messages');
  const texts = [...requests, ...decode].map(({ json }) => json);
  const sent = vectors<Sessions>('sessions').sessions.flatMap(({ steps }) => steps.flatMap(({ send = [] }) => send));
  return [...new Set([...texts, ...sent])].filter((text) => text !== '');
}

/** Every gRPC request of the vectors, by its method. */
function grpcRequests(): Map<string, Buffer[]> {
  const requests = new Map<string, Buffer[]>();
  for (const { steps } of vectors<Sessions>('sessions').sessions) {
    for (const { call, request } of steps) {
      if (call === undefined || request === undefined) continue;
      const method = call.replace('hourcoin.v1.', '');
      requests.set(method, [...(requests.get(method) ?? []), Buffer.from(request, 'hex')]);
    }
  }
  return requests;
}

/** The choices of a message, by its number: the same whichever connection it takes. */
function choicesOf(seed: number, number: number) {
  return chooser(Math.imul(seed ^ number, 0x9e37_79b1));
}

const fuzzJson: Attack = {
  name: 'fuzz',
  tries: 'good JSON requests, broken at random (1,000,000 in the long form): each gets exactly one frame',
  async run({ jsonTcp }, { ms, messages, seed }, inPlace) {
    const texts = jsonRequests();
    const connections = await many(CONNECTIONS, () => JsonCalls.to(jsonTcp));
    const figures = { messages: 0, 'answered with an Error': 0 };
    const over = performance.now() + ms;
    inPlace();
    await loops(CONNECTIONS * IN_FLIGHT, async (loop) => {
      const number = figures.messages++;
      const message = brokenJson(texts, choicesOf(seed, number));
      const answer = await connections[loop % CONNECTIONS]?.ask(message).catch((error: Error) => {
        throw new Error(`message ${number}, ${shown(message)}: ${error.message}`);
      });
      const [tag] = Object.keys(JSON.parse(String(answer)));
      if (tag === 'Error') figures['answered with an Error']++;
      return figures.messages < messages || performance.now() < over;
    });
    // Had one of them had a second frame, it would be the answer to this.
    for (const connection of connections) {
      const last = await connection.ask('"GetBlockchainInfo"');
      if (!last.startsWith('{"BlockchainInfo":')) throw new Error(`a frame too many: ${last}`);
    }
    return figures;
  },
};

const fuzzGrpc: Attack = {
  name: 'fuzz-grpc',
  tries: 'good gRPC requests, broken at random (1,000,000 in the long form): each gets exactly one status',
  async run({ grpc }, { ms, messages, seed }, inPlace) {
    const requests = grpcRequests();
    const methods = [...requests.keys()];
    const connections = await many(CONNECTIONS, () => GrpcCalls.to(grpc));
    const figures = { messages: 0, 'answered with an error': 0 };
    const over = performance.now() + ms;
    inPlace();
    await loops(CONNECTIONS * IN_FLIGHT, async (loop) => {
      const number = figures.messages++;
      const choose = choicesOf(seed, number);
      const method = methods[choose(methods.length)] as string;
      const message = brokenProtobuf(requests.get(method) ?? [], choose);
      const status = await connections[loop % CONNECTIONS]?.ask(method, message, DEADLINE);
      if (!STATUSES.includes(Number(status)))
        throw new Error(`message ${number} to ${method}, ${shown(message)}, was answered with status ${status}`);
      if (status !== Status.OK) figures['answered with an error']++;
      return figures.messages < messages || performance.now() < over;
    });
    return figures;
  },
};

function shown(message: Buffer): string {
  return `${message.length} bytes (${message.subarray(0, 200).toString('hex')})`;
}

export const FUZZ: readonly Attack[] = [fuzzJson, fuzzGrpc];
