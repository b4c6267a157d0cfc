/**
 * Sessions: whole conversations with a validator, on either wire, and what it must answer. test/vectors/README.md describes the format; any
 * implementation can be held against them.
 */

/** A file of sessions. */
export interface SessionFile {
  readonly version: number;
  readonly sessions: readonly Session[];
}

export interface Session {
  readonly name: string;
  readonly wire: 'json-tcp' | 'grpc';
  /** What the validator must let its tester do. Where it is empty, the session holds on any running validator. */
  readonly needs: readonly ('clock' | 'store' | 'load')[];
  readonly validator: {
    readonly difficulty: string;
    readonly timescale: 'tai' | 'utc';
    /** Milliseconds: where its clock stands first, and when its first round began. */
    readonly start: string;
  };
  readonly steps: readonly Step[];
}

/** What one step sends, changes or expects: its members, as test/vectors/README.md lists them. */
export interface Step {
  readonly clock?: string;
  readonly condition?: Condition;
  readonly send?: string;
  readonly write?: readonly string[];
  readonly receive?: string;
  readonly closed?: true;
  readonly call?: string;
  readonly request?: string;
  readonly open?: string;
  readonly next?: string;
  readonly cancel?: string;
  readonly response?: string | null;
  readonly status?: ExpectedStatus;
}

export type Condition = 'store fails' | 'queue full';

export interface ExpectedStatus {
  /** A gRPC status by its name. */
  readonly code: string;
  readonly reason?: string;
  readonly field?: string;
  readonly retry?: true;
}

/** Has the validator in hand. */
export interface Tester {
  /** Sets its clock: milliseconds. */
  setClock(time: bigint): void;
  bringAbout(condition: Condition): unknown;
}

/** One end of a conversation: it does the steps that are its wire's. Throws a Difference where an answer is another. */
export interface Peer {
  step(step: Step): Promise<void>;
  close(): void;
}
