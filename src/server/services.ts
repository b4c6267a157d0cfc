/** The two gRPC services: what each method asks the validator, and how it writes the answer. */

import type { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { AcceptedBlock } from '../../gen/hourcoin/v1/block.js';
import * as chain from '../../gen/hourcoin/v1/chain_service.js';
import * as service from '../../gen/hourcoin/v1/validator_service.js';
import type { ChainValidator } from '../validator/validator.js';
import { once } from '../wire/once.js';
import * as read from '../wire/protobuf.js';
import type { Call, Method } from './calls.js';

/** ValidatorService. Only a block is given up with its call: whether a read is still waited for costs more to know than to answer it. */
export function validatorService(validator: ChainValidator): Method[] {
  const { fullName, methods } = service.ValidatorServiceDefinition;
  return [
    method(
      fullName,
      methods.getRoundInfo,
      (request, call) => {
        const minerId = read.getRoundInfoFromProto(request);
        call.admit(minerId);
        return validator.getRoundInfo(minerId);
      },
      once((roundInfo) => bytes(service.GetRoundInfoResponse.encode({ roundInfo }))),
    ),
    method(
      fullName,
      methods.submitBlock,
      (request, call) => {
        const { minerId, block } = read.submitBlockFromProto(request);
        const network = call.admit(minerId, true);
        return validator.submitBlock(minerId, block, { signal: call.signal, network });
      },
      (verdict) => bytes(service.SubmitBlockResponse.encode(verdict)),
    ),
    method(
      fullName,
      methods.checkLockout,
      (request, call) => {
        const minerId = read.checkLockoutFromProto(request);
        call.admit(minerId);
        return validator.checkLockout(minerId);
      },
      (status) => bytes(service.CheckLockoutResponse.encode(status)),
    ),
    method(
      fullName,
      methods.getBlockchainInfo,
      (request, call) => {
        read.getBlockchainInfoFromProto(request);
        call.admit();
        return validator.getBlockchainInfo();
      },
      once((info) => bytes(service.GetBlockchainInfoResponse.encode(info))),
    ),
    method(
      fullName,
      methods.watchRounds,
      (request, call) => {
        const minerId = read.watchRoundsFromProto(request);
        call.admit(minerId);
        return validator.watchRounds(minerId, { signal: call.signal });
      },
      once((roundInfo) => bytes(service.WatchRoundsResponse.encode({ roundInfo }))),
    ),
  ];
}

/** ChainService. */
export function chainService(validator: ChainValidator): Method[] {
  const { fullName, methods } = chain.ChainServiceDefinition;
  return [
    heavy(
      method(
        fullName,
        methods.getBlock,
        (request, call) => {
          const name = read.getBlockFromProto(request);
          call.admit();
          return validator.getBlock(name);
        },
        (block) => bytes(chain.GetBlockResponse.encode({ block })),
      ),
    ),
    heavy(
      method(
        fullName,
        methods.listBlocks,
        (request, call) => {
          const { fromIndex, ...page } = read.listBlocksFromProto(request);
          call.admit();
          return validator.listBlocks(fromIndex, page);
        },
        (page) => bytes(chain.ListBlocksResponse.encode(page)),
      ),
    ),
    heavy(
      method(
        fullName,
        methods.watchBlocks,
        (request, call) => {
          const fromIndex = read.watchBlocksFromProto(request);
          call.admit();
          return validator.watchBlocks(fromIndex, { signal: call.signal });
        },
        once((block: AcceptedBlock) => bytes(chain.WatchBlocksResponse.encode({ block }))),
      ),
    ),
    heavy(
      method(
        fullName,
        methods.getAddress,
        (request, call) => {
          const { address, ...page } = read.getAddressFromProto(request);
          call.admit();
          return validator.getAddress(address, page);
        },
        (page) => bytes(chain.GetAddressResponse.encode(page)),
      ),
    ),
    method(
      fullName,
      methods.getMiner,
      (request, call) => {
        const minerId = read.getMinerFromProto(request);
        call.admit();
        return validator.getMiner(minerId);
      },
      (miner) => bytes(chain.GetMinerResponse.encode(miner)),
    ),
  ];
}

/** What shows blocks or outputs. */
function heavy(method: Method): Method {
  return { ...method, isHeavy: true };
}

/** A method whose request is taken as bytes: wire/protobuf.ts reads them, strictly, and a fault there gets its details. */
function method<Answer>(
  service: string,
  definition: { readonly name: string; readonly requestStream: false; readonly responseStream: boolean },
  answer: (request: Buffer, call: Call) => Promise<Answer> | AsyncIterable<Answer>,
  write: (answer: Answer) => Buffer,
): Method<Buffer, Answer> {
  const { name, requestStream, responseStream } = definition;
  return { path: `/${service}/${name}`, requestStream, responseStream, read: (bytes) => bytes, answer, write };
}

function bytes(writer: BinaryWriter): Buffer {
  const { buffer, byteOffset, length } = writer.finish();
  return Buffer.from(buffer, byteOffset, length);
}
