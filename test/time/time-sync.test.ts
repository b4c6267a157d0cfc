/** TimeSync, the library's door: a clock that goes by outside time, with servers that are right, wrong, late and silent. */

import { type Clock as FakeClock, install } from '@sinonjs/fake-timers';
import { expect } from 'chai';
import { utcToTai } from '../../src/time/leap-seconds.js';
import { type TimeStatus, TimeSync, type TimeSyncOptions } from '../../src/time/time-sync.js';
import { cleanup } from '../support/cleanup.js';
import { unusedAddress } from '../support/sockets.js';
import { httpServer, type NtpWords, ntpServer, worldTime } from '../support/time-servers.js';
import { until } from '../support/wait.js';
import { fixedChance } from '../support/watching.js';

describe('TimeSync', () => {
  const atEnd = cleanup();

  function sync(options: TimeSyncOptions): TimeSync {
    const made = new TimeSync({ timescale: 'utc', ...options });
    atEnd(() => made.stop());
    return made;
  }

  /** Servers whose clocks are ahead by so much, or say something else. */
  async function sources(...words: (number | NtpWords | undefined)[]): Promise<string[]> {
    const servers = words.map((word) => ntpServer(atEnd, () => (typeof word === 'number' ? { ahead: word } : word)));
    return (await Promise.all(servers)).map(({ source }) => source);
  }

  function statesOf({ sources }: TimeStatus): string[] {
    return sources.map(({ state }) => state);
  }

  /** How far a clock is ahead of this host's, milliseconds. */
  function ahead(time: TimeSync): number {
    return Number(time.now()) - Date.now();
  }

  it('begins with the time of its sources, whatever the system’s clock says', async () => {
    const time = sync({ sources: await sources(600_000) });
    const { state, offsetMs, systemOffsetMs, uncertaintyMs } = await time.start();
    expect(state).to.equal('synchronized');
    expect(offsetMs).to.be.closeTo(0, 1);
    expect(systemOffsetMs).to.be.closeTo(-600_000, 100);
    expect(uncertaintyMs).to.be.below(100);
    expect(ahead(time)).to.be.closeTo(600_000, 100);
  });

  it('counts TAI unless it is told otherwise', async () => {
    const time = sync({ sources: await sources(0), timescale: undefined });
    await time.start();
    expect(Number(time.now() - utcToTai(BigInt(Date.now())))).to.be.closeTo(0, 100);
  });

  it('takes sources of both kinds together', async () => {
    const { source } = await httpServer(atEnd, (_, response) => response.end(worldTime(9_000)));
    const time = sync({ sources: [source, ...(await sources(9_000, 9_000))] });
    const status = await time.start();
    expect(status.state).to.equal('synchronized');
    expect(ahead(time)).to.be.closeTo(9_000, 100);
  });

  it('is not fooled by one of three that lies, and says which', async () => {
    const time = sync({ sources: await sources(3_600_000, 0, 0) });
    await time.start();
    await until(() => statesOf(time.status).join() === 'differs,agrees,agrees', 'all have answered');
    expect(ahead(time)).to.be.closeTo(0, 100);
    expect(time.status.sources[0]?.offsetMs).to.be.closeTo(-3_600_000, 200);
  });

  it('does not wait for the one of three that is silent', async () => {
    const time = sync({ sources: await sources(undefined, 5_000, 5_000) });
    const status = await time.start();
    expect(statesOf(status)).to.deep.equal(['silent', 'agrees', 'agrees']);
    expect(status.state).to.equal('synchronized');
  });

  it('waits for the other two where the first that answers lies', async () => {
    let answer: (words: NtpWords) => void = () => {};
    const late = new Promise<NtpWords>((resolve) => (answer = resolve));
    const servers = [await ntpServer(atEnd, () => late), await ntpServer(atEnd, () => late)];
    const liar = await ntpServer(atEnd, () => {
      setImmediate(() => answer({}));
      return { ahead: 3_600_000 };
    });
    const time = sync({ sources: [liar, ...servers].map(({ source }) => source) });
    expect((await time.start()).state).to.equal('synchronized');
    expect(ahead(time)).to.be.closeTo(0, 100);
  });

  for (const { what, words } of [
    { what: 'two differ', words: [0, 3_600_000] },
    { what: 'none is exact enough', words: [{ rootDispersion: 251 }] },
    { what: 'none is synchronized', words: [{ leap: 3 }] },
  ]) {
    it(`goes by the system's clock where ${what}`, async () => {
      const time = sync({ sources: await sources(...words) });
      const { state, offsetMs, systemOffsetMs } = await time.start();
      expect([state, offsetMs, systemOffsetMs]).to.deep.equal(['unsynchronized', undefined, undefined]);
      expect(ahead(time)).to.be.closeTo(0, 100);
      expect(time.doubt()).to.equal(undefined);
    });
  }

  for (const ahead of [1_001_000, -1_001_000, 365 * 86_400_000]) {
    it(`does not believe sources that agree on a time ${ahead} ms from the system's clock`, async () => {
      const time = sync({ sources: await sources(ahead, ahead, ahead), require: true });
      const { state, systemOffsetMs } = await time.start();
      expect(state).to.equal('unsynchronized');
      expect(systemOffsetMs).to.be.closeTo(-ahead, 200);
      expect(Number(time.now()) - Date.now()).to.be.closeTo(0, 100);
      expect(time.doubt()).to.match(/does not know the time/);
    });
  }

  it('that requires sources says why the time is not to be relied on, and that it is', async () => {
    const unsure = sync({ sources: await sources(0, 3_600_000), require: true });
    await unsure.start();
    expect(unsure.doubt()).to.match(/does not know the time/);
    const sure = sync({ sources: await sources(0), require: true });
    await sure.start();
    expect(sure.doubt()).to.equal(undefined);
  });

  it('a tolerance that is told holds in place of the default', async () => {
    const time = sync({ sources: await sources({ rootDispersion: 251 }), toleranceMs: 500 });
    expect((await time.start()).state).to.equal('synchronized');
  });

  it('says that a leap second is announced which its table does not have', async () => {
    const [silent, announcing] = await sources({}, { leap: 1 });
    expect((await sync({ sources: [String(silent)] }).start()).unknownLeapSecond).to.equal(false);
    expect((await sync({ sources: [String(announcing)] }).start()).unknownLeapSecond).to.equal(true);
  });

  it('a start that is given up, or stopped, goes by the system’s clock, and asks nobody on', async () => {
    const [silent] = await sources(undefined);
    const giveUp = new AbortController();
    const time = sync({ sources: [String(silent)] });
    const starting = time.start(giveUp.signal);
    giveUp.abort();
    expect((await starting).state).to.equal('unsynchronized');
    const stopped = sync({ sources: [String(silent)] });
    const begun = stopped.start();
    stopped.stop();
    expect((await begun).state).to.equal('unsynchronized');
  });

  for (const [what, options, why] of [
    ['none', { sources: [] }, /1 to 16 sources/],
    ['too many', { sources: new Array(17).fill('ntp:a') }, /1 to 16 sources/],
    ['no source', { sources: ['pool.ntp.org'] }, /pool\.ntp\.org is not a source of time: write ntp:/],
    ['the system', { sources: ['system'] }, /system is not a source of time/],
    ['no host', { sources: ['ntp:'] }, /is not a source/],
    ['no port', { sources: ['ntp:a:0'] }, /is not a source/],
    ['no such port', { sources: ['ntp:a:65536'] }, /is not a source/],
    ['no address', { sources: ['ntp:[1:2]'] }, /is not a source/],
    ['no URL', { sources: ['http://:80'] }, /is not a source/],
    ['no tolerance', { sources: ['ntp:a'], toleranceMs: 0 }, /tolerance is above 0/],
    ['too much of it', { sources: ['ntp:a'], toleranceMs: 300_001 }, /tolerance is above 0/],
  ] as [string, TimeSyncOptions, RegExp][]) {
    it(`Refused before anything is done: ${what}`, () => {
      expect(() => new TimeSync(options)).to.throw(Error, why);
    });
  }

  describe('as time goes by', () => {
    let clock: FakeClock;
    beforeEach(() => {
      // Sockets are real; timers and both clocks are the test's.
      const toFake = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] as const;
      atEnd(fixedChance(0));
      clock = install({ now: Date.now(), toFake: [...toFake] });
    });
    afterEach(() => clock.uninstall());

    /** Waits for real, while the test's clocks stand. */
    async function settle(condition: () => boolean, what: string): Promise<void> {
      for (let turns = 0; turns < 100_000; turns++) {
        if (condition()) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
      throw new Error(`it never came true that ${what}`);
    }

    /** A server that is ahead of the test's clock by what the test says. */
    async function server(words: () => NtpWords | undefined) {
      return ntpServer(atEnd, () => {
        const said = words();
        // Both of its times are the same, so that no time passes at the server.
        return said && { ...said, ahead: Date.now() - performance.timeOrigin - performance.now() + (said.ahead ?? 0) };
      });
    }

    it('asks about every 64 s, and sooner where there is no answer: after 2, 4, 8 s and so on', async () => {
      let words: NtpWords | undefined = {};
      const { source, asked } = await server(() => words);
      const time = sync({ sources: [source] });
      await time.start();
      clock.tick(63_999);
      expect(asked()).to.equal(1);
      clock.tick(1);
      await settle(() => asked() === 2, 'it is asked again');
      await settle(() => time.status.sources[0]?.error === undefined, 'it has answered');
      words = { leap: 3 };
      clock.tick(64_000);
      await settle(() => time.status.sources[0]?.error !== undefined, 'it refuses');
      const before = asked();
      clock.tick(1_999);
      expect(asked()).to.equal(before);
      clock.tick(1);
      await settle(() => asked() === before + 1, 'it is asked again soon');
    });

    for (const { kiss, after } of [
      { kiss: 'RATE', after: 128_000 },
      { kiss: 'DENY', after: undefined },
      { kiss: 'RSTR', after: undefined },
    ]) {
      it(`a server that answers ${kiss} is asked again ${after === undefined ? 'never' : `after ${after} ms`}`, async () => {
        const { source, asked } = await server(() => ({ stratum: 0, kiss }));
        const time = sync({ sources: [source] });
        await time.start();
        clock.tick((after ?? 1e8) - 1);
        // A packet that was sent would have come by now.
        for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
        expect(asked()).to.equal(1);
        const error = `it sends the kiss of death, ${kiss}`;
        const then = after === undefined ? ', and is not asked again until a restart' : '';
        expect(time.status.sources[0]?.error).to.equal(error + then);
        if (after === undefined) return;
        clock.tick(1);
        await settle(() => asked() === 2, 'it is asked again');
      });
    }

    it('a source that is not exact enough is asked again as soon: it may have been late only this time', async () => {
      let words: NtpWords = { rootDispersion: 300 };
      const { source, asked } = await server(() => words);
      const time = sync({ sources: [source] });
      expect((await time.start()).sources[0]?.state).to.equal('uncertain');
      words = {};
      clock.tick(2_000);
      await settle(() => asked() === 2, 'it is asked again');
      await settle(() => time.status.sources[0]?.state === 'agrees', 'it has answered');
    });

    it('is slewed where its sources say another time, and never steps', async () => {
      let ahead = 0;
      const { source } = await server(() => ({ ahead }));
      const time = sync({ sources: [source] });
      await time.start();
      ahead = 10_000;
      clock.tick(64_000);
      await settle(() => time.status.state === 'settling', 'it has heard');
      expect(time.status.offsetMs).to.be.closeTo(-10_000, 10);
      let last = time.now();
      for (let seconds = 0; seconds < 300; seconds++) {
        clock.tick(1_000);
        const passed = time.now() - last;
        expect(Number(passed)).to.be.within(1_000, 1_170);
        last = time.now();
      }
      expect(time.status.state).to.equal('synchronized');
    });

    it('does not follow the system’s clock when that is set, forward or back', async () => {
      const changes: string[] = [];
      const base = Date.now();
      const right = () => ({ ahead: base + performance.now() - started - Date.now() });
      const started = performance.now();
      const { source, asked } = await server(right);
      const time = sync({ sources: [source], onChange: ({ state }) => changes.push(state) });
      await time.start();
      for (const by of [3_600_000, -7_200_000]) {
        const before = time.now();
        const count = asked();
        clock.setSystemTime(Date.now() + by);
        clock.tick(1_000);
        await settle(() => asked() > count, 'its sources are asked at once');
        // What was said a second ago would be worth less by now.
        await settle(() => time.status.uncertaintyMs === 12.5, 'they answer');
        expect(Number(time.now() - before)).to.be.closeTo(1_000, 2);
      }
      expect(changes).to.deep.equal(['synchronized']);
    });

    it('is not slewed either to sources that begin to say a time too far from the system’s clock; and when that is set, it is', async () => {
      let ahead = 0;
      const { source } = await server(() => ({ ahead }));
      const time = sync({ sources: [source] });
      await time.start();
      ahead = 1_500_000;
      clock.tick(64_000);
      await settle(() => time.status.state === 'unsynchronized', 'it has heard');
      const before = time.now();
      clock.tick(60_000);
      expect(Number(time.now() - before)).to.be.closeTo(60_000, 10);
      ahead = 0;
      clock.setSystemTime(Date.now() + 1_500_000);
      clock.tick(1_000);
      await settle(() => time.status.state === 'settling', 'it believes them');
    });

    it('goes on by what its sources said when they fall silent; after about 40 minutes by the system’s clock, without a step', async () => {
      const changes: string[] = [];
      let words: NtpWords | undefined = { ahead: 1_000 };
      const { source } = await server(() => words);
      const time = sync({ sources: [source], onChange: ({ state }) => changes.push(state) });
      await time.start();
      words = { leap: 3 };
      clock.tick(64_000);
      await settle(() => time.status.sources[0]?.error !== undefined, 'it refuses');
      clock.tick(2_300_000);
      expect(ahead(time)).to.be.closeTo(1_000, 10);
      const before = time.now();
      clock.tick(200_000);
      expect(changes.at(-1)).to.equal('unsynchronized');
      expect(Number(time.now() - before)).to.be.within(190_000, 200_000);
      clock.tick(3_600_000);
      expect(ahead(time)).to.be.closeTo(0, 10);
    });

    it('tells of changes only', async () => {
      const changes: TimeStatus[] = [];
      const { source } = await server(() => ({}));
      const time = sync({ sources: [source], onChange: (status) => changes.push(status) });
      await time.start();
      clock.tick(60_000);
      expect(changes).to.have.length(1);
      time.stop();
      clock.tick(1e8);
      expect(changes).to.have.length(1);
    });
  });

  it('does not keep a program alive once it has started', async () => {
    // Where its timers and sockets held it, mocha's own process would end too late: what holds it is counted instead.
    const nowhere = `ntp:127.0.0.1:${(await unusedAddress()).port}`;
    const time = sync({ sources: [...(await sources(0)), nowhere] });
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    await time.start();
    expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).to.be.at.most(before);
  });
});
