/** What an NTP server may say, and what is made of it. */

import { expect } from 'chai';
import fc from 'fast-check';
import { ntpRequest, readNtpAnswer } from '../../src/time/ntp-packet.js';
import { type Reading, TimeSourceError } from '../../src/time/reading.js';
import { timeSource } from '../../src/time/source.js';
import { cleanup } from '../support/cleanup.js';
import { unusedAddress } from '../support/sockets.js';
import { type NtpWords, ntpAnswer, ntpServer, ntpTimestamp } from '../support/time-servers.js';

const COOKIE = Buffer.from('0123456789abcdef', 'hex');

const NEVER = new AbortController().signal;

async function ask(source: string, signal = NEVER): Promise<Reading | TimeSourceError> {
  const made = timeSource(source);
  if (made === undefined) throw new Error(`no source: ${source}`);
  return made.read(signal).catch((error) => {
    if (error instanceof TimeSourceError) return error;
    throw error;
  });
}

/** UTC, milliseconds, as the servers of these tests know it. */
function utc(at: number): number {
  return performance.timeOrigin + at;
}

describe('An NTP server', () => {
  const atEnd = cleanup();

  for (const host of ['127.0.0.1', '::1']) {
    it(`is asked at ${host}: its time, how uncertain that is, and how long it took`, async () => {
      const server = await ntpServer(atEnd, () => ({ ahead: 5_000, rootDelay: 20, rootDispersion: 3 }), host);
      const reading = (await ask(server.source)) as Reading;
      expect(reading.roundTrip).to.be.above(0);
      expect(reading.uncertainty).to.be.closeTo(reading.roundTrip / 2 + 13, 0.1);
      expect(Math.abs(reading.utc - utc(reading.at) - 5_000)).to.be.at.most(reading.uncertainty);
      expect(reading.leap).to.equal('none');
    });
  }

  it('is asked by its name, too', async () => {
    const { port } = await ntpServer(atEnd);
    expect(await ask(`ntp:localhost:${port}`)).to.have.property('utc');
  });

  it('is not told anything of us: version, mode, and random bytes in place of a time, other ones each time', async () => {
    const requests: Buffer[] = [];
    const { source } = await ntpServer(atEnd, (request) => {
      requests.push(request);
      return {};
    });
    await ask(source);
    await ask(source);
    for (const request of requests) {
      expect(request).to.have.length(48);
      expect(request.subarray(0, 40).toString('hex')).to.equal(`23${'00'.repeat(39)}`);
    }
    expect(requests[0]?.subarray(40).equals(requests[1]?.subarray(40) as Buffer)).to.equal(false);
  });

  it('that keeps the question for a while is no less exact for it', async () => {
    const { source } = await ntpServer(atEnd, async () => {
      const begun = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return { kept: performance.now() - begun };
    });
    const { roundTrip, uncertainty } = (await ask(source)) as Reading;
    expect(roundTrip).to.be.above(49);
    expect(uncertainty).to.be.at.most((roundTrip - 49) / 2);
  });

  for (const leap of ['none', 'inserted', 'left out']) {
    it(`announces a leap second: ${leap}`, async () => {
      const { source } = await ntpServer(atEnd, () => ({ leap: ['none', 'inserted', 'left out'].indexOf(leap) }));
      expect(await ask(source)).to.include({ leap });
    });
  }

  describe('is not believed', () => {
    const rows: { what: string; words: NtpWords; why: string; wish?: string }[] = [
      { what: 'that is not synchronized', words: { leap: 3 }, why: 'its own clock is not synchronized' },
      { what: 'of stratum 16', words: { stratum: 16 }, why: 'its own clock is not synchronized' },
      { what: 'too far from its source', words: { rootDispersion: 16_000 }, why: 'it is too far from its own source' },
      {
        what: 'too long a way from its source',
        words: { rootDelay: 32_000 },
        why: 'it is too far from its own source',
      },
      { what: 'that tells no time', words: { time: 0n }, why: 'it tells no time' },
      { what: 'of 1970', words: { time: ntpTimestamp(0) }, why: 'it tells no time from 2020 to 2200' },
      { what: 'that has answered before it was asked', words: { kept: -10 }, why: 'it answers before it was asked' },
      { what: 'that claims hours', words: { kept: 7_200_000 }, why: 'it claims to have taken longer than it did' },
      { what: 'with the kiss of death', words: { stratum: 0, kiss: 'INIT' }, why: 'it sends the kiss of death, INIT' },
      { what: 'that limits us', words: { stratum: 0, kiss: 'RATE' }, why: 'the kiss of death, RATE', wish: 'seldom' },
      { what: 'that denies us', words: { stratum: 0, kiss: 'DENY' }, why: 'the kiss of death, DENY', wish: 'never' },
      { what: 'with another', words: { stratum: 0, kiss: 'RSTR' }, why: 'the kiss of death, RSTR', wish: 'never' },
      { what: 'with a nameless kiss', words: { stratum: 0, kiss: '\x07' }, why: 'the kiss of death, without a code' },
    ];
    for (const { what, words, why, wish } of rows) {
      it(`one ${what}`, async () => {
        const { source } = await ntpServer(atEnd, () => words);
        const error = (await ask(source)) as TimeSourceError;
        expect(error.message).to.include(why);
        expect(error.wish).to.equal(wish);
      });
    }
  });

  describe('may be pretended to be by others, whose packets are passed over', () => {
    const rows: { what: string; words: NtpWords; why: string }[] = [
      { what: 'an answer to another question', words: { origin: COOKIE }, why: 'no answer to what was asked' },
      { what: 'a kiss to another question', words: { origin: COOKIE, stratum: 0 }, why: 'no answer to what was asked' },
      { what: 'a broadcast', words: { mode: 5 }, why: 'not of a server' },
      { what: 'too few bytes', words: { bytes: 47 }, why: '47 bytes are no NTP' },
      { what: 'no bytes', words: { bytes: 0 }, why: '0 bytes are no NTP' },
    ];
    for (const { what, words, why } of rows) {
      it(`${what}, before the answer`, async () => {
        const { source } = await ntpServer(atEnd, (request) => [
          ntpAnswer(request, { ...words, ahead: 9_000_000 }),
          ntpAnswer(request),
        ]);
        const { utc: told, at } = (await ask(source)) as Reading;
        expect(Math.abs(told - utc(at))).to.be.below(1_000);
      });

      it(`${what}: ${why}`, () => {
        const packet = ntpAnswer(ntpRequest(COOKIE), words.origin ? { ...words, origin: Buffer.alloc(8) } : words);
        expect(readNtpAnswer(packet, COOKIE)).to.have.property('stray').that.includes(why);
      });
    }

    it('and where nothing else comes, that is why there is no answer', async () => {
      const { source } = await ntpServer(atEnd, () => ({ origin: COOKIE }));
      expect(((await ask(source)) as Error).message).to.include('no answer to what was asked');
    });
  });

  it('that is silent, or late, has not answered', async () => {
    const { source } = await ntpServer(atEnd, () => undefined);
    expect(((await ask(source)) as Error).message).to.equal('no answer within 1.5 s');
  });

  it('that is not there: says so at once', async () => {
    expect(((await ask(`ntp:127.0.0.1:${(await unusedAddress()).port}`)) as Error).message).to.equal(
      'nobody answers there',
    );
  });

  it('whose name is none: says so', async () => {
    expect(((await ask('ntp:nowhere.invalid')) as Error).message).to.match(/^its name cannot be looked up: E/);
  });

  it('is not waited for once nobody wants to know', async () => {
    const { source } = await ntpServer(atEnd, () => undefined);
    const stop = new AbortController();
    const asking = ask(source, stop.signal);
    stop.abort();
    expect(await asking).to.be.instanceOf(TimeSourceError);
  });

  describe('counts seconds in 32 bits', () => {
    for (const [what, time] of [
      ['2020', Date.parse('2020-01-01T00:00:00.5Z')],
      ['today', Date.parse('2026-11-22T20:15:00.5Z')],
      ['its last second', Date.parse('2036-02-07T06:28:15.25Z')],
      ['two seconds later', Date.parse('2036-02-07T06:28:17Z')],
      ['2100', Date.parse('2100-01-01')],
    ] as const) {
      it(`${what}, ${new Date(time).toISOString()}`, () => {
        const packet = ntpAnswer(ntpRequest(COOKIE), { time: ntpTimestamp(time) });
        const answer = readNtpAnswer(packet, COOKIE);
        expect(answer).to.have.property('sent').that.is.closeTo(time, 0.1);
      });
    }
  });

  it('may send whatever it likes: that is an answer, a refusal, or passed over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (bytes, isOurs) => {
        const packet = Buffer.from(bytes);
        if (isOurs && packet.length >= 32) COOKIE.copy(packet, 24);
        const answer = readNtpAnswer(packet, COOKIE);
        if ('stray' in answer || 'refused' in answer) return;
        expect(Number.isFinite(answer.sent)).to.equal(true);
        expect(answer.sent).to.be.at.least(answer.received);
      }),
    );
  });
});
