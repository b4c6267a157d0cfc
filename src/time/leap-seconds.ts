/**
 * TAI and UTC (spec, section 3). The offset is 10 s at and before 1972-01-01 and grows by one at each of the dates below, as the
 * International Earth Rotation and Reference Systems Service announced them in its Bulletin C. The last is that of 2017-01-01.
 */

/** Where the table comes from, and until when nothing can be missing in it: a leap second is announced half a year ahead. */
export const LEAP_SECOND_TABLE = {
  source: "the IERS's leap-seconds.list of 2026-07-06, after its Bulletin C, as the tz database 2026f has it",
  /** Milliseconds UTC. */
  expires: BigInt(Date.parse('2027-06-28')),
} as const;

/** When the offset grew by a second: milliseconds UTC. */
const GROWS_AT: readonly bigint[] = [
  '1972-07-01',
  '1973-01-01',
  '1974-01-01',
  '1975-01-01',
  '1976-01-01',
  '1977-01-01',
  '1978-01-01',
  '1979-01-01',
  '1980-01-01',
  '1981-07-01',
  '1982-07-01',
  '1983-07-01',
  '1985-07-01',
  '1988-01-01',
  '1990-01-01',
  '1991-01-01',
  '1992-07-01',
  '1993-07-01',
  '1994-07-01',
  '1996-01-01',
  '1997-07-01',
  '1999-01-01',
  '2006-01-01',
  '2009-01-01',
  '2012-07-01',
  '2015-07-01',
  '2017-01-01',
].map((day) => BigInt(Date.parse(day)));

const FIRST_OFFSET_S = 10;

/** TAI − UTC in whole seconds, at a time in milliseconds UTC. */
export function taiOffsetSeconds(utc: bigint): number {
  // Newest first: the present is asked for most.
  let grown = GROWS_AT.length;
  while (grown > 0 && utc < (GROWS_AT[grown - 1] as bigint)) grown--;
  return FIRST_OFFSET_S + grown;
}

/** The longest month, milliseconds: a leap second that a source announces comes within it. */
const MONTH_MS = 31n * 86_400_000n;

/** Whether the table has a leap second within a month of a time in milliseconds UTC. */
export function leapSecondIsNear(utc: bigint): boolean {
  return taiOffsetSeconds(utc + MONTH_MS) > taiOffsetSeconds(utc);
}

/** Milliseconds UTC as milliseconds TAI. */
export function utcToTai(utc: bigint): bigint {
  return utc + BigInt(taiOffsetSeconds(utc) * 1000);
}

/** Milliseconds TAI as milliseconds UTC. Within a leap second, which UTC has no number for, the second after it. */
export function taiToUtc(tai: bigint): bigint {
  // Right, or just before a leap second and within it a second too early: the offset then is the one that is sought.
  const nearly = tai - BigInt(taiOffsetSeconds(tai) * 1000);
  return tai - BigInt(taiOffsetSeconds(nearly) * 1000);
}
