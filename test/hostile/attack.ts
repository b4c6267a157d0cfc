/** What an attack is, and what it is given. */

import type { Address } from '../../src/wire/address.js';

/** Where to connect, and from where: the attacker's own address, where it is limited by that. */
export interface Target extends Address {
  readonly localAddress?: string;
}

/** The validator that is attacked. */
export interface Victim {
  readonly jsonTcp: Target;
  readonly grpc: Target;
  /** JSON/TCP and gRPC over TLS, where the attack asks for it. */
  readonly tls: Target | undefined;
  readonly grpcs: Target | undefined;
}

/** How much is done: little in the short form. */
export interface Effort {
  readonly isShort: boolean;
  /** How long what has no end of its own is kept up, milliseconds. */
  readonly ms: number;
  /** Messages of a fuzzer. */
  readonly messages: number;
  /** What random choices are made from. */
  readonly seed: number;
}

/** What an attack has done, by words that name it. */
export type Figures = Readonly<Record<string, number>>;

/** An attack. It runs in a process of its own, and against a validator of its own. */
export interface Attack {
  /** What `--only` asks for. */
  readonly name: string;
  /** What it tries, in a line. */
  readonly tries: string;
  /** Attacks, and says when it has all its strength. Throws where the victim does not answer as it must. */
  run(victim: Victim, effort: Effort, inPlace: () => void): Promise<Figures>;
  /** Options of the validator. */
  readonly options?: readonly string[];
  /** Clients on this machine are limited as those elsewhere are: the attacker by an address that is not that of the honest. */
  readonly isLimited?: boolean;
  /** The validator speaks TLS too. */
  readonly needsTls?: boolean;
  /** How many files and sockets the validator may have open: as many as the system allows, unless it is said. */
  readonly descriptors?: number;
  /** How many of the largest blocks the chain has when it begins. */
  readonly largeBlocks?: number;
  /** It takes every place that there is: the honest ones are those who came before. */
  readonly takesAllPlaces?: boolean;
  /** How many of its connections may stay open until the validator's keepalive finds that nobody is there, a minute or more later. */
  readonly lingering?: number;
  /** What the validator may log as a warning: nothing, unless it is said. */
  readonly mayLog?: RegExp;
}
