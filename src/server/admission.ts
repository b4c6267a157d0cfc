/** The door, for all listeners of a validator: how many may come in, how fast they may ask, and who may ask what. */

import { Fault } from '../engine/fault.js';
import { LIMITS, type OperatorLimits } from '../engine/limits.js';
import type { Caller } from './caller.js';
import { MemoryWatch } from './memory.js';
import { Rates } from './rates.js';

/** Who is asked for a key: every miner, or those whose id has one. */
export type Auth = 'open' | 'required';

/** What the door must know of keys. */
export interface KnownKeys {
  /** The name of a token's key; undefined where there is none. */
  nameOf(token: string): string | undefined;
  /** The miner id that a key is for; undefined where it has been revoked. */
  minerOf(name: string): string | undefined;
  isOwned(minerId: string): boolean;
}

/** How a validator's operator wants it. */
export interface Policy {
  readonly limits: OperatorLimits;
  /** Reading needs a key or a certificate too. */
  readonly authReads: boolean;
  /** Keys are taken over connections that others can read. */
  readonly insecure: boolean;
  /** Clients on this machine are limited like others. */
  readonly limitLoopback: boolean;
}

/** What a client wants, as far as the door is concerned. */
export interface Wish {
  /** undefined where it asks in nobody's name. */
  readonly minerId: string | undefined;
  readonly isSubmission: boolean;
  /** The token that came with it. */
  readonly token: string | undefined;
}

/** Why a connection may be turned away, in a word. */
export type DoorReason =
  | 'connections'
  | 'connections_from_address'
  | 'memory'
  | 'handshake_timeout'
  | 'proxy_header'
  | 'tls';

/** A connection is turned away: the reason, and what it is in full. */
export interface TurnedAway {
  readonly reason: DoorReason;
  readonly why: string;
}

/** Keys that a connection has shown and that are remembered: whoever shows more shows them again. */
const MOST_SHOWN = 64;

const MIB = 1_048_576;

export class Admission {
  readonly limits: OperatorLimits;
  private open = 0;
  /** How many connections and streams each network has open. */
  private readonly connections = new Map<string, number>();
  private readonly streams = new Map<string, number>();
  private readonly networkRates: Rates;
  private readonly minerRates: Rates;
  private readonly memory: MemoryWatch;

  /** `now`: the time, milliseconds since whenever. */
  constructor(
    private readonly policy: Policy,
    private readonly keys: KnownKeys,
    private readonly now = () => performance.now(),
  ) {
    const { limits } = policy;
    this.limits = limits;
    this.networkRates = new Rates(limits.maxRequestsPerIp);
    this.minerRates = new Rates(limits.maxRequestsPerMiner);
    this.memory = new MemoryWatch(limits.maxMemory * MIB);
  }

  /** A connection comes: what lets go of it, or why it may not. */
  enter(): (() => void) | TurnedAway {
    if (this.open >= this.limits.maxConnections) {
      return { reason: 'connections', why: 'too many connections are open' };
    }
    if (this.isFull()) return { reason: 'memory', why: 'too much memory is in use' };
    this.open++;
    return () => void this.open--;
  }

  /** It is known where from: what lets go of it, or why it may not. */
  enterFrom(caller: Caller): (() => void) | TurnedAway {
    if (!this.isLimited(caller)) return () => {};
    const { network } = caller;
    const leave = countIn(this.connections, network, this.limits.maxConnectionsPerIp);
    return leave ?? { reason: 'connections_from_address', why: `too many connections from ${network} are open` };
  }

  /** Whether so much memory is in use that no connections are taken. */
  isFull(): boolean {
    return this.memory.isExceeded(this.now());
  }

  /** Whether a caller is counted by its network and in a miner's name: what follows is asked for those only. */
  isLimited({ isLoopback }: Caller): boolean {
    return !isLoopback || this.policy.limitLoopback;
  }

  /** A gRPC stream begins: what lets go of it. Throws a Fault, OVERLOADED, where it may not. */
  enterStream({ network }: Caller): () => void {
    const leave = countIn(this.streams, network, LIMITS.streamsPerIp);
    if (leave === undefined) throw new Fault('OVERLOADED', `too many streams from ${network} are open`);
    return leave;
  }

  /** Counts a request by its network, or an admitted one in a miner's name. How long it has to wait, milliseconds. */
  delay(caller: Caller, minerId?: string): number {
    if (minerId === undefined) return this.networkRates.take(caller.network, this.now());
    return isName(minerId) ? this.minerRates.take(this.bearer(caller, minerId), this.now()) : 0;
  }

  /** Counts one that cannot wait. Throws a Fault, OVERLOADED, that says when it may come again: nothing is counted then. */
  admitAtOnce(caller: Caller, minerId?: string): void {
    if (minerId === undefined) return refuse(this.networkRates.tryTake(caller.network, this.now()));
    if (!isName(minerId)) return;
    const wait = this.minerRates.tryTake(this.bearer(caller, minerId), this.now());
    if (wait > 0) this.networkRates.giveBack(caller.network);
    refuse(wait);
  }

  /** Throws a Fault, UNAUTHENTICATED, where a caller may not have what it wishes. Remembers the key that it shows. */
  admit(caller: Caller, auth: Auth, { minerId, isSubmission, token }: Wish): void {
    if (token !== undefined) this.show(caller, token);
    if (!isSubmission && !this.policy.authReads) return;
    if (isSubmission ? minerId !== undefined && this.speaksFor(caller, minerId) : this.isKnown(caller)) return;
    if (isSubmission && auth === 'open' && minerId !== undefined && !this.keys.isOwned(minerId)) return;
    throw new Fault(
      'UNAUTHENTICATED',
      isSubmission
        ? 'this miner id needs its API key or certificate'
        : 'this validator answers who shows an API key or a certificate',
    );
  }

  private show(caller: Caller, token: string): void {
    if (!caller.isPrivate && !this.policy.insecure) {
      throw new Fault(
        'UNAUTHENTICATED',
        'an API key is not taken over a connection that others can read: connect by tls:// or grpcs://, and make a new key',
      );
    }
    const name = this.keys.nameOf(token);
    if (name === undefined) throw new Fault('UNAUTHENTICATED', 'the API key is not known');
    if (caller.shown === undefined || caller.shown.size >= MOST_SHOWN) caller.shown = new Set();
    caller.shown.add(name);
  }

  private speaksFor({ certified, shown }: Caller, minerId: string): boolean {
    if (certified === minerId) return true;
    for (const name of shown ?? []) if (this.keys.minerOf(name) === minerId) return true;
    return false;
  }

  private isKnown({ certified, shown }: Caller): boolean {
    if (certified !== undefined) return true;
    for (const name of shown ?? []) if (this.keys.minerOf(name) !== undefined) return true;
    return false;
  }

  /** Who is counted for a miner id: whom it belongs to wherever that one is, and else each network by itself. So nobody slows another down. */
  private bearer(caller: Caller, minerId: string): string {
    return `${this.speaksFor(caller, minerId) ? '' : caller.network} ${minerId}`;
  }
}

/** Counts one more of a name, and returns what counts it off again; undefined where there are as many as may be. */
function countIn(counts: Map<string, number>, name: string, most: number): (() => void) | undefined {
  const count = counts.get(name) ?? 0;
  if (count >= most) return undefined;
  counts.set(name, count + 1);
  return () => {
    const left = (counts.get(name) ?? 0) - 1;
    if (left > 0) counts.set(name, left);
    else counts.delete(name);
  };
}

/** Whoever only asks may say anything over JSON/TCP, and nothing on either wire: no such miner is remembered. */
function isName(minerId: string): boolean {
  return minerId !== '' && minerId.length <= LIMITS.minerIdBytes;
}

function refuse(wait: number): void {
  if (wait > 0) throw new Fault('OVERLOADED', 'too many requests: slow down', '', wait);
}
