/**
 * Sums of doubles without rounding (spec, section 8: sums in doubles swallow dust, and would mint it). A finite double is a whole
 * number of units of 2^-1074, the smallest double, so a bigint counts it exactly.
 */

const bits = new DataView(new ArrayBuffer(8));

/** A finite double in units of 2^-1074. */
export function exactUnits(value: number): bigint {
  bits.setFloat64(0, value);
  const high = bits.getUint32(0);
  const exponent = (high >>> 20) & 0x7ff;
  const fraction = (BigInt(high & 0xf_ffff) << 32n) | BigInt(bits.getUint32(4));
  const units = exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
  return high >>> 31 === 1 ? -units : units;
}

/** The double nearest to a number of units that is not negative, ties to even; Infinity where it is out of range. */
export function nearestDouble(units: bigint): number {
  const excess = units.toString(16).length * 4 - 64;
  if (excess <= 0) return Number(units) * 2 ** -1074;
  // 61 to 64 bits are kept, the last one sticky for what is cut off: the one rounding is that of Number().
  const shift = BigInt(excess);
  const kept = units >> shift;
  const sticky = kept << shift === units ? kept : kept | 1n;
  return Number(sticky) * 2 ** (excess - 1074);
}
