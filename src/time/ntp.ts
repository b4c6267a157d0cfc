/** Asks an NTP server for the time: one question, one answer (RFC 5905's client mode; RFC 4330 calls it SNTP). */

import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { ntpRequest, readNtpAnswer } from './ntp-packet.js';
import { type Reading, TimeSourceError } from './reading.js';

/** How long an address may take to answer: later, an answer would say little. */
const ANSWER_MS = 1_500;

/** How many addresses of a name are tried. */
const MOST_ADDRESSES = 3;

/** What a server may wish by its kiss code. */
const WISHES: Readonly<Record<string, 'seldom' | 'never'>> = { RATE: 'seldom', DENY: 'never', RSTR: 'never' };

/** Asks a host, at one of its addresses after the other. Throws a TimeSourceError. */
export async function askNtp(host: string, port: number, signal: AbortSignal): Promise<Reading> {
  const found = await addressesOf(host, signal);
  let failure = new TimeSourceError('it has no address');
  for (const address of found.slice(0, MOST_ADDRESSES)) {
    if (signal.aborted) throw new TimeSourceError('no answer in time');
    try {
      return await askAddress(address, port, signal);
    } catch (error) {
      if (!(error instanceof TimeSourceError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** The system's own search for a name cannot be interrupted, and may take half a minute: it is not waited for. */
function addressesOf(host: string, signal: AbortSignal): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(new TimeSourceError('its name is not found in time'));
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    lookup(host, { all: true })
      .then(resolve, ({ code }) => reject(new TimeSourceError(`its name cannot be looked up: ${code}`)))
      .finally(() => signal.removeEventListener('abort', giveUp));
  });
}

function askAddress({ address, family }: LookupAddress, port: number, signal: AbortSignal): Promise<Reading> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4').unref();
    const cookie = randomBytes(8);
    let asked = 0;
    let why = `no answer within ${ANSWER_MS / 1_000} s`;
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      socket.close();
    };
    const fail = (error: TimeSourceError): void => {
      end();
      reject(error);
    };
    const giveUp = (): void => fail(new TimeSourceError(why));
    const timer = setTimeout(giveUp, ANSWER_MS).unref();
    signal.addEventListener('abort', giveUp);
    socket.on('error', ({ code }: NodeJS.ErrnoException) =>
      fail(new TimeSourceError(code === 'ECONNREFUSED' ? 'nobody answers there' : `it cannot be asked: ${code}`)),
    );
    socket.on('message', (packet) => {
      const at = performance.now();
      const answer = readNtpAnswer(packet, cookie);
      if ('stray' in answer) {
        why = answer.stray;
        return;
      }
      if ('refused' in answer) return fail(new TimeSourceError(answer.refused, WISHES[answer.kiss ?? '']));
      const { received, sent, distance, leap } = answer;
      const roundTrip = at - asked;
      const under = roundTrip - (sent - received);
      // Its clock and ours need not tick alike to the last bit.
      if (under < -1) return fail(new TimeSourceError('it claims to have taken longer than it did'));
      const oneWay = Math.max(0, under) / 2;
      end();
      resolve({ at, utc: sent + oneWay, uncertainty: oneWay + distance, roundTrip, leap });
    });
    // Connected: the system drops what others send, and tells where nobody listens.
    socket.once('connect', () => {
      asked = performance.now();
      socket.send(ntpRequest(cookie));
    });
    socket.connect(port, address);
  });
}
