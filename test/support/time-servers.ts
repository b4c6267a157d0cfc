/** Servers of time, on loopback: as right or as wrong as a test wants them. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AtEnd } from './makers.js';

/** What an NTP server says; what is not given is as a good server has it. */
export interface NtpWords {
  /** How far its clock is ahead of this host's, milliseconds. */
  readonly ahead?: number;
  /** How long it keeps the question, by its own clock, milliseconds. */
  readonly kept?: number;
  readonly leap?: number;
  readonly mode?: number;
  readonly stratum?: number;
  /** To its own source, milliseconds. */
  readonly rootDelay?: number;
  readonly rootDispersion?: number;
  /** Four letters. */
  readonly kiss?: string;
  /** What it repeats of the question, in place of that. */
  readonly origin?: Buffer;
  /** Of its answer. */
  readonly bytes?: number;
  /** In place of both of its times. */
  readonly time?: bigint;
}

/** A server's answer to a request. */
export function ntpAnswer(request: Buffer, words: NtpWords = {}): Buffer {
  const answer = Buffer.alloc(48);
  answer[0] = ((words.leap ?? 0) << 6) | (4 << 3) | (words.mode ?? 4);
  answer[1] = words.stratum ?? 2;
  writeShort(answer, 4, words.rootDelay ?? 0);
  writeShort(answer, 8, words.rootDispersion ?? 0);
  answer.write(words.kiss ?? '', 12, 'latin1');
  (words.origin ?? request.subarray(40, 48)).copy(answer, 24);
  const now = performance.timeOrigin + performance.now() + (words.ahead ?? 0);
  answer.writeBigUInt64BE(words.time ?? ntpTimestamp(now - (words.kept ?? 0)), 32);
  answer.writeBigUInt64BE(words.time ?? ntpTimestamp(now), 40);
  return answer.subarray(0, words.bytes ?? 48);
}

/** Milliseconds since the Unix epoch as NTP writes them: 32 bits of seconds since 1900, and 32 of their fraction. */
export function ntpTimestamp(ms: number): bigint {
  return BigInt.asUintN(64, BigInt(Math.round((ms / 1_000 + 2_208_988_800) * 2 ** 16)) << 16n);
}

function writeShort(packet: Buffer, at: number, ms: number): void {
  packet.writeUInt32BE(Math.round((ms / 1_000) * 2 ** 16), at);
}

/** A server of time that can be asked. */
export interface TimeServer {
  /** As `--time-source` takes it. */
  readonly source: string;
  readonly port: number;
  /** How often it has been asked. */
  readonly asked: () => number;
}

/** What is sent for a request: words, packets, or nothing. */
type NtpAnswers = NtpWords | readonly Buffer[] | undefined;

/** Starts an NTP server, which is ended after the test. */
export async function ntpServer(
  atEnd: AtEnd,
  say: (request: Buffer) => NtpAnswers | Promise<NtpAnswers> = () => ({}),
  host = '127.0.0.1',
): Promise<TimeServer> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  let asked = 0;
  let open = true;
  socket.on('message', async (request, { address, port }) => {
    asked++;
    const words = await say(request);
    const packets = Array.isArray(words) ? words : words === undefined ? [] : [ntpAnswer(request, words as NtpWords)];
    for (const packet of packets) if (open) socket.send(packet, port, address);
  });
  socket.bind(0, host);
  await once(socket, 'listening');
  atEnd(() => {
    open = false;
    socket.close();
  });
  const { port } = socket.address();
  const source = host.includes(':') ? `ntp:[${host}]:${port}` : `ntp:${host}:${port}`;
  return { source, port, asked: () => asked };
}

/** Starts an HTTP server, which is ended after the test. */
export async function httpServer(atEnd: AtEnd, answer: RequestListener): Promise<TimeServer> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { source: `http://127.0.0.1:${port}/api/timezone/Etc/UTC`, port, asked: () => asked };
}

/** What the World Time API says, with a clock that is ahead of this host's by some milliseconds. */
export function worldTime(ahead = 0): string {
  const now = new Date(Date.now() + ahead);
  const fraction = `${String(now.getMilliseconds()).padStart(3, '0')}000`;
  const utc = now.toISOString().replace(/\.\d+Z$/, `.${fraction}+00:00`);
  const unixtime = Math.floor(now.getTime() / 1_000);
  return JSON.stringify({ timezone: 'Etc/UTC', utc_offset: '+00:00', datetime: utc, utc_datetime: utc, unixtime });
}
