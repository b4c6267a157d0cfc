/** Protobuf by hand, to write what no encoder writes. */

/** A field number that no message of ours has. */
export const UNKNOWN_FIELD = 15;

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** A field's tag: its number and wire type. */
export function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

/** A field that holds some bytes, with their length before them. */
export function delimited(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([tag(field, 2), varint(bytes.length), bytes]);
}

/** Some bytes as the innermost of messages within each other; `path` holds their fields' numbers, the outermost first. */
export function nested(path: readonly number[], bytes: Uint8Array): Buffer {
  return path.reduceRight<Buffer>((content, field) => delimited(field, content), Buffer.from(bytes));
}
