/** How numbers are written in JSON (spec, section 2). */

/** A finite double as the shortest decimal that reads back as the same, with `.0` where it is whole. */
export function doubleToJson(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} cannot be written in JSON`);
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return Number.isInteger(value) && !text.includes('e') ? `${text}.0` : text;
}
