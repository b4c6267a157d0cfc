/** Serves a validator on JSON/TCP (spec, sections 1, 2, 7 and 8): frames in any pieces, answers in order, one write each. */

import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { Validator } from '../validator/validator.js';
import {
  blockchainInfoToJson,
  blockResultToJson,
  errorToJson,
  lockoutStatusToJson,
  notTakenToJson,
  refusedToJson,
  roundInfoToJson,
} from '../wire/answers.js';
import { checkSubmission } from '../wire/checks.js';
import { type Request, requestFromJson } from '../wire/requests.js';
import type { Admission, Auth } from './admission.js';
import type { Caller } from './caller.js';
import { Connection, type Host } from './connection.js';
import type { Log } from './log.js';
import { giveMemoryBack } from './memory.js';
import { Turns } from './turns.js';

/** How long a read that found the validator overloaded waits before it asks again, at first and at most, milliseconds. */
const SLOW_DOWN_MS = { first: 50, most: 1_000 };

/** How often the connections are looked at, milliseconds: one timer for all, as most are silent most of the time. */
const LOOK_MS = 10_000;

/** When so many have left, the memory that they took is given back. */
const CROWD = 1_000;

/** GetBlockchainInfo is asked in nobody's name. */
const NOBODY = { minerId: undefined, apiKey: undefined };

export class JsonTcpServer {
  private readonly connections = new Set<Connection>();
  /** Bytes that have arrived and not been taken, over all connections: frames that are not whole, or wait for their turn. */
  private unfinished = 0;
  /** The most connections there were since memory was given back. */
  private most = 0;
  private readonly lookMs: number;
  private readonly looks: NodeJS.Timeout;
  /** Hears that the last connection is gone. */
  private onEmpty = (): void => {};
  /** What connections see of this server. */
  private readonly host: Host;

  constructor(
    private readonly validator: Validator,
    private readonly admission: Admission,
    private readonly log: Log,
  ) {
    const { limits } = admission;
    this.host = {
      limits,
      turns: new Turns(),
      answer: (bytes, from) => this.answer(bytes, from),
      defect: (error) => this.log.error(`A request failed: ${error instanceof Error ? error.stack : error}`),
      hold: (change) => this.hold(change),
      left: (connection) => this.leave(connection),
    };
    this.lookMs = Math.min(LOOK_MS, limits.idleTimeout);
    this.looks = setInterval(() => this.look(), this.lookMs).unref();
  }

  /** Speaks JSON/TCP with a client. `auth`: who has to show a key there. */
  accept(socket: Socket, caller: Caller, auth: Auth): void {
    this.connections.add(new Connection(socket, this.host, caller, auth));
    this.most = Math.max(this.most, this.connections.size);
  }

  /** Takes no more requests; those that were taken are still answered. */
  stopTaking(): void {
    for (const connection of this.connections) connection.stopTaking();
  }

  /** Closes every connection once what was taken is answered, at the latest after some milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.stopTaking();
    const empty = new Promise<void>((resolve) => {
      this.onEmpty = resolve;
    });
    if (this.connections.size > 0) await Promise.race([empty, sleep(graceMs, undefined, { ref: false })]);
    for (const connection of this.connections) connection.destroy();
    clearInterval(this.looks);
  }

  private leave(connection: Connection): void {
    this.connections.delete(connection);
    if (this.connections.size === 0) this.onEmpty();
  }

  /** Closes who has been silent for too long. Gives memory back once a crowd has left. */
  private look(): void {
    for (const connection of this.connections) connection.look(this.admission.limits.idleTimeout / this.lookMs);
    if (this.most - this.connections.size < CROWD) return;
    this.most = this.connections.size;
    void giveMemoryBack();
  }

  /** Counts unfinished bytes that a connection holds more, or less. Where there are too many, who holds most is closed. */
  private hold(change: number): void {
    this.unfinished += change;
    if (change <= 0 || this.unfinished <= LIMITS.unfinishedFrameBytes) return;
    let greediest: Connection | undefined;
    for (const connection of this.connections)
      if (connection.unfinished > (greediest?.unfinished ?? 0)) greediest = connection;
    greediest?.destroy();
  }

  /**
   * Answers a frame; undefined closes the connection instead. A number: it comes too soon, and is to be given again after so many milliseconds.
   * Until then its bytes are all that is kept of it.
   */
  private answer(bytes: Buffer, from: Connection): Promise<string | undefined> | number {
    const { caller, auth, counted } = from;
    const isLimited = this.admission.isLimited(caller);
    from.counted = 'nothing';
    if (isLimited && counted === 'nothing') {
      const wait = this.admission.delay(caller);
      if (wait > 0) return waiting(from, 'request', wait);
    }
    let request: Request;
    try {
      request = requestFromJson(bytes);
    } catch (error) {
      if (error instanceof Fault) return Promise.resolve(errorToJson(error.message));
      return Promise.reject(error);
    }
    const { minerId, apiKey: token } = request.call === 'GetBlockchainInfo' ? NOBODY : request;
    try {
      this.admission.admit(caller, auth, { minerId, isSubmission: request.call === 'SubmitBlock', token });
    } catch (error) {
      if (error instanceof Fault) return Promise.resolve(refusedToJson(request.call, error.message));
      return Promise.reject(error);
    }
    if (isLimited && minerId !== undefined && counted !== 'in its name') {
      const wait = this.admission.delay(caller, minerId);
      if (wait > 0) return waiting(from, 'in its name', wait);
    }
    if (request.call === 'SubmitBlock') return this.submit(request, isLimited ? caller.network : undefined);
    return this.read(request, from);
  }

  private async read(
    request: Exclude<Request, { call: 'SubmitBlock' }>,
    from: Connection,
  ): Promise<string | undefined> {
    for (let wait = SLOW_DOWN_MS.first; ; wait = Math.min(2 * wait, SLOW_DOWN_MS.most)) {
      try {
        // Right here, and not in a method of its own: these are asked all day, and every promise more is felt.
        switch (request.call) {
          case 'GetRoundInfo':
            return roundInfoToJson(await this.validator.getRoundInfo(request.minerId));
          case 'CheckLockout':
            return lockoutStatusToJson(await this.validator.checkLockout(request.minerId));
          case 'GetBlockchainInfo':
            return blockchainInfoToJson(await this.validator.getBlockchainInfo());
        }
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        // An Error here would end a deployed miner: it is made to wait (spec, section 8, "Connections").
        if (error.reason !== 'OVERLOADED') return undefined;
        await sleep(wait);
        if (from.gone) return undefined;
      }
    }
  }

  private async submit(
    { minerId, block }: Extract<Request, { call: 'SubmitBlock' }>,
    network: string | undefined,
  ): Promise<string> {
    try {
      checkSubmission(minerId, block);
      return blockResultToJson(await this.validator.submitBlock(minerId, block, { network }));
    } catch (error) {
      // An Error here would drive a deployed miner into a hot loop (spec, section 7).
      if (error instanceof Fault) return notTakenToJson(error.message);
      throw error;
    }
  }
}

/** How long a request has to wait, which is not counted again then. */
function waiting(from: Connection, counted: Connection['counted'], ms: number): number {
  from.counted = counted;
  return ms;
}
