/** HTTP/2 by hand (RFC 9113), to write what no library writes. */

/** What a client says first. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;

/** A setting's number. */
export const INITIAL_WINDOW_SIZE = 4;

/** The longest payload that a peer takes unless it says otherwise, bytes. */
export const LONGEST_FRAME = 16_384;

export function http2Frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.of()): Buffer {
  const frame = Buffer.alloc(9 + payload.length);
  frame.writeUIntBE(payload.length, 0, 3);
  frame.writeUInt8(type, 3);
  frame.writeUInt8(flags, 4);
  frame.writeUInt32BE(stream, 5);
  payload.copy(frame, 9);
  return frame;
}

/** A SETTINGS frame with one setting, or none. */
export function settings(id?: number, value = 0): Buffer {
  const payload = Buffer.alloc(id === undefined ? 0 : 6);
  if (id !== undefined) {
    payload.writeUInt16BE(id, 0);
    payload.writeUInt32BE(value, 2);
  }
  return http2Frame(FRAME.SETTINGS, 0, 0, payload);
}

export function windowUpdate(stream: number, bytes: number): Buffer {
  return http2Frame(FRAME.WINDOW_UPDATE, 0, stream, number(bytes));
}

/** Gives a stream up. */
export function reset(stream: number): Buffer {
  const CANCEL = 8;
  return http2Frame(FRAME.RST_STREAM, 0, stream, number(CANCEL));
}

/** Headers as HPACK writes them at its plainest: literal, and never remembered. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.entries(headers).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

/** The headers of a call: the method named as in `ValidatorService/GetRoundInfo`. */
export function callHeaders(method: string): Readonly<Record<string, string>> {
  return {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': `/hourcoin.v1.${method}`,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
  };
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A text with its length before it, in seven bits and then groups of seven. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) | 128);
  return Buffer.concat([Buffer.of(...length, rest), bytes]);
}
