/** Frames (spec, section 1): a length of four bytes, big-endian, and that many bytes. */

const HEADER_BYTES = 4;
const NO_BYTES = Buffer.alloc(0);

/** A frame that breaks the protocol: what follows it cannot be read any more. */
export type BadFrame = 'empty' | 'too long';

/** A frame with a text, in one piece. */
export function frame(text: string): Buffer {
  return frames([text]);
}

/** Frames with some texts, in one piece. */
export function frames(texts: readonly string[]): Buffer {
  let length = 0;
  for (const text of texts) length += HEADER_BYTES + Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const text of texts) {
    const written = bytes.write(text, at + HEADER_BYTES);
    bytes.writeUInt32BE(written, at);
    at += HEADER_BYTES + written;
  }
  return bytes;
}

/** Takes bytes as they arrive, in whatever pieces, and gives frames. Once it has none to give it holds no more than twice what waits. */
export class FrameReader {
  private bytes: Buffer = NO_BYTES;
  private start = 0;
  private end = 0;

  constructor(private readonly maxBytes: number) {}

  /** Bytes that wait to become frames. */
  get waiting(): number {
    return this.end - this.start;
  }

  /** How long the next frame is, without its length; 0 where it has not arrived whole. */
  get wholeLength(): number {
    if (this.waiting < HEADER_BYTES) return 0;
    const length = this.bytes.readUInt32BE(this.start);
    return this.waiting < HEADER_BYTES + length ? 0 : length;
  }

  /** Adds what has arrived. It must not be changed afterwards. */
  push(chunk: Buffer): void {
    const { waiting } = this;
    if (waiting === 0) {
      this.bytes = chunk;
      this.start = 0;
      this.end = chunk.length;
      return;
    }
    if (this.end + chunk.length > this.bytes.length) {
      // Doubling: a frame that drips in byte by byte is copied a few times, not once a byte.
      const larger = Buffer.allocUnsafeSlow(Math.max(waiting + chunk.length, 2 * waiting));
      this.bytes.copy(larger, 0, this.start, this.end);
      this.bytes = larger;
      this.start = 0;
      this.end = waiting;
    }
    chunk.copy(this.bytes, this.end);
    this.end += chunk.length;
  }

  /** The next frame's bytes without the length; undefined where it has not arrived whole. Good until the next push. */
  next(): Buffer | BadFrame | undefined {
    if (this.waiting < HEADER_BYTES) return this.letGo();
    const length = this.bytes.readUInt32BE(this.start);
    if (length === 0) return 'empty';
    if (length > this.maxBytes) return 'too long';
    if (this.waiting < HEADER_BYTES + length) return this.letGo();
    const from = this.start + HEADER_BYTES;
    this.start = from + length;
    return this.bytes.subarray(from, this.start);
  }

  /** Takes the bytes back that `next` has just given: they are the next frame again. */
  putBack(bytes: Buffer): void {
    this.start -= HEADER_BYTES + bytes.length;
  }

  /** Lets the bytes of frames that were given go, where they are more than what waits: a silent connection keeps no mebibyte. */
  private letGo(): undefined {
    const { waiting } = this;
    if (this.bytes.length <= 2 * waiting) return;
    this.bytes = waiting === 0 ? NO_BYTES : Buffer.from(this.bytes.subarray(this.start, this.end));
    this.start = 0;
    this.end = waiting;
  }
}
