/** What a server may say that is asked for the time over HTTP, and what is made of it. */

import { expect } from 'chai';
import fc from 'fast-check';
import { readTime } from '../../src/time/http-time.js';
import { type Reading, TimeSourceError } from '../../src/time/reading.js';
import { timeSource } from '../../src/time/source.js';
import { cleanup } from '../support/cleanup.js';
import { unusedAddress } from '../support/sockets.js';
import { httpServer, worldTime } from '../support/time-servers.js';
import { frontOf, makeCertificates } from '../support/tls.js';

async function ask(source: string, signal = new AbortController().signal): Promise<Reading | TimeSourceError> {
  const made = timeSource(source);
  if (made === undefined) throw new Error(`no source: ${source}`);
  return made.read(signal).catch((error) => {
    if (error instanceof TimeSourceError) return error;
    throw error;
  });
}

describe('A server that tells the time over HTTP', () => {
  const atEnd = cleanup();

  it('as the World Time API does: its time, how uncertain that is, and how long it took', async () => {
    const { source } = await httpServer(atEnd, (_, response) => response.end(worldTime(5_000)));
    const reading = (await ask(source)) as Reading;
    expect(reading.roundTrip).to.be.above(0);
    expect(reading.uncertainty).to.be.closeTo(reading.roundTrip / 2, 0.01);
    // Its clock of milliseconds and ours of less begin at different fractions of one.
    const ahead = reading.utc - performance.timeOrigin - reading.at;
    expect(Math.abs(ahead - 5_000)).to.be.at.most(reading.uncertainty + 50);
  });

  it('over TLS is trusted as others are: not with a certificate of nobody knows whom', async () => {
    const certificates = await makeCertificates();
    atEnd(certificates.remove);
    const { port } = await httpServer(atEnd, (_, response) => response.end(worldTime()));
    const front = await frontOf({ host: '127.0.0.1', port }, certificates.server());
    atEnd(front.close);
    const error = (await ask(`https://127.0.0.1:${front.address.port}/`)) as Error;
    expect(error.message).to.match(/^it cannot be asked: .*(CERT|SIGNATURE|ISSUER)/);
  });

  it('is asked for what stands in the URL, but that is not shown: it may hold a key', async () => {
    let asked: string | undefined;
    const { source } = await httpServer(atEnd, (request, response) => {
      asked = request.url;
      response.end(worldTime());
    });
    await ask(`${source}?key=secret`);
    expect(asked).to.equal('/api/timezone/Etc/UTC?key=secret');
    expect(timeSource(`${source}?key=secret`)?.name).to.equal(source);
  });

  describe('is not believed', () => {
    it('where it sends elsewhere, and nobody goes there', async () => {
      const elsewhere = await httpServer(atEnd, (_, response) => response.end(worldTime()));
      const { source } = await httpServer(atEnd, (_, response) =>
        response.writeHead(302, { location: elsewhere.source }).end(),
      );
      expect(((await ask(source)) as Error).message).to.equal('it answers 302: redirects are not followed');
      expect(elsewhere.asked()).to.equal(0);
    });

    it('where it fails', async () => {
      const { source } = await httpServer(atEnd, (_, response) => response.writeHead(503).end(worldTime()));
      expect(((await ask(source)) as Error).message).to.equal('it answers 503');
    });

    it('where its answer is huge, of which no more than the most is read', async () => {
      const { source } = await httpServer(atEnd, (_, response) => {
        const more = (): void => {
          if (!response.destroyed) response.write(' '.repeat(65_536), more);
        };
        more();
      });
      expect(((await ask(source)) as Error).message).to.equal('its answer has more than 16384 bytes');
    });

    it('where its answer breaks off', async () => {
      const { source } = await httpServer(atEnd, (_, response) => {
        response.writeHead(200, { 'content-length': '500' });
        response.write('{"unixtime":', () => response.destroy());
      });
      expect(((await ask(source)) as Error).message).to.equal('its answer broke off');
    });

    it('where it is silent, and nobody wants to know any more', async () => {
      const { source } = await httpServer(atEnd, () => {});
      const stop = new AbortController();
      const asking = ask(source, stop.signal);
      stop.abort();
      expect(((await asking) as Error).message).to.match(/^no answer within/);
    });

    it('where it drips', async () => {
      const { source } = await httpServer(atEnd, (_, response) => {
        const drip = setInterval(() => response.write(' '), 100);
        response.on('close', () => clearInterval(drip));
      });
      expect(((await ask(source)) as Error).message).to.equal('no answer within 3 s');
    });

    it('where it is not there', async () => {
      const error = (await ask(`http://127.0.0.1:${(await unusedAddress()).port}/`)) as Error;
      expect(error.message).to.equal('it cannot be asked: ECONNREFUSED');
    });
  });

  describe('says', () => {
    const at = Date.parse('2026-11-22T20:15:00Z');
    for (const [text, low, high] of [
      ['{"utc_datetime":"2026-11-22T20:15:00.123456+00:00","unixtime":1795378500}', at + 123.456, at + 123.457],
      ['{"utc_datetime":"2026-11-22T20:15:00.5Z"}', at + 500, at + 600],
      ['{"utc_datetime":"2026-11-22T22:15:00.25+02:00"}', at + 250, at + 260],
      ['{"utc_datetime":"2026-11-22T20:15:00+00:00"}', at, at + 1_000],
      ['{"unixtime":1795378500}', at, at + 1_000],
      ['{"unixtime":1795378500.25,"more":[{}]}', at + 250, at + 250],
    ] as const) {
      it(`${text}: ${high - low < 1 ? 'exact' : `to ${Math.round(high - low)} ms`}`, () => {
        const told = readTime(text);
        expect(told?.low).to.be.closeTo(low, 0.001);
        expect(told?.high).to.be.closeTo(high, 0.001);
      });
    }

    for (const text of [
      '',
      'null',
      '[]',
      '17',
      '{}',
      '{"unixtime":"1795378500"}',
      '{"unixtime":null}',
      '{"utc_datetime":1795378500}',
      '{"utc_datetime":"yesterday","unixtime":1795378500}',
      '{"utc_datetime":"2026-11-22T20:15:00.123"}',
      '{"utc_datetime":"2026-13-22T20:15:00Z"}',
      '{"utc_datetime":"2026-11-22T20:15:00Z","unixtime":1795378510}',
      '{"unixtime":1e308}',
      '{"unixtime":-1e308}',
      '{"unixtime":0}',
      '{"utc_datetime":"0000-01-01T00:00:00Z"}',
      '{"utc_datetime":"2019-12-31T23:59:59Z"}',
      '{"utc_datetime":"2200-01-01T00:00:00Z"}',
      '{"utc_datetime":"9999-12-31T23:59:59Z"}',
      '{"utc_datetime":"2026-11-22T20:15:00Z","unixtime":1e308}',
      '<html>',
    ]) {
      it(`${text === '' ? 'nothing' : text}: no time`, () => {
        expect(readTime(text)).to.equal(undefined);
      });
    }

    it('whatever it likes: a time, or none', () => {
      const json = fc.jsonValue().map((value) => JSON.stringify({ utc_datetime: value, unixtime: value }));
      fc.assert(
        fc.property(fc.oneof(json, fc.string()), (text) => {
          const told = readTime(text);
          expect(told === undefined || told.low <= told.high).to.equal(true);
        }),
      );
    });
  });
});
