/** How much a miner tries. These stand alone, so that a program which reads its arguments loads no search. */

/** How many timestamps a deployed miner tries (spec, section 7). */
export const DEFAULT_MAX_ATTEMPTS = 100_000;

/** How many threads may search. */
export const MOST_THREADS = 256;
