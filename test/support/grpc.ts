/** gRPC without the generated code or ours: bytes in and out, and the details of errors. */

import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { fileURLToPath } from 'node:url';
import {
  type CallOptions,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { type Address, formatAddress } from '../../src/wire/address.js';

/** This file runs as dist/test/support/grpc.js. */
const PROTO = fileURLToPath(new URL('../../../proto/', import.meta.url));

const rpc = new protobuf.Root();
rpc.resolvePath = (_, target) => PROTO + target;
rpc.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto']);

const same = (bytes: Buffer): Buffer => bytes;

/** A connection of its own. Methods are named as in `ValidatorService/GetRoundInfo`, or whole. */
export class RawGrpc {
  private readonly client: Client;

  constructor(address: Address, options: Record<string, number> = {}) {
    const channel = { 'grpc.use_local_subchannel_pool': 1, ...options };
    this.client = new Client(formatAddress(address), credentials.createInsecure(), channel);
  }

  /** Makes a call; rejects with the library's error. */
  unary(
    method: string,
    request: Uint8Array,
    options: CallOptions = {},
    signal?: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Buffer> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.add(name, value);
    return new Promise((resolve, reject) => {
      const answer = (error: ServiceError | null, bytes?: Buffer): void =>
        error === null && bytes !== undefined ? resolve(bytes) : reject(error);
      const bytes = Buffer.from(request);
      const call = this.client.makeUnaryRequest(path(method), same, same, bytes, metadata, options, answer);
      signal?.addEventListener('abort', () => call.cancel());
    });
  }

  /** Begins a stream of answers. */
  stream(method: string, request: Uint8Array): ClientReadableStream<Buffer> {
    return this.client.makeServerStreamRequest(path(method), same, same, Buffer.from(request));
  }

  /** Sends one message on a stream of both ways, and reads one. */
  exchange(method: string, request: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const call = this.client.makeBidiStreamRequest(path(method), same, same);
      call.on('error', reject);
      call.once('data', (bytes: Buffer) => {
        resolve(bytes);
        call.end();
      });
      call.write(Buffer.from(request));
    });
  }

  close(): void {
    this.client.close();
  }
}

/** A connection that knows HTTP/2 and no more: a test sends what it likes of a request, and reads when it likes. */
export class Http2Client {
  private readonly session: ClientHttp2Session;

  /** `window`: how many bytes of an answer may be sent before it is read. */
  constructor(address: Address, window = 65_535) {
    this.session = connect(`http://${formatAddress(address)}`, { settings: { initialWindowSize: window } });
    this.session.on('error', () => {});
  }

  /** Begins a call, sends some bytes of its request and leaves it open. Nothing is read before `resume`. */
  begin(method: string, bytes: Buffer) {
    const headers = { ':method': 'POST', ':path': path(method), 'content-type': 'application/grpc', te: 'trailers' };
    const stream = this.session.request(headers);
    let unread: Buffer = Buffer.of();
    const messages: Buffer[] = [];
    let code: string | undefined;
    stream.on('data', (bytes: Buffer) => {
      unread = Buffer.concat([unread, bytes]);
      while (unread.length >= 5 && unread.length >= 5 + unread.readUInt32BE(1)) {
        const end = 5 + unread.readUInt32BE(1);
        messages.push(unread.subarray(5, end));
        unread = unread.subarray(end);
      }
    });
    stream.pause();
    stream.on('error', () => {});
    const status = (headers: IncomingHttpHeaders): void => {
      code ??= headers['grpc-status'] as string | undefined;
    };
    stream.on('response', status);
    stream.on('trailers', status);
    stream.write(bytes);
    return {
      /** The answers that were read. */
      messages,
      /** The status that it has ended with. */
      status: (): number | undefined => (code === undefined ? undefined : Number(code)),
      /** Sends the rest of the request. */
      end: (rest: Buffer) => void stream.end(rest),
      resume: () => void stream.resume(),
    };
  }

  close(): void {
    this.session.destroy();
  }
}

/** A message as gRPC sends it: a flag, its length and its bytes. */
export function grpcFramed(message: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function path(method: string): string {
  return method.includes('.') ? `/${method}` : `/hourcoin.v1.${method}`;
}

/** What an error says beyond its status: google.rpc details by the name of their type. */
export function detailsOf(error: Pick<ServiceError, 'code' | 'details' | 'metadata'>): Record<string, object> {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return {};
  const status = plain(rpc.lookupType('google.rpc.Status'), bytes) as {
    code: number;
    message: string;
    details: { type_url: string; value: Buffer }[];
  };
  if (status.code !== error.code || status.message !== error.details) throw new Error('the two statuses differ');
  return Object.fromEntries(
    status.details.map(({ type_url, value }) => {
      const name = type_url.replace('type.googleapis.com/', '');
      return [name, plain(rpc.lookupType(name), value)];
    }),
  );
}

function plain(type: protobuf.Type, bytes: Uint8Array): object {
  return type.toObject(type.decode(bytes), { longs: Number });
}
