/** The 48 bytes of NTP that a client sends and is answered (RFC 5905, section 7.3). */

import { isPossible } from './reading.js';

const PACKET_BYTES = 48;

/** Version 4, mode 3: a client. The rest is zeros: a server needs to know nothing else of us. */
const CLIENT = 0x23;

const SERVER_MODE = 4;

/** No leap second's warning, but: the server's clock is not synchronized. */
const ALARM = 3;

/** Beyond this distance from its own source a server is as good as not synchronized (RFC 5905: MAXDISP), milliseconds. */
const MOST_DISTANCE_MS = 16_000;

/** From NTP's epoch, 1900, to Unix's, seconds. */
const UNIX_EPOCH_S = 2_208_988_800;

const LEAPS = ['none', 'inserted', 'left out'] as const;

/** A server's answer, in milliseconds. */
export interface NtpAnswer {
  /** When the request came and when the answer left, by the server's clock: UTC since the Unix epoch. */
  readonly received: number;
  readonly sent: number;
  /** How far the server may be from the right time. */
  readonly distance: number;
  /** What it announces for the end of the month. */
  readonly leap: (typeof LEAPS)[number];
}

/** What is no answer to the request: to be ignored, as anybody can send it. */
export type Stray = { readonly stray: string };

/** The server will not tell the time: why, and its kiss code where it gives one (RFC 5905, section 7.4). */
export type Refusal = { readonly refused: string; readonly kiss?: string };

/** A request. `cookie`: 8 random bytes in place of our time, which the answer must repeat. */
export function ntpRequest(cookie: Buffer): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES);
  packet[0] = CLIENT;
  cookie.copy(packet, 40);
  return packet;
}

/** Reads what has come after a request. */
export function readNtpAnswer(packet: Buffer, cookie: Buffer): NtpAnswer | Stray | Refusal {
  if (packet.length < PACKET_BYTES) return { stray: `${packet.length} bytes are no NTP` };
  if (!packet.subarray(24, 32).equals(cookie)) return { stray: 'what came is no answer to what was asked' };
  const first = packet.readUInt8(0);
  if ((first & 7) !== SERVER_MODE) return { stray: 'what came is not of a server' };
  const stratum = packet.readUInt8(1);
  if (stratum === 0) {
    const kiss = packet.toString('latin1', 12, 16).replace(/[^A-Z]/g, '');
    return { refused: `it sends the kiss of death, ${kiss || 'without a code'}`, kiss };
  }
  const leap = LEAPS[first >> 6];
  if (first >> 6 === ALARM || leap === undefined || stratum > 15)
    return { refused: 'its own clock is not synchronized' };
  const distance = readShort(packet, 4) / 2 + readShort(packet, 8);
  if (distance >= MOST_DISTANCE_MS) return { refused: 'it is too far from its own source' };
  if (packet.readBigUInt64BE(32) === 0n || packet.readBigUInt64BE(40) === 0n) return { refused: 'it tells no time' };
  const received = readTimestamp(packet, 32);
  const sent = readTimestamp(packet, 40);
  if (!isPossible(received) || !isPossible(sent)) return { refused: 'it tells no time from 2020 to 2200' };
  if (sent < received) return { refused: 'it answers before it was asked' };
  return { received, sent, distance, leap };
}

/** Seconds and fractions since 1900, or since 2036 where the first bit is not set (RFC 4330, section 3), as milliseconds since the Unix epoch. */
function readTimestamp(packet: Buffer, at: number): number {
  const seconds = packet.readUInt32BE(at);
  const era = seconds >= 2 ** 31 ? 0 : 2 ** 32;
  return (seconds + era - UNIX_EPOCH_S) * 1_000 + (packet.readUInt32BE(at + 4) / 2 ** 32) * 1_000;
}

/** Seconds in 16 and 16 bits, as milliseconds. */
function readShort(packet: Buffer, at: number): number {
  return (packet.readUInt32BE(at) / 2 ** 16) * 1_000;
}
