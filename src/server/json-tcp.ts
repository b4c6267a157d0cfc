/** Serves a validator on JSON/TCP (spec, sections 1, 2, 7 and 8): frames in any pieces, answers in order, one write each. */

import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { Validator } from '../validator/validator.js';
import { type Address, formatAddress } from '../wire/address.js';
import {
  blockchainInfoToJson,
  blockResultToJson,
  errorToJson,
  lockoutStatusToJson,
  notTakenToJson,
  roundInfoToJson,
} from '../wire/answers.js';
import { checkSubmission } from '../wire/checks.js';
import { type Request, requestFromJson } from '../wire/requests.js';
import { Connection, type Host } from './connection.js';
import { listen } from './listen.js';
import type { Log } from './log.js';
import { giveMemoryBack } from './memory.js';

/** How long a read that found the validator overloaded waits before it asks again, at first and at most, milliseconds. */
const SLOW_DOWN_MS = { first: 50, most: 1_000 };

/** How often the connections are looked at, milliseconds: one timer for all, as most are silent most of the time. */
const LOOK_MS = 10_000;

/** When so many have left, the memory that they took is given back. */
const CROWD = 1_000;

export class JsonTcpServer {
  private readonly server: Server;
  private readonly connections = new Set<Connection>();
  /** Bytes that have arrived and not been taken, over all connections: frames that are not whole, or wait for their turn. */
  private unfinished = 0;
  /** The most connections there were since memory was given back. */
  private most = 0;
  private looks: NodeJS.Timeout | undefined;
  /** Resolves when it takes no more connections and all of them are gone. */
  private readonly closed: Promise<void>;
  /** What connections see of this server. */
  private readonly host: Host = {
    answer: (bytes, from) => this.answer(bytes, from),
    defect: (error) => this.log.error(`A request failed: ${error instanceof Error ? error.stack : error}`),
    hold: (change) => this.hold(change),
    left: (connection) => this.connections.delete(connection),
  };

  constructor(
    private readonly validator: Validator,
    private readonly log: Log,
  ) {
    // Half-open: a client that has shut its side down still gets its answers.
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket));
    this.closed = new Promise((resolve) => this.server.once('close', resolve));
  }

  /** Listens, and says where. */
  async listen(address: Address): Promise<Address> {
    const listening = await listen(this.server, address, this.log);
    this.looks = setInterval(() => this.look(), LOOK_MS).unref();
    return listening;
  }

  /** Takes no more connections and no more requests; those that were taken are still answered. */
  stopTaking(): void {
    this.server.close();
    for (const connection of this.connections) connection.stopTaking();
  }

  /** Closes every connection once what was taken is answered, at the latest after some milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.stopTaking();
    await Promise.race([this.closed, sleep(graceMs, undefined, { ref: false })]);
    for (const connection of this.connections) connection.destroy();
    clearInterval(this.looks);
  }

  private accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    // Gone before it was looked at.
    if (remoteAddress === undefined || remotePort === undefined) return void socket.destroy();
    this.log.debug(`New connection from: ${formatAddress({ host: remoteAddress, port: remotePort })}`);
    this.connections.add(new Connection(socket, this.host));
    this.most = Math.max(this.most, this.connections.size);
  }

  /** Closes who has been silent for too long. Gives memory back once a crowd has left. */
  private look(): void {
    for (const connection of this.connections) connection.look(LIMITS.idleMs / LOOK_MS);
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

  /** Answers a frame; undefined closes the connection instead. */
  private async answer(bytes: Buffer, from: Connection): Promise<string | undefined> {
    let request: Request;
    try {
      request = requestFromJson(bytes);
    } catch (error) {
      if (error instanceof Fault) return errorToJson(error.message);
      throw error;
    }
    if (request.call === 'SubmitBlock') return this.submit(request);
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

  private async submit({ minerId, block }: Extract<Request, { call: 'SubmitBlock' }>): Promise<string> {
    try {
      checkSubmission(minerId, block);
      return blockResultToJson(await this.validator.submitBlock(minerId, block));
    } catch (error) {
      // An Error here would drive a deployed miner into a hot loop (spec, section 7).
      if (error instanceof Fault) return notTakenToJson(error.message);
      throw error;
    }
  }
}
