/**
 * gRPC's messages over simulated sockets: the validator's own services and readers, the generated code, and gRPC's statuses, in frames of our own in the
 * place of HTTP/2, whose implementation has an event loop of its own. Calls share a connection and are cancelled as there.
 */

import type { Socket } from 'node:net';
import { Fault } from '../../src/engine/fault.js';
import { LIMITS } from '../../src/engine/limits.js';
import type { Admission } from '../../src/server/admission.js';
import type { Caller } from '../../src/server/caller.js';
import type { Method } from '../../src/server/calls.js';
import { chainService, validatorService } from '../../src/server/services.js';
import type { ChainValidator } from '../../src/validator/validator.js';
import { faultToGrpc } from '../../src/wire/faults.js';
import { FrameReader } from '../../src/wire/frames.js';

/** What a frame is: its length, the call's number, this, and the rest. */
export enum Kind {
  /** The length of the path, the path, and the message. */
  REQUEST,
  ANSWER,
  END,
  /** The code and the details. */
  STATUS,
  CANCEL,
}

const HEAD_BYTES = 5;

export class RpcServer {
  private readonly methods: ReadonlyMap<string, Method>;
  private readonly sockets = new Set<Socket>();

  /** `defect` hears what a method throws that is no Fault. */
  constructor(
    validator: ChainValidator,
    private readonly admission: Admission,
    private readonly defect: (error: unknown) => void,
  ) {
    const methods = [...validatorService(validator), ...chainService(validator)];
    this.methods = new Map(methods.map((method) => [method.path, method]));
  }

  accept(socket: Socket, caller: Caller): void {
    const calls = new Map<number, AbortController>();
    this.sockets.add(socket);
    socket.on('close', () => {
      this.sockets.delete(socket);
      for (const call of calls.values()) call.abort();
    });
    onFrames(socket, (id, kind, body) => {
      if (kind === Kind.CANCEL) calls.get(id)?.abort();
      if (kind !== Kind.REQUEST) return;
      const call = new AbortController();
      calls.set(id, call);
      void this.answer(socket, id, body, caller, call.signal).finally(() => calls.delete(id));
    });
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private async answer(socket: Socket, id: number, body: Buffer, caller: Caller, signal: AbortSignal): Promise<void> {
    const admit = (minerId?: string, isSubmission = false): string => {
      this.admission.admit(caller, 'open', { minerId, isSubmission, token: undefined });
      if (minerId !== undefined) this.admission.admitAtOnce(caller, minerId);
      return caller.network;
    };
    try {
      const end = 1 + (body[0] ?? 0);
      const method = this.methods.get(body.toString('utf8', 1, end));
      if (method === undefined) throw new Fault('NOT_FOUND', 'there is no such method');
      this.admission.admitAtOnce(caller);
      const answer = method.answer(method.read(body.subarray(end)), { admit, signal });
      if (method.responseStream) {
        for await (const message of answer as AsyncIterable<unknown>) {
          if (signal.aborted) return;
          send(socket, id, Kind.ANSWER, method.write(message));
        }
      } else send(socket, id, Kind.ANSWER, method.write(await answer));
      send(socket, id, Kind.END);
    } catch (error) {
      if (!(error instanceof Fault)) return this.defect(error);
      const { code, details } = faultToGrpc(error);
      send(socket, id, Kind.STATUS, Buffer.concat([Buffer.of(Number(code)), Buffer.from(String(details))]));
    }
  }
}

export function send(socket: Socket, id: number, kind: Kind, body: Uint8Array = new Uint8Array()): void {
  if (socket.destroyed || socket.writableEnded) return;
  const head = Buffer.alloc(4 + HEAD_BYTES);
  head.writeUInt32BE(HEAD_BYTES + body.length);
  head.writeUInt32BE(id, 4);
  head.writeUInt8(kind, 8);
  socket.write(Buffer.concat([head, body]));
}

/** Hears every frame; what is none ends the connection. */
export function onFrames(socket: Socket, hear: (id: number, kind: Kind, body: Buffer) => void): void {
  const frames = new FrameReader(LIMITS.answerBytes);
  socket.on('data', (chunk: Buffer) => {
    frames.push(chunk);
    for (let next = frames.next(); next !== undefined; next = frames.next()) {
      if (!Buffer.isBuffer(next) || next.length < HEAD_BYTES) return void socket.destroy();
      // The reader's bytes are good until the next piece arrives.
      const frame = Buffer.from(next);
      hear(frame.readUInt32BE(0), frame.readUInt8(4), frame.subarray(HEAD_BYTES));
    }
  });
}
