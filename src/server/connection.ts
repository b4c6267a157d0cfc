/** A client's connection on JSON/TCP: frames in, answers out in their order, within its limits and its turns. */

import type { Socket } from 'node:net';
import { LIMITS, type OperatorLimits } from '../engine/limits.js';
import { errorToJson } from '../wire/answers.js';
import { type BadFrame, FrameReader, frames } from '../wire/frames.js';
import type { Auth } from './admission.js';
import type { Caller } from './caller.js';
import type { Turns } from './turns.js';

/** Whom connections belong to. */
export interface Host {
  readonly limits: OperatorLimits;
  /** For long frames, of all connections. */
  readonly turns: Turns;
  /** Answers a frame; undefined closes the connection instead. A number: it comes too soon, and is to be given again after so many milliseconds. */
  answer(bytes: Buffer, from: Connection): Promise<string | undefined> | number;
  /** Hears of a frame that is none, which ends what is read from a connection. */
  refused(bad: BadFrame): void;
  /** Hears of a defect, which costs one connection. */
  defect(error: unknown): void;
  /** Counts bytes that have arrived and not been taken: so many more, or fewer. */
  hold(change: number): void;
  /** Hears that a connection is gone. */
  left(connection: Connection): void;
}

/** A place in the order of answers: filled when its request is answered. */
interface Slot {
  answer: Answer | undefined;
  next: Slot | undefined;
}

/** The text of a frame, or that the connection is closed instead. */
type Answer = string | typeof CLOSE;

const CLOSE = Symbol('close');

/** One client. Requests are answered in the order in which they came; a client that does not read is not read from. */
export class Connection {
  private readonly frames = new FrameReader(LIMITS.messageBytes);
  /** The requests whose answers have not left, a list in their order, and how many they are. Linked: a silent client keeps no array. */
  private first: Slot | undefined;
  private last: Slot | undefined;
  private waiting = 0;
  /** Answers whose turn has come leave before the event loop goes on. */
  private leaving = false;
  /** No more frames are looked at. */
  private done = false;
  /** The client sends no more. */
  private ended = false;
  /** How often it was looked at since it last sent or read something. */
  private looks = 0;
  private unfinishedBytes = 0;
  private frameTimer: NodeJS.Timeout | undefined;
  /** What has been looked at since something arrived or others had their turn, and the next turn where that was enough. */
  private turnRequests = 0;
  private turnBytes = 0;
  private nextTurn: NodeJS.Immediate | undefined;
  /** Whether a long frame waits for its turn, or has it. */
  private longTurn: 'none' | 'asked' | 'now' = 'none';
  /** Until when nothing more is read. */
  private resting: NodeJS.Timeout | undefined;
  /** As what the next request has been counted: it has waited for that. */
  counted: 'nothing' | 'request' | 'in its name' = 'nothing';

  constructor(
    private readonly socket: Socket,
    private readonly host: Host,
    readonly caller: Caller,
    /** Who has to show a key here. */
    readonly auth: Auth,
  ) {
    socket.on('close', () => {
      this.giveUp();
      host.left(this);
    });
    socket.on('error', ignore);
    socket.on('data', (chunk) => {
      if (this.done) return;
      this.looks = 0;
      this.frames.push(chunk);
      this.beginTurn();
      this.readFrames();
    });
    socket.on('drain', () => {
      this.looks = 0;
      this.readFrames();
    });
    socket.on('end', () => {
      this.ended = true;
      this.readFrames();
    });
  }

  /** Bytes that have arrived and not been taken. */
  get unfinished(): number {
    return this.unfinishedBytes;
  }

  /** Nobody reads its answers any more. */
  get gone(): boolean {
    return this.socket.destroyed;
  }

  stopTaking(): void {
    this.finish();
  }

  destroy(): void {
    this.giveUp();
    this.socket.destroy();
  }

  /** Looks whether it is silent: closes it where nothing came or went at so many looks in a row, and it waits for nothing of ours. */
  look(patience: number): void {
    if (this.waiting > 0 || this.resting !== undefined) this.looks = 0;
    else if (++this.looks > patience) this.destroy();
  }

  /** Looks at the frames that have arrived, as long as the client reads its answers, some each turn of the event loop. */
  private readFrames(): void {
    let taken = false;
    while (!this.done && this.nextTurn === undefined) {
      const { maxInFlight, maxUnread } = this.host.limits;
      if (this.waiting >= maxInFlight || this.socket.writableLength > maxUnread || this.resting !== undefined) {
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
      if (this.frames.wholeLength > LIMITS.turnBytes && this.longTurn !== 'now') {
        this.socket.pause();
        this.askForTurn();
        break;
      }
      this.longTurn = 'none';
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

  /** A long frame is looked at in a turn that no other has. */
  private askForTurn(): void {
    if (this.longTurn !== 'none') return;
    this.longTurn = 'asked';
    void this.host.turns.next().then(() => {
      this.longTurn = 'now';
      this.readFrames();
    });
  }

  private beginTurn(): void {
    this.turnRequests = 0;
    this.turnBytes = 0;
  }

  private take(bytes: Buffer): void {
    this.turnRequests++;
    this.turnBytes += bytes.length;
    const answer = this.host.answer(bytes, this);
    if (typeof answer === 'number') return this.rest(bytes, answer);
    const slot = this.queue(undefined);
    answer.then(
      (text) => this.fill(slot, text ?? CLOSE),
      (error: unknown) => {
        this.host.defect(error);
        this.fill(slot, CLOSE);
      },
    );
  }

  /** It asks too fast: nothing more is read for so long, and what it has sent meanwhile waits in the kernel. */
  private rest(bytes: Buffer, ms: number): void {
    this.frames.putBack(bytes);
    this.resting = setTimeout(() => {
      this.resting = undefined;
      this.readFrames();
    }, ms).unref();
  }

  private refuse(bad: BadFrame): void {
    this.host.refused(bad);
    // The deployed validator closes without a word; "too long" is told (spec, section 8, "Connections").
    if (bad === 'too long') this.queue(errorToJson(`Frame too long: at most ${LIMITS.messageBytes} bytes of JSON`));
    this.finish();
  }

  private queue(answer: Answer | undefined): Slot {
    const slot: Slot = { answer, next: undefined };
    if (this.last === undefined) this.first = slot;
    else this.last.next = slot;
    this.last = slot;
    this.waiting++;
    return slot;
  }

  private fill(slot: Slot, answer: Answer): void {
    slot.answer = answer;
    if (this.first !== slot || this.leaving) return;
    // Nothing else waits that could leave in the same write.
    if (this.last === slot) return this.flush();
    this.leaving = true;
    process.nextTick(() => {
      this.leaving = false;
      this.flush();
    });
  }

  /** Writes the answers whose turn has come, and looks at what has arrived since. */
  private flush(): void {
    this.write();
    if (this.done) this.finish();
    else this.readFrames();
  }

  private write(): void {
    const texts: string[] = [];
    while (this.first?.answer !== undefined) {
      const { answer, next } = this.first;
      if (answer === CLOSE) {
        this.done = true;
        this.forget();
      } else {
        texts.push(answer);
        this.first = next;
        this.waiting--;
      }
    }
    if (this.first === undefined) this.last = undefined;
    if (texts.length > 0) this.socket.write(frames(texts));
  }

  /** What was asked is answered no more. */
  private forget(): void {
    this.first = undefined;
    this.last = undefined;
    this.waiting = 0;
  }

  /** Reads no more requests, answers those that were taken, and shuts our side down. */
  private finish(): void {
    this.done = true;
    clearTimeout(this.frameTimer);
    this.write();
    if (this.waiting > 0 || this.socket.writableEnded || this.socket.destroyed) return;
    // Whoever sends no more reads the last answers at its own pace.
    if (this.ended) return void this.socket.end();
    // What still arrives is thrown away, and for a while after the last answer has left: closing on it would reset the connection and lose that.
    this.socket.resume();
    this.socket.end(() => {
      const timer = setTimeout(() => this.socket.destroy(), LIMITS.drainMs);
      this.socket.once('close', () => clearTimeout(timer));
    });
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
    if (dripping) this.frameTimer ??= setTimeout(() => this.destroy(), this.host.limits.frameTimeout).unref();
    this.host.hold(change);
  }

  /** Looks at nothing any more, and holds nothing. */
  private giveUp(): void {
    this.done = true;
    this.forget();
    clearTimeout(this.frameTimer);
    clearTimeout(this.resting);
    this.host.hold(-this.unfinishedBytes);
    this.unfinishedBytes = 0;
  }
}

/** The close that follows an error says all there is to say. */
function ignore(): void {}
