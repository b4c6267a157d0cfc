/**
 * What the servers count for whoever looks on from outside: plain numbers, read when somebody asks for them. Names are the program's own, never a
 * client's. Where nobody looks on there is no meter, and nothing is counted.
 */

import type { FaultReason } from '../engine/fault.js';
import type { DoorReason } from './admission.js';

export type Protocol = 'json-tcp' | 'grpc';

/** How a request has ended: answered, refused for a fault's reason, or as only gRPC calls end. */
export type Result = 'OK' | FaultReason | 'DEADLINE_EXCEEDED' | 'INTERNAL';

const NONE: Readonly<Record<Result, number>> = {
  OK: 0,
  MALFORMED: 0,
  LIMIT_EXCEEDED: 0,
  NOT_FOUND: 0,
  OVERLOADED: 0,
  UNAUTHENTICATED: 0,
  UNAVAILABLE: 0,
  CANCELLED: 0,
  DEADLINE_EXCEEDED: 0,
  INTERNAL: 0,
};

/** A request that has ended. Times are milliseconds since the Unix epoch, with fractions. */
export interface EndedRequest {
  /** Over what it came. */
  readonly protocol: 'json-tcp' | 'grpc';
  /** The call's name, as in `SubmitBlock`. */
  readonly call: string;
  /** `OK`, the reason of a {@link Fault}, or `DEADLINE_EXCEEDED` or `INTERNAL`. */
  readonly result: string;
  /** When it had arrived whole. */
  readonly began: number;
  /** When its answer was ready. */
  readonly ended: number;
  /** The `traceparent` that came with it: a client's text. */
  readonly traceparent: string | undefined;
}

/** Hears of each request that has ended, but for those that could not be read. Must not throw. */
export type RequestObserver = (request: EndedRequest) => void;

/** What is no more than so many seconds has a bucket of its own. */
const LATENCY_BOUNDS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/** Of the calls that take microseconds, one in so many is timed: to look at the clock twice costs a tenth of a microsecond. */
const SAMPLE = 16;

/** How many values were no more than each bound, and what they come to. */
export class Histogram {
  /** For each bound, those above the one before; the last are above all bounds. */
  readonly counts: number[];
  sum = 0;

  constructor(readonly bounds: readonly number[] = LATENCY_BOUNDS) {
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let place = 0;
    while (place < this.bounds.length && value > (this.bounds[place] as number)) place++;
    (this.counts[place] as number)++;
    this.sum += value;
  }
}

/** The requests of a call on a protocol. */
export class RequestKind {
  readonly results = { ...NONE };
  /** How long they took, seconds. */
  readonly seconds = new Histogram();
  private untilTimed = 1;

  constructor(
    readonly protocol: Protocol,
    readonly call: string,
    /** One in so many is timed. */
    private readonly every: number,
    /** Streams last as long as their clients like. */
    readonly isStream: boolean,
    readonly observer: RequestObserver | undefined,
  ) {}

  /** A request has arrived: when, for its end; 0 where it is not timed. */
  begin(): number {
    if (--this.untilTimed > 0) return 0;
    this.untilTimed = this.every;
    return performance.now();
  }

  /** It has ended. */
  end(result: Result, began: number, traceparent?: string): void {
    this.results[result]++;
    if (began === 0) return;
    const ended = performance.now();
    if (!this.isStream) this.seconds.observe((ended - began) / 1_000);
    if (this.observer === undefined) return;
    const { protocol, call } = this;
    const { timeOrigin } = performance;
    this.observer({ protocol, call, result, began: timeOrigin + began, ended: timeOrigin + ended, traceparent });
  }
}

export class Meter {
  readonly kinds = new Map<string, RequestKind>();
  /** Connections by what is spoken there: those that are open, and all that there were. */
  readonly connections: Readonly<Record<Protocol, { open: number; taken: number }>> = {
    'json-tcp': { open: 0, taken: 0 },
    grpc: { open: 0, taken: 0 },
  };
  /** Connections that were turned away. */
  readonly refused: Record<DoorReason, number> = {
    connections: 0,
    connections_from_address: 0,
    memory: 0,
    handshake_timeout: 0,
    proxy_header: 0,
    tls: 0,
  };
  /** JSON/TCP requests that came too fast, and had to wait. */
  readonly slowed = { address: 0, miner: 0 };

  /** `observer`: with one every request is timed. */
  constructor(private readonly observer?: RequestObserver) {}

  /** The requests of a call, of which there are a few. `isQuick`: it takes microseconds. */
  kind(protocol: Protocol, call: string, { isQuick = false, isStream = false } = {}): RequestKind {
    const name = `${protocol} ${call}`;
    const every = isQuick && this.observer === undefined ? SAMPLE : 1;
    const kind = this.kinds.get(name) ?? new RequestKind(protocol, call, every, isStream, this.observer);
    this.kinds.set(name, kind);
    return kind;
  }
}
