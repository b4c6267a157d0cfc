/** A client's connection on JSON/TCP: frames in, answers out in their order, within its limits and its turns. */

import type { Socket } from 'node:net';
import { LIMITS } from '../engine/limits.js';
import { errorToJson } from '../wire/answers.js';
import { type BadFrame, FrameReader, frames } from '../wire/frames.js';

/** A place in the order of answers: filled when its request is answered. */
interface Slot {
  answer: Answer | undefined;
}

/** The text of a frame, or that the connection is closed instead. */
type Answer = string | typeof CLOSE;

const CLOSE = Symbol('close');

/** One client. Requests are answered in the order in which they came; a client that does not read is not read from. */
export class Connection {
  /** Resolves when the connection is gone. Never rejects. */
  readonly closed: Promise<void>;
  private readonly frames = new FrameReader(LIMITS.messageBytes);
  private readonly slots: Slot[] = [];
  /** Answers whose turn has come: those of one turn of the event loop leave in one write. */
  private ready: string[] = [];
  /** No more frames are looked at. */
  private done = false;
  /** The client sends no more. */
  private ended = false;
  /** Aborts when the client is gone. */
  private readonly gone = new AbortController();
  private unfinishedBytes = 0;
  private frameTimer: NodeJS.Timeout | undefined;
  /** What has been looked at since something arrived or others had their turn, and the next turn where that was enough. */
  private turnRequests = 0;
  private turnBytes = 0;
  private nextTurn: NodeJS.Immediate | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly answer: (bytes: Buffer, gone: AbortSignal) => Promise<string | undefined>,
    /** Hears of a defect, which costs one connection. */
    private readonly onDefect: (error: unknown) => void,
    private readonly hold: (change: number) => void,
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
      this.beginTurn();
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
      // So much was looked at that others come first.
      if (this.turnRequests >= LIMITS.turnRequests || this.turnBytes >= LIMITS.turnBytes) {
        this.socket.pause();
        this.nextTurn = setImmediate(() => {
          this.nextTurn = undefined;
          this.beginTurn();
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

  private beginTurn(): void {
    this.turnRequests = 0;
    this.turnBytes = 0;
  }

  private take(bytes: Buffer): void {
    this.turnRequests++;
    this.turnBytes += bytes.length;
    const slot: Slot = { answer: undefined };
    this.slots.push(slot);
    this.answer(bytes, this.gone.signal).then(
      (text) => this.fill(slot, text ?? CLOSE),
      (error: unknown) => {
        this.onDefect(error);
        this.fill(slot, CLOSE);
      },
    );
  }

  private refuse(bad: BadFrame): void {
    // The deployed validator closes without a word; "too long" is told (spec, section 8, "Connections").
    const text = errorToJson(`Frame too long: at most ${LIMITS.messageBytes} bytes of JSON`);
    if (bad === 'too long') this.slots.push({ answer: text });
    this.finish();
  }

  private fill(slot: Slot, answer: Answer): void {
    slot.answer = answer;
    if (this.slots[0] !== slot) return;
    if (this.ready.length === 0) process.nextTick(() => this.flush());
    while (this.slots[0]?.answer !== undefined) {
      const { answer } = this.slots.shift() as Slot;
      if (answer === CLOSE) {
        this.slots.length = 0;
        this.done = true;
      } else if (answer !== undefined) this.ready.push(answer);
    }
  }

  /** Writes what is ready, and looks at what has arrived since. */
  private flush(): void {
    this.write();
    if (this.done) this.finish();
    else this.readFrames();
  }

  private write(): void {
    if (this.ready.length > 0) this.socket.write(frames(this.ready));
    this.ready = [];
  }

  /** Reads no more requests, answers those that were taken, and shuts our side down. */
  private finish(): void {
    this.done = true;
    clearTimeout(this.frameTimer);
    if (this.slots.some(({ answer }) => answer === undefined)) return;
    for (const { answer } of this.slots.splice(0)) if (typeof answer === 'string') this.ready.push(answer);
    this.write();
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
