import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { expect } from 'chai';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { anyBytes, anyText, anyU32, anyU64 } from '../support/random.js';
import { codecOf, DECLARED, FILES, MESSAGES, SERVICES } from '../support/schemas.js';

/** A message as the generated code has it. */
type Message = Record<string, unknown>;

const SCALARS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: anyText,
  bytes: anyBytes,
  bool: fc.boolean(),
  int32: fc.integer(),
  uint32: anyU32,
  uint64: anyU64,
  // The generated encoder takes −0 for 0, and leaves it out.
  double: fc.double().map((value) => (Object.is(value, -0) ? 0 : value)),
};

function isOptional({ options }: protobuf.Field): boolean {
  return options?.proto3_optional === true;
}

/** The real oneof that a field belongs to. */
function oneofOf(field: protobuf.Field): string | undefined {
  return isOptional(field) ? undefined : field.partOf?.name;
}

function anyValue(field: protobuf.Field): fc.Arbitrary<unknown> {
  const { type, resolvedType } = field.resolve();
  // An enum may hold a value that was added later.
  if (resolvedType instanceof protobuf.Enum) return fc.constantFrom(...Object.values(resolvedType.values), 99);
  if (resolvedType instanceof protobuf.Type) return anyMessage(resolvedType);
  const scalar = SCALARS[type];
  if (scalar === undefined) throw new Error(`no random values for ${type}`);
  return scalar;
}

/** Any message of a type, as the generated code has it. */
function anyMessage(type: protobuf.Type): fc.Arbitrary<Message> {
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of type.fieldsArray) {
    const value = anyValue(field);
    if (field.repeated) members[field.name] = fc.array(value, { maxLength: 3 });
    else if (isOptional(field) || field.resolvedType instanceof protobuf.Type)
      members[field.name] = fc.option(value, { nil: undefined });
    else if (oneofOf(field) === undefined) members[field.name] = value;
  }
  for (const { name, fieldsArray } of type.oneofsArray.filter((oneof) => !isSynthetic(oneof))) {
    const cases = fieldsArray.map((field) => anyValue(field).map((value) => ({ $case: field.name, value })));
    members[name] = fc.option(fc.oneof(...cases), { nil: undefined });
  }
  return fc.record(members);
}

/** Whether a oneof only says that a field is optional. */
function isSynthetic({ fieldsArray }: protobuf.OneOf): boolean {
  return fieldsArray.every(isOptional);
}

/** A message of the generated code as protobufjs wants it. */
function toOracle(type: protobuf.Type, message: Message): Message {
  const found: Message = {};
  for (const field of type.fieldsArray) {
    const { name, resolvedType } = field;
    const oneof = oneofOf(field);
    const chosen = oneof === undefined ? undefined : (message[oneof] as { $case: string; value: unknown } | undefined);
    const value = oneof === undefined ? message[name] : chosen?.$case === name ? chosen.value : undefined;
    const convert = (one: unknown): unknown => {
      if (resolvedType instanceof protobuf.Type) return toOracle(resolvedType, one as Message);
      return typeof one === 'bigint' ? String(one) : one;
    };
    if (value !== undefined) found[name] = Array.isArray(value) ? value.map(convert) : convert(value);
  }
  return found;
}

/** What protobufjs has read, as the generated code has it. */
function fromOracle(type: protobuf.Type, message: Message): Message {
  const found: Message = {};
  for (const { name } of type.oneofsArray.filter((oneof) => !isSynthetic(oneof))) found[name] = undefined;
  for (const field of type.fieldsArray) {
    const { name, resolvedType } = field;
    const convert = (one: unknown): unknown =>
      resolvedType instanceof protobuf.Type ? fromOracle(resolvedType, one as Message) : one;
    const value = message[name] ?? undefined;
    const converted = value === undefined ? undefined : Array.isArray(value) ? value.map(convert) : convert(value);
    const oneof = oneofOf(field);
    if (oneof === undefined) found[name] = converted;
    else if (value !== undefined) found[oneof] = { $case: name, value: converted };
  }
  return found;
}

const READ_AS = { longs: BigInt, defaults: true, arrays: true } as unknown as protobuf.IConversionOptions;

describe('The generated code', () => {
  for (const type of MESSAGES) {
    const codec = codecOf(type);

    it(`writes every ${type.name} so that protobufjs reads it as it was`, () => {
      fc.assert(
        fc.property(anyMessage(type), (message) => {
          const read = type.toObject(type.decode(codec.encode(message).finish()), READ_AS);
          expect(fromOracle(type, read)).to.deep.equal(message);
        }),
      );
    });

    it(`reads every ${type.name} that protobufjs writes as it was`, () => {
      fc.assert(
        fc.property(anyMessage(type), (message) => {
          const bytes = type.encode(type.fromObject(toOracle(type, message))).finish();
          expect(codec.decode(bytes)).to.deep.equal(message);
        }),
      );
    });
  }

  it('reads −0 from those who write it', () => {
    const type = DECLARED.lookupType('Output');
    const bytes = type.encode(type.fromObject({ toAddr: 'bob', value: -0, timestamp: 1 })).finish();
    expect(Object.is((codecOf(type).decode(bytes) as { value: number }).value, -0)).to.equal(true);
  });
});

describe('The schemas', () => {
  /** Everything that has a name: what it is called, and its comment. */
  const named: ReadonlyArray<readonly [string, string | null | undefined]> = DECLARED.nestedArray.flatMap(
    (declared) => {
      const own = [declared.name, declared.comment] as const;
      if (declared instanceof protobuf.Enum)
        return [own, ...Object.keys(declared.values).map((name) => [name, declared.comments[name]] as const)];
      const parts =
        declared instanceof protobuf.Service
          ? declared.methodsArray
          : declared instanceof protobuf.Type
            ? [...declared.fieldsArray, ...declared.oneofsArray.filter((oneof) => !isSynthetic(oneof))]
            : [];
      return [own, ...parts.map((part) => [`${declared.name}.${part.name}`, part.comment] as const)];
    },
  );

  it('say in a comment what each message, field, enum, value, service and call is', () => {
    const parts = ['Block', 'Block.nonce', 'GetBlockRequest.by', 'ChainCode', 'CHAIN_CODE_UNSPECIFIED'];
    const calls = ['ChainService', 'ChainService.WatchBlocks'];
    expect(named.map(([name]) => name)).to.include.members([...parts, ...calls]);
    expect(named.filter(([, comment]) => !comment?.trim()).map(([name]) => name)).to.deep.equal([]);
  });

  it('hold nothing but messages, enums and services', () => {
    for (const declared of DECLARED.nestedArray)
      expect(declared).to.satisfy((one: unknown) =>
        [protobuf.Type, protobuf.Enum, protobuf.Service].some((kind) => one instanceof kind),
      );
  });
});

describe('gen/descriptor.binpb', () => {
  // This file runs as dist/test/schema/oracle.test.js.
  const bytes = readFileSync(new URL('../../../gen/descriptor.binpb', import.meta.url));
  const set = fromBinary(FileDescriptorSetSchema, bytes);
  const registry = createFileRegistry(set);

  it('holds our schemas, and those of error details and health', () => {
    const files = set.file.map(({ name }) => name);
    expect(files).to.include.members([...FILES, 'google/rpc/error_details.proto', 'grpc/health/v1/health.proto']);
    for (const { name, dependency } of set.file) expect(files, `what ${name} imports`).to.include.members(dependency);
  });

  it('has the messages that the schemas declare, field by field', () => {
    for (const { name, fieldsArray } of MESSAGES) {
      const found = registry.getMessage(`hourcoin.v1.${name}`)?.fields.map((field) => `${field.number} ${field.name}`);
      expect(found, name).to.have.members(fieldsArray.map((field) => `${field.id} ${snake(field.name)}`));
    }
  });

  it('has the services that the schemas declare, call by call', () => {
    for (const { name, methodsArray } of SERVICES) {
      const found = registry.getService(`hourcoin.v1.${name}`)?.methods;
      expect(
        found?.map((method) => [method.name, method.input.name, method.output.name, method.methodKind]),
      ).to.deep.equal(
        methodsArray.map((method) => [
          method.name,
          method.resolvedRequestType?.name,
          method.resolvedResponseType?.name,
          method.responseStream ? 'server_streaming' : 'unary',
        ]),
      );
    }
  });

  it('has the values of the enums that the schemas declare', () => {
    for (const declared of DECLARED.nestedArray) {
      if (!(declared instanceof protobuf.Enum)) continue;
      const found = registry.getEnum(`hourcoin.v1.${declared.name}`)?.values;
      expect(Object.fromEntries(found?.map((value) => [value.name, value.number]) ?? [])).to.deep.equal({
        ...declared.values,
      });
    }
  });
});

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
