/** A validator that goes by outside time, within the test's own process: what it is told, what it tells, and what it logs. */

import { expect } from 'chai';
import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import { StartError } from '../../src/doors.js';
import { checkLeapSeconds } from '../../src/outside-time.js';
import { systemTime } from '../../src/time/clock.js';
import { LEAP_SECOND_TABLE } from '../../src/time/leap-seconds.js';
import { TimeSync } from '../../src/time/time-sync.js';
import { type ValidatorOptions, ValidatorServer } from '../../src/validator-server.js';
import { cleanup } from '../support/cleanup.js';
import { temporaryFolder } from '../support/programs.js';
import { type NtpWords, ntpServer } from '../support/time-servers.js';
import { alarms, startWhole } from '../support/validators.js';
import { until } from '../support/wait.js';

describe('A validator that goes by outside time', () => {
  const atEnd = cleanup();

  async function source(words: NtpWords = {}): Promise<string> {
    return (await ntpServer(atEnd, () => words)).source;
  }

  /** What a start comes to that fails. */
  async function refused(options: ValidatorOptions): Promise<Error> {
    const server = new ValidatorServer({ address: '127.0.0.1:0', grpc: 'off', ...options });
    atEnd(() => server.stop());
    const error = await server.start().then(
      () => undefined,
      (error: Error) => error,
    );
    expect(error).to.be.instanceOf(StartError);
    return error as Error;
  }

  it('tells what it knows of the time', async () => {
    const timeSource = [await source({ ahead: 5_000 })];
    const { server } = await startWhole(atEnd, { timeSource });
    const { state, systemOffsetMs, sources } = server.timeStatus ?? {};
    expect(state).to.equal('synchronized');
    expect(systemOffsetMs).to.be.closeTo(-5_000, 100);
    expect(sources?.map(({ name, state }) => [name, state])).to.deep.equal([[timeSource[0], 'agrees']]);
  });

  it('begins a chain on that time, not on the system’s', async () => {
    const { server } = await startWhole(atEnd, { timeSource: [await source({ ahead: 600_000 })] });
    const { firstRoundStart } = server.chain.parameters;
    expect(Number(firstRoundStart - systemTime(Timescale.TAI))).to.be.closeTo(600_000, 1_000);
  });

  it('one that does not has nothing to tell', async () => {
    const { server, log } = await startWhole(atEnd, { timeSource: ['system'] });
    expect(server.timeStatus).to.equal(undefined);
    expect(alarms(log)).to.deep.equal([]);
  });

  it('counts the timescale of the chain that is stored', async () => {
    const data = temporaryFolder();
    atEnd(data.remove);
    const began = await startWhole(atEnd, { data: data.path, timescale: 'utc' });
    await began.server.stop();
    const { server } = await startWhole(atEnd, { data: data.path, timeSource: [await source()] });
    const { serverTime } = await server.validator.getRoundInfo('alice');
    expect(Number(serverTime) - Date.now()).to.be.closeTo(0, 1_000);
  });

  it('does not start where that time stands before what the chain has used', async () => {
    const data = temporaryFolder();
    atEnd(data.remove);
    const began = await startWhole(atEnd, { data: data.path });
    await began.server.stop();
    const error = await refused({ data: data.path, timeSource: [await source({ ahead: -60_000 })] });
    expect(error.message).to.match(
      /^the outside time stands (59|60)\.\d+ s before the last time that this chain has used/,
    );
    expect(error.message).to.match(/'hourcoin export' the chain .* and 'hourcoin import' it into a new folder$/);
  });

  for (const [what, options, why] of [
    ['no source', { timeSource: ['pool.ntp.org'] }, /pool\.ntp\.org is not a source of time/],
    ['no sources', { timeSource: [] }, /give 1 to 16 sources/],
    ['no tolerance', { timeSource: ['ntp:a'], timeTolerance: 0 }, /the tolerance is above 0/],
    ['another speed', { timeSource: ['ntp:a'], clockSpeed: 60 }, /runs 60 times as fast .* cannot go by outside time/],
    ['the system among others', { timeSource: ['ntp:a', 'system'] }, /the system is no source among others/],
    ['time that is required of nobody', { requireTime: true }, /time can be required of outside sources only/],
  ] as [string, ValidatorOptions, RegExp][]) {
    it(`Refused: ${what}; and no chain is begun`, async () => {
      const data = temporaryFolder();
      atEnd(data.remove);
      expect((await refused({ data: data.path, ...options })).message).to.match(why);
      await (await startWhole(atEnd, { data: data.path, clockSpeed: 1 })).server.stop();
    });
  }

  for (const [requireTime, then] of [
    [true, 'no submissions are taken'],
    [false, "going by the system's clock"],
  ] as const) {
    it(`does not begin a chain a year ahead where all sources say so, and says what to do: ${then}`, async () => {
      const timeSource = [await source({ ahead: 365 * 86_400_000 })];
      const { server, log } = await startWhole(atEnd, { timeSource, requireTime });
      const { firstRoundStart } = server.chain.parameters;
      expect(Number(firstRoundStart - systemTime(Timescale.TAI))).to.be.closeTo(0, 5_000);
      const errors = log.filter((line) => line.startsWith('error: '));
      expect(errors).to.have.length(1);
      expect(errors[0]).to.match(
        /The system's clock is 3153\d{4}\.\d{3} s behind the time sources, too far for these to/,
      );
      expect(errors[0]).to.include(`believed: ${then}. Set the system's clock`);
    });
  }

  it('says by how much its sources differ where none can be trusted', async () => {
    const timeSource = [await source(), await source({ ahead: 60_000 })];
    const { log } = await startWhole(atEnd, { timeSource });
    const [line] = log.filter((line) => line.includes('No time source can be trusted'));
    expect(line).to.match(
      /^warn: No time source can be trusted, as the sources differ from each other by (59\.9|60\.0)\d\d s: going by/,
    );
  });

  it('logs what changes, once', async () => {
    let words: NtpWords = { leap: 3 };
    const { source } = await ntpServer(atEnd, () => words);
    const { server, log } = await startWhole(atEnd, { timeSource: [source], requireTime: true });
    expect(log.slice(0, 2)).to.deep.equal([
      `warn: The time source ${source} has not answered: its own clock is not synchronized`,
      'warn: No time source can be trusted: no submissions are taken',
    ]);
    words = {};
    await until(() => server.timeStatus?.state === 'synchronized', 'it answers');
    const told = log.filter((line) => /time source|The time/.test(line) && !line.includes('ready')).slice(2);
    expect(told).to.have.length(2);
    expect(told[0]).to.equal(`info: The time source ${source} answers again`);
    expect(told[1]).to.match(
      /^info: The time is that of ntp:\S+, ± 0\.\d{3} s: the system's clock is 0\.\d{3} s (ahead of|behind) it$/,
    );
  });

  describe('where the table of leap seconds has expired', () => {
    const { expires } = LEAP_SECOND_TABLE;

    /** What is logged at a time. */
    function said(now: bigint, timescale = Timescale.TAI, time?: TimeSync): string[] {
      const lines: string[] = [];
      const at = (level: string) => (text: string) => void lines.push(`${level}: ${text}`);
      const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
      checkLeapSeconds(timescale, time, now, log);
      return lines;
    }

    it('says so, with where it comes from: a warning beside outside time', () => {
      expect(said(expires)).to.have.length(1);
      expect(said(expires)[0]).to.match(
        /^info: The table of leap seconds has expired \(the IERS's .*\): a later version/,
      );
      expect(said(expires, Timescale.TAI, new TimeSync({ sources: ['ntp:a'] }))[0]).to.match(/^warn: The table/);
    });

    it('but not before, nor where UTC is counted', () => {
      expect(said(expires - 1n)).to.deep.equal([]);
      expect(said(expires, Timescale.UTC)).to.deep.equal([]);
    });
  });
});
