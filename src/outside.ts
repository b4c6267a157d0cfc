/** What a validator shows to those who run it: whether it lives, whether it is ready, and its metrics, over HTTP; gRPC's health checks follow. */

import { join } from 'node:path';
import { cannotListen, type Doors, StartError } from './doors.js';
import { stackOf } from './engine/fault.js';
import type { Metrics } from './metrics.js';
import { HttpServer, type Page, TEXT } from './server/http.js';
import type { Log } from './server/log.js';
import { Meter, type RequestObserver } from './server/meter.js';
import type { Clock } from './time/clock.js';
import type { TimeStatus } from './time/time-sync.js';
import type { ValidatorEvent } from './validator/events.js';
import type { ValidatorNode } from './validator/node.js';
import { type Address, formatAddress, isLoopback, parseAddress } from './wire/address.js';

/** How often it is looked at whether the validator is ready, milliseconds. */
const LOOK_MS = 1_000;

/** Metrics are as old as this at most, milliseconds: whoever asks faster gets the same again. */
const FRESH_MS = 500;

/** What is looked at. */
interface Looked {
  /** Where to serve HTTP, or `off`. */
  readonly http: string;
  readonly data: string;
  readonly onRequest: RequestObserver | undefined;
  readonly log: Log;
  /** Undefined where it goes by the system's clock. */
  readonly time: () => TimeStatus | undefined;
}

export class Outside {
  /** For the servers; undefined where nobody looks on. */
  readonly meter: Meter | undefined;
  private metrics: Metrics | undefined;
  private http: HttpServer | undefined;
  private phase: 'starting' | 'running' | 'stopping' | 'its store has failed' = 'starting';
  private running: { readonly node: ValidatorNode; readonly doors: Doors; readonly clock: Clock } | undefined;
  private looks: NodeJS.Timeout | undefined;
  private wasReady = true;
  private told: { readonly at: number; readonly page: Promise<Page> } | undefined;

  constructor(private readonly looked: Looked) {
    const { http, onRequest } = looked;
    if (http !== 'off' || onRequest !== undefined) this.meter = new Meter(onRequest);
  }

  /** Listens, and says where; undefined where it is off. Throws a StartError. */
  async open(): Promise<Address | undefined> {
    const { http, log } = this.looked;
    if (http === 'off') return undefined;
    const address = parseAddress(http);
    if (address === undefined) throw new StartError(`${http} is not an address: write host:port, or off`);
    this.metrics = await this.makeMetrics();
    const pages = {
      '/livez': () => ({ status: 200, type: TEXT, body: 'live\n' }),
      '/readyz': () => this.readyPage(),
      '/metrics': () => this.metricsPage(),
    };
    this.http = new HttpServer(pages, (error) => log.error(`A page failed: ${stackOf(error)}`));
    const opened = await this.http
      .listen(address)
      .catch((error) => cannotListen({ ...address, wire: 'json-tcp', isSecure: false }, error));
    if (!isLoopback(address.host)) {
      log.warn(
        `http://${formatAddress(opened)} is for those who run this validator: whoever reaches it can read its metrics, and nothing there is encrypted. Serve it on 127.0.0.1, or keep others from it`,
      );
    }
    return opened;
  }

  /** The validator runs. */
  started(node: ValidatorNode, doors: Doors, clock: Clock): void {
    this.running = { node, doors, clock };
    if (this.phase === 'starting') this.phase = 'running';
    this.look();
    this.looks = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Hears what happens in the validator. */
  hear(event: ValidatorEvent): void {
    this.metrics?.hear(event);
    if (event.type !== 'failure') return;
    this.phase = 'its store has failed';
    this.look();
  }

  /** It stops: said before anything else is done about it. */
  stopping(): void {
    if (this.phase !== 'its store has failed') this.phase = 'stopping';
    clearInterval(this.looks);
    this.running?.doors.setServing(false);
  }

  /** Nothing more can be asked. */
  close(): void {
    this.http?.close();
  }

  /** Why clients do well to go elsewhere; empty where it is ready. */
  private reasons(): string[] {
    if (this.phase !== 'running') return [this.phase];
    const reasons: string[] = [];
    if (this.running?.doors.isFull()) reasons.push('too much memory is in use: --max-memory');
    const doubt = this.running?.clock.doubt?.();
    if (doubt !== undefined) reasons.push(doubt);
    return reasons;
  }

  /** Tells health checks and the log where that has changed. */
  private look(): void {
    const reasons = this.reasons();
    const isReady = reasons.length === 0;
    if (isReady === this.wasReady) return;
    this.wasReady = isReady;
    this.running?.doors.setServing(isReady);
    if (isReady) this.looked.log.info('Ready again');
    else this.looked.log.warn(`Not ready: ${reasons.join('; ')}`);
  }

  private readyPage(): Page {
    const reasons = this.reasons();
    const [status, body] = reasons.length === 0 ? [200, 'ready'] : [503, `not ready: ${reasons.join('; ')}`];
    return { status, type: TEXT, body: `${body}\n` };
  }

  /** Loaded for those who want them only. */
  private async makeMetrics(): Promise<Metrics> {
    const { Metrics } = await import('./metrics.js');
    const { data, time } = this.looked;
    return new Metrics({
      meter: this.meter as Meter,
      time,
      file: join(data, 'data.mdb'),
      mostConnections: () => this.running?.doors.maxConnections,
      node: () => this.running?.node,
      isReady: () => this.reasons().length === 0,
    });
  }

  private metricsPage(): Promise<Page> {
    const now = performance.now();
    if (this.told === undefined || now - this.told.at >= FRESH_MS) this.told = { at: now, page: this.readMetrics() };
    return this.told.page;
  }

  private async readMetrics(): Promise<Page> {
    const { type, text } = await (this.metrics as Metrics).read();
    return { status: 200, type, body: text };
  }
}
