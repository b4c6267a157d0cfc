/** How far a long command has come, as a terminal and as a file are shown it. */

import { expect } from 'chai';
import { Progress } from '../../src/cli/progress.js';

const CLEAR = '\r\x1b[2K';

describe('Progress', () => {
  /** What is written to a stream of some kind, and a clock that is set by hand. */
  function shown(kind: { isTTY: boolean; columns?: number; colours?: boolean }) {
    const written: string[] = [];
    const stream = { ...kind, hasColors: () => kind.colours === true, write: (text: string) => written.push(text) };
    const clock = { now: 5_000 };
    const progress = new Progress(stream as unknown as NodeJS.WriteStream, () => clock.now);
    return { written, clock, progress };
  }

  it('on a terminal: a bar, percent, rate and time left, drawn again, and away at the end', () => {
    const { written, clock, progress } = shown({ isTTY: true, columns: 120 });
    progress.show('blocks', 0, 1_000_000);
    clock.now += 5_000;
    progress.show('blocks', 250_000, 1_000_000);
    clock.now += 5_000;
    progress.show('blocks', 500_000, 1_000_000);
    clock.now += 10_000;
    progress.show('blocks', 1_000_000, 1_000_000);
    expect(written).to.deep.equal([
      `${CLEAR} 25 % ${'█'.repeat(8)}${'░'.repeat(22)} 250,000 of 1,000,000 blocks, 50,000 a second, 15 s left`,
      `${CLEAR} 50 % ${'█'.repeat(15)}${'░'.repeat(15)} 500,000 of 1,000,000 blocks, 50,000 a second, 10 s left`,
      CLEAR,
    ]);
  });

  it('on a terminal with colours: the bar has them', () => {
    const { written, clock, progress } = shown({ isTTY: true, columns: 120, colours: true });
    progress.show('blocks', 0, 10);
    clock.now += 1_000;
    progress.show('blocks', 5, 10);
    expect(written.join('')).to.include(`\x1b[32m${'█'.repeat(15)}\x1b[39m\x1b[2m${'░'.repeat(15)}\x1b[22m`);
  });

  it('on a narrow terminal: one line, whatever has to go', () => {
    for (const columns of [20, 40, 60, 80, 100]) {
      const { written, clock, progress } = shown({ isTTY: true, columns });
      progress.show('blocks', 0, 1_000_000);
      clock.now += 5_000;
      progress.show('blocks', 250_000, 1_000_000);
      expect(written).to.have.length(1);
      const [line = ''] = written;
      expect(line.slice(CLEAR.length))
        .to.match(/^ 25 % /)
        .and.have.length.below(columns);
    }
  });

  it('on a terminal: not drawn so often that it costs anything', () => {
    const { written, clock, progress } = shown({ isTTY: true });
    for (let done = 0; done < 1_000; done++) {
      progress.show('blocks', done, 1_000);
      clock.now += 1;
    }
    expect(written).to.have.length(4);
  });

  it('elsewhere: a line every ten seconds, and nothing that moves', () => {
    const { written, clock, progress } = shown({ isTTY: false });
    for (let done = 0; done <= 1_000; done++) {
      progress.show('blocks', done * 1_000, 1_000_000);
      clock.now += 25;
    }
    progress.clear();
    expect(written).to.deep.equal([
      ' 40 %: 400,000 of 1,000,000 blocks, 40,000 a second, 15 s left\n',
      ' 80 %: 800,000 of 1,000,000 blocks, 40,000 a second, 5 s left\n',
    ]);
  });

  it('what is over soon is not spoken of', () => {
    for (const isTTY of [true, false]) {
      const { written, clock, progress } = shown({ isTTY });
      progress.show('blocks', 0, 7);
      clock.now += 100;
      progress.show('blocks', 7, 7);
      progress.show('unspent outputs', 0, 7);
      progress.show('unspent outputs', 7, 7);
      progress.clear();
      expect(written).to.deep.equal([]);
    }
  });

  it('hours are minutes', () => {
    const { written, clock, progress } = shown({ isTTY: false });
    progress.show('blocks', 0, 1_000);
    clock.now += 10_000;
    progress.show('blocks', 1, 1_000);
    expect(written).to.deep.equal(['  0 %: 1 of 1,000 blocks, 0 a second, 167 min left\n']);
  });
});
