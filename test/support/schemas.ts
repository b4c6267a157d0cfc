/** The schemas in proto/, read by protobufjs: independent of the generated code. */

import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import * as archive from '../../gen/hourcoin/v1/archive.js';
import * as block from '../../gen/hourcoin/v1/block.js';
import * as chain from '../../gen/hourcoin/v1/chain_service.js';
import * as validator from '../../gen/hourcoin/v1/validator_service.js';

/** This file runs as dist/test/support/schemas.js. */
const PROTO = fileURLToPath(new URL('../../../proto/', import.meta.url));

/** Our own schemas' files. */
export const FILES = ['archive', 'block', 'chain_service', 'validator_service'].map(
  (name) => `hourcoin/v1/${name}.proto`,
);

const root = new protobuf.Root();
root.resolvePath = (_, target) => PROTO + target;
root.loadSync(FILES, { alternateCommentMode: true }).resolveAll();

/** Everything that our schemas declare. */
export const DECLARED = root.lookup('hourcoin.v1') as protobuf.Namespace;

/** Our messages. */
export const MESSAGES = DECLARED.nestedArray.filter((declared) => declared instanceof protobuf.Type);

/** Our services. */
export const SERVICES = DECLARED.nestedArray.filter((declared) => declared instanceof protobuf.Service);

/** The messages that our calls take. */
export const REQUESTS = SERVICES.flatMap(({ methodsArray }) =>
  methodsArray.map(({ resolvedRequestType }) => resolvedRequestType as protobuf.Type),
);

/** What the walker must know of a message: its strings and messages. */
export function shapeOf(type: protobuf.Type): object {
  return Object.fromEntries(
    type.fieldsArray.flatMap(({ id, type: kind, resolvedType }): [number, object | string][] => {
      if (kind === 'string') return [[id, 'text']];
      return resolvedType !== null && 'fieldsArray' in resolvedType ? [[id, shapeOf(resolvedType)]] : [];
    }),
  );
}

/** A generated reader and writer of a message. */
export interface Codec {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

/** The generated code of a message. */
export function codecOf({ name }: protobuf.Type): Codec {
  const codec = ({ ...archive, ...block, ...chain, ...validator } as Record<string, unknown>)[name];
  if (codec === undefined) throw new Error(`gen/ holds no ${name}: run npm run gen`);
  return codec as Codec;
}
