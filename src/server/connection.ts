/** A client's connection on JSON/TCP: frames in, answers out in their order, within its limits and its turns. */

import type { Socket } from 'node:net';
import { LIMITS } from '../engine/limits.js';
import { errorToJson } from '../wire/answers.js';
import { type BadFrame, FrameReader, frame } from '../wire/frames.js';

/** Counts turns of the event loop, as long as somebody asks. */
export class Turns {
  private turn = 0;
  private ending: NodeJS.Immediate | undefined;

  current(): number {
    this.ending ??= setImmediate(() => {
      this.ending = undefined;
      this.turn++;
    });
    return this.turn;
  }
}

/** A place in the order of answers: filled when its request is answered. */
interface Slot {
  answer: Buffer | 'close' | undefined;
}

/** One client. Requests are answered in the order in which they came; a client that does not read is not read from. */
export class Connection {
  /** Resolves when the connection is gone. Never rejects. */
  readonly closed: Promise<void>;
  private readonly frames = new FrameReader(LIMITS.messageBytes);
  private readonly slots: Slot[] = [];
  /** No more frames are looked at. */
  private done = false;
  /** The client sends no more. */
  private ended = false;
  /** Aborts when the client is gone. */
  private readonly gone = new AbortController();
  private unfinishedBytes = 0;
  private frameTimer: NodeJS.Timeout | undefined;
  /** What has been looked at in this turn of the event loop, and the next turn where that was enough. */
  private turn = -1;
  private turnRequests = 0;
  private turnBytes = 0;
  private nextTurn: NodeJS.Immediate | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly answer: (bytes: Buffer, gone: AbortSignal) => Promise<string | undefined>,
    private readonly hold: (change: number) => void,
    private readonly turns: Turns,
  ) {
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.giveUp();
        resolve();
      });
    });
    // The close that follows says all there is to say.
    socket.on('error', () => {});
    socket.setTimeout(LIMITS.idleMs, () => socket.destroy());
    socket.on('data', (chunk) => {
      if (this.done) return;
      this.frames.push(chunk);
      this.readFrames();
    });
    socket.on('drain', () => this.readFrames());
    socket.on('end', () => {
      this.ended = true;
      this.readFrames();
    });
  }

  /** Bytes that have arrived and not been taken. */
  get unfinished(): number {
    return this.unfinishedBytes;
  }

  stopTaking(): void {
    this.finish();
  }

  destroy(): void {
    this.giveUp();
    this.socket.destroy();
  }

  /** Looks at the frames that have arrived, as long as the client reads its answers, some each turn of the event loop. */
  private readFrames(): void {
    let taken = false;
    while (!this.done && this.nextTurn === undefined) {
      if (this.slots.length >= LIMITS.pipelinedRequests || this.socket.writableLength > LIMITS.unreadAnswerBytes) {
        this.socket.pause();
        break;
      }
      if (this.hasHadItsTurn()) {
        this.socket.pause();
        this.nextTurn = setImmediate(() => {
          this.nextTurn = undefined;
          this.readFrames();
        });
        break;
      }
      const next = this.frames.next();
      if (next === undefined) {
        if (this.ended) this.finish();
        else this.socket.resume();
        break;
      }
      taken = true;
      if (Buffer.isBuffer(next)) this.take(next);
      else this.refuse(next);
    }
    this.countUnfinished(taken);
  }

  /** Whether so much was looked at in this turn that others come first. */
  private hasHadItsTurn(): boolean {
    const turn = this.turns.current();
    if (turn !== this.turn) {
      this.turn = turn;
      this.turnRequests = 0;
      this.turnBytes = 0;
    }
    return this.turnRequests >= LIMITS.turnRequests || this.turnBytes >= LIMITS.turnBytes;
  }

  private take(bytes: Buffer): void {
    this.turnRequests++;
    this.turnBytes += bytes.length;
    const slot: Slot = { answer: undefined };
    this.slots.push(slot);
    void this.answer(bytes, this.gone.signal).then((text) =>
      this.fill(slot, text === undefined ? 'close' : frame(text)),
    );
  }

  private refuse(bad: BadFrame): void {
    // The deployed validator closes without a word; "too long" is told (spec, section 8, "Connections").
    const text = errorToJson(`Frame too long: at most ${LIMITS.messageBytes} bytes of JSON`);
    if (bad === 'too long') this.slots.push({ answer: frame(text) });
    this.finish();
  }

  private fill(slot: Slot, answer: Buffer | 'close'): void {
    slot.answer = answer;
    if (this.slots[0] !== slot) return;
    this.socket.cork();
    while (this.slots[0]?.answer !== undefined) {
      const { answer } = this.slots.shift() as Slot;
      if (answer === 'close') {
        this.slots.length = 0;
        this.done = true;
      } else if (answer !== undefined) this.socket.write(answer);
    }
    this.socket.uncork();
    if (this.done) this.finish();
    else this.readFrames();
  }

  /** Reads no more requests, answers those that were taken, and shuts our side down. */
  private finish(): void {
    this.done = true;
    clearTimeout(this.frameTimer);
    if (this.slots.some(({ answer }) => answer === undefined)) return;
    for (const { answer } of this.slots.splice(0)) if (Buffer.isBuffer(answer)) this.socket.write(answer);
    if (this.socket.writableEnded || this.socket.destroyed) return;
    this.socket.end();
    // Whoever sends no more reads the last answers at its own pace.
    if (this.ended) return;
    // What still arrives is thrown away for a while: closing on it would reset the connection and lose the last answer.
    this.socket.resume();
    const timer = setTimeout(() => this.socket.destroy(), LIMITS.drainMs);
    this.socket.once('close', () => clearTimeout(timer));
  }

  /** Bounds how much, and how long, a frame that has not arrived whole may keep. `taken`: another has just arrived whole. */
  private countUnfinished(taken: boolean): void {
    const { waiting } = this.done ? { waiting: 0 } : this.frames;
    const change = waiting - this.unfinishedBytes;
    this.unfinishedBytes = waiting;
    const dripping = waiting > 0 && !this.socket.isPaused();
    if (!dripping || taken) {
      clearTimeout(this.frameTimer);
      this.frameTimer = undefined;
    }
    if (dripping) this.frameTimer ??= setTimeout(() => this.destroy(), LIMITS.frameMs).unref();
    this.hold(change);
  }

  /** Looks at nothing any more, and holds nothing. */
  private giveUp(): void {
    this.done = true;
    this.gone.abort();
    clearTimeout(this.frameTimer);
    this.hold(-this.unfinishedBytes);
    this.unfinishedBytes = 0;
  }
}
