/** Whole conversations, on both wires, against a validator in memory whose clock stands where the session sets it. */

import { readFileSync } from 'node:fs';
import { createFileRegistry, type DescMethod, fromBinary, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { expect } from 'chai';
import { runSession } from '../../src/conformance/run.js';
import type { Session, SessionFile, Step } from '../../src/conformance/session.js';
import { CHAIN_CODE_NAMES, RESULT_NAMES } from '../../src/engine/verdict.js';
import { cleanup } from '../support/cleanup.js';
import { loadBuild, serveSession } from '../support/session-validator.js';
import { vectors } from '../support/vectors.js';

/** A step with what people read beside the bytes. */
type DocumentedStep = Step & { readonly request_json?: JsonValue; readonly response_json?: JsonValue };

const { sessions } = vectors<SessionFile>('sessions');
const ours = await loadBuild(new URL('../../', import.meta.url));

/** Every method by its whole name. This file runs as dist/test/conformance/sessions.test.js. */
const methods = new Map<string, DescMethod>();
const schemas = readFileSync(new URL('../../../gen/descriptor.binpb', import.meta.url));
for (const type of createFileRegistry(fromBinary(FileDescriptorSetSchema, schemas))) {
  if (type.kind === 'service')
    for (const method of type.methods) methods.set(`${type.typeName}/${method.name}`, method);
}

describe('Sessions', () => {
  const atEnd = cleanup();

  for (const session of sessions) {
    it(`${session.wire}: ${session.name}`, async () => {
      const { address, tester } = await serveSession(ours, session, atEnd);
      expect(await runSession(session, address, tester)).to.equal(undefined);
    });
  }

  it('have names of their own on each wire', () => {
    const names = sessions.map(({ wire, name }) => `${wire}: ${name}`);
    expect([...new Set(names)]).to.deep.equal(names);
  });

  for (const wire of ['json-tcp', 'grpc'] as const) {
    const told = textOf(sessions.filter((session) => session.wire === wire));

    it(`${wire}: every result occurs`, () => {
      const missing = Object.entries(RESULT_NAMES).filter(
        ([value, name]) =>
          !told.includes(wire === 'grpc' ? `"result":"${grpcName('SubmitResult', value)}"` : `"${name}"`),
      );
      expect(missing).to.deep.equal([]);
    });

    it(`${wire}: every chain code occurs`, () => {
      const missing = Object.values(CHAIN_CODE_NAMES).filter(
        (name) => !told.includes(`Blockchain validation failed: ${name}`),
      );
      expect(missing).to.deep.equal([]);
    });
  }

  it('every fault occurs: on JSON/TCP an Error and a submission that is not taken, on gRPC every reason', () => {
    const jsonTcp = textOf(sessions.filter(({ wire }) => wire === 'json-tcp'));
    for (const fault of ['"Error"', 'Not taken: ']) expect(jsonTcp).to.contain(fault);
    const steps = sessions.flatMap((session) => session.steps);
    const reasons = new Set(steps.map(({ status, cancel }) => (cancel ? 'CANCELLED' : status?.reason)));
    expect([...reasons].filter(Boolean).sort()).to.deep.equal([
      'CANCELLED',
      'LIMIT_EXCEEDED',
      'MALFORMED',
      'NOT_FOUND',
      'OVERLOADED',
      'UNAVAILABLE',
    ]);
  });

  it('what people read beside the bytes says the same as the bytes', () => {
    let compared = 0;
    for (const { name, steps } of sessions) {
      const opened = new Map<string, string>();
      for (const step of steps as readonly DocumentedStep[]) {
        if (step.open !== undefined) opened.set(step.open, String(step.call));
        const method = methods.get(String(step.call ?? opened.get(String(step.next))));
        for (const [type, json, hex] of [
          [method?.input, step.request_json, step.request],
          [method?.output, step.response_json, step.response],
        ] as const) {
          if (type === undefined || json === undefined) continue;
          expect(fromJson(type, json), name).to.deep.equal(fromBinary(type, Buffer.from(String(hex), 'hex')));
          compared++;
        }
      }
    }
    expect(compared).to.be.above(100);
  });
});

function textOf(those: readonly Session[]): string {
  return those.flatMap(({ steps }) => steps.map((step) => step.receive ?? JSON.stringify(step))).join('\n');
}

function grpcName(type: string, value: string): string {
  const output = methods.get('hourcoin.v1.ValidatorService/SubmitBlock')?.output;
  const found = output?.fields.find((field) => field.enum?.name === type)?.enum;
  return String(found?.values.find(({ number }) => number === Number(value))?.name);
}
