/** Reflection, in its version v1 and the one before: tools need no schema of ours. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { expect } from 'chai';
import protobuf from 'protobufjs';
import { formatAddress } from '../../src/wire/address.js';
import { cleanup } from '../support/cleanup.js';
import { RawGrpc } from '../support/grpc.js';
import { memoryNode, type TestNode } from '../support/nodes.js';
import { type Served, serveGrpc } from '../support/servers.js';

const SERVICES = ['grpc.health.v1.Health', 'hourcoin.v1.ChainService', 'hourcoin.v1.ValidatorService'];

/** This file runs as dist/test/server/grpc-reflection.test.js. */
const BUF = fileURLToPath(new URL('../../../node_modules/.bin/buf', import.meta.url));

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Request { string host = 1; string file_containing_symbol = 4; string list_services = 7; }
  message Response { Files files = 4; Services services = 6; Error error = 7; }
  message Files { repeated bytes file = 1; }
  message Services { repeated Service service = 1; }
  message Service { string name = 1; }
  message Error { int32 code = 1; string message = 2; }
`);

interface Reflected {
  readonly files?: { readonly file: readonly Uint8Array[] };
  readonly services?: { readonly service: readonly { readonly name: string }[] };
  readonly error?: { readonly code: number };
}

describe('gRPC reflection', () => {
  const atEnd = cleanup();
  let test: TestNode;
  let served: Served;
  let grpc: RawGrpc;

  beforeEach(async () => {
    test = await memoryNode();
    atEnd(() => test.node.stop());
    served = await serveGrpc(test.node);
    atEnd(served.close);
    grpc = new RawGrpc(served.address);
    atEnd(() => grpc.close());
  });

  for (const version of ['v1', 'v1alpha']) {
    describe(version, () => {
      async function reflect(request: object): Promise<Reflected> {
        const bytes = root.lookupType('Request').encode(request).finish();
        const answer = await grpc.exchange(`grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, bytes);
        const type = root.lookupType('Response');
        return type.toObject(type.decode(answer)) as Reflected;
      }

      async function fileOf(symbol: string): Promise<FileDescriptorProto | undefined> {
        const [file] = (await reflect({ fileContainingSymbol: symbol })).files?.file ?? [];
        return file && fromBinary(FileDescriptorProtoSchema, file);
      }

      it('lists the services', async () => {
        const names = (await reflect({ listServices: '*' })).services?.service.map(({ name }) => name);
        expect(names?.sort()).to.deep.equal(SERVICES);
      });

      for (const [symbol, file] of [
        ['hourcoin.v1.Block', 'hourcoin/v1/block.proto'],
        ['hourcoin.v1.SubmitResult', 'hourcoin/v1/validator_service.proto'],
        ['hourcoin.v1.ChainService', 'hourcoin/v1/chain_service.proto'],
        ['hourcoin.v1.ChainService.GetBlock', 'hourcoin/v1/chain_service.proto'],
        ['grpc.health.v1.Health', 'grpc/health/v1/health.proto'],
        ['google.rpc.BadRequest', 'google/rpc/error_details.proto'],
        ['google.rpc.BadRequest.FieldViolation', 'google/rpc/error_details.proto'],
        ['google.rpc.Status', 'google/rpc/status.proto'],
      ] as const) {
        it(`describes ${symbol}`, async () => {
          expect((await fileOf(symbol))?.name).to.equal(file);
        });
      }

      it('knows no other symbol', async () => {
        expect((await reflect({ fileContainingSymbol: 'hourcoin.v1.Nothing' })).error?.code).to.equal(5);
      });
    });
  }

  it('serves buf curl: it lists the methods, and calls one', async function () {
    this.slow(2_000);
    const buf = async (...args: string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)(BUF, [
        'curl',
        '--http2-prior-knowledge',
        '--protocol',
        'grpc',
        ...args,
      ]);
      return stdout;
    };
    const url = `http://${formatAddress(served.address)}`;
    expect((await buf('--list-methods', url)).split('\n')).to.include.members([
      'hourcoin.v1.ValidatorService/SubmitBlock',
      'hourcoin.v1.ChainService/WatchBlocks',
      'grpc.health.v1.Health/Check',
    ]);
    for (const reflection of ['grpc-v1', 'grpc-v1alpha']) {
      const call = ['--reflect-protocol', reflection, '-d', '{"minerId":"alice"}'];
      const answer = JSON.parse(await buf(...call, `${url}/hourcoin.v1.ValidatorService/GetRoundInfo`));
      expect(answer.roundInfo).to.deep.include({ tonce: 15, roundStart: '1762800000000', timescale: 'TIMESCALE_TAI' });
    }
  });
});
