/** Serves a validator on JSON/TCP (spec, sections 1, 2, 7 and 8): frames in any pieces, answers in order, one write each. */

import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, stackOf } from '../engine/fault.js';
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
import type { Meter, RequestKind } from './meter.js';
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
  /** Counts requests by their calls, where somebody looks on. */
  private readonly kinds: Readonly<Record<Request['call'] | 'unknown', RequestKind>> | undefined;

  constructor(
    private readonly validator: Validator,
    private readonly admission: Admission,
    private readonly log: Log,
    private readonly meter?: Meter,
  ) {
    const { limits } = admission;
    this.kinds = meter && {
      GetRoundInfo: meter.kind('json-tcp', 'GetRoundInfo', { isQuick: true }),
      CheckLockout: meter.kind('json-tcp', 'CheckLockout', { isQuick: true }),
      GetBlockchainInfo: meter.kind('json-tcp', 'GetBlockchainInfo', { isQuick: true }),
      SubmitBlock: meter.kind('json-tcp', 'SubmitBlock'),
      unknown: meter.kind('json-tcp', 'unknown'),
    };
    this.host = {
      limits,
      turns: new Turns(),
      answer: (bytes, from) => this.answer(bytes, from),
      refused: (bad) => this.kinds?.unknown.end(bad === 'too long' ? 'LIMIT_EXCEEDED' : 'MALFORMED', 0),
      defect: (error) => this.log.error(`A request failed: ${stackOf(error)}`),
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
      if (wait > 0) return this.slowDown(from, 'request', wait);
    }
    let request: Request;
    try {
      request = requestFromJson(bytes);
    } catch (error) {
      if (error instanceof Fault) {
        this.kinds?.unknown.end(error.reason, 0);
        return Promise.resolve(errorToJson(error.message));
      }
      return Promise.reject(error);
    }
    const { minerId, apiKey: token } = request.call === 'GetBlockchainInfo' ? NOBODY : request;
    try {
      this.admission.admit(caller, auth, { minerId, isSubmission: request.call === 'SubmitBlock', token });
    } catch (error) {
      if (error instanceof Fault) {
        this.kinds?.[request.call].end(error.reason, 0);
        return Promise.resolve(refusedToJson(request.call, error.message));
      }
      return Promise.reject(error);
    }
    if (isLimited && minerId !== undefined && counted !== 'in its name') {
      const wait = this.admission.delay(caller, minerId);
      if (wait > 0) return this.slowDown(from, 'in its name', wait);
    }
    if (request.call === 'SubmitBlock') return this.submit(request, isLimited ? caller.network : undefined);
    return this.read(request, from);
  }

  private async read(
    request: Exclude<Request, { call: 'SubmitBlock' }>,
    from: Connection,
  ): Promise<string | undefined> {
    const kind = this.kinds?.[request.call];
    const began = kind === undefined ? 0 : kind.begin();
    for (let wait = SLOW_DOWN_MS.first; ; wait = Math.min(2 * wait, SLOW_DOWN_MS.most)) {
      try {
        // Right here, and not in a method of its own: these are asked all day, and every promise more is felt.
        let text: string;
        switch (request.call) {
          case 'GetRoundInfo':
            text = roundInfoToJson(await this.validator.getRoundInfo(request.minerId));
            break;
          case 'CheckLockout':
            text = lockoutStatusToJson(await this.validator.checkLockout(request.minerId));
            break;
          case 'GetBlockchainInfo':
            text = blockchainInfoToJson(await this.validator.getBlockchainInfo());
        }
        if (kind !== undefined) kind.end('OK', began);
        return text;
      } catch (error) {
        const isOverloaded = error instanceof Fault && error.reason === 'OVERLOADED';
        if (!isOverloaded) kind?.end(error instanceof Fault ? error.reason : 'INTERNAL', began);
        if (!(error instanceof Fault)) throw error;
        // An Error here would end a deployed miner: it is made to wait (spec, section 8, "Connections").
        if (!isOverloaded) return undefined;
        await sleep(wait);
        if (!from.gone) continue;
        kind?.end('CANCELLED', began);
        return undefined;
      }
    }
  }

  private async submit(
    { minerId, block }: Extract<Request, { call: 'SubmitBlock' }>,
    network: string | undefined,
  ): Promise<string> {
    const kind = this.kinds?.SubmitBlock;
    const began = kind?.begin() ?? 0;
    try {
      checkSubmission(minerId, block);
      const verdict = await this.validator.submitBlock(minerId, block, { network });
      kind?.end('OK', began);
      return blockResultToJson(verdict);
    } catch (error) {
      kind?.end(error instanceof Fault ? error.reason : 'INTERNAL', began);
      // An Error here would drive a deployed miner into a hot loop (spec, section 7).
      if (error instanceof Fault) return notTakenToJson(error.message);
      throw error;
    }
  }

  /** How long a request has to wait, which is not counted again then. */
  private slowDown(from: Connection, counted: 'request' | 'in its name', ms: number): number {
    from.counted = counted;
    if (this.meter !== undefined) this.meter.slowed[counted === 'request' ? 'address' : 'miner']++;
    return ms;
  }
}
