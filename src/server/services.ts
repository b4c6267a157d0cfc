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
      (request) => validator.getRoundInfo(read.getRoundInfoFromProto(request)),
      once((roundInfo) => bytes(service.GetRoundInfoResponse.encode({ roundInfo }))),
    ),
    method(
      fullName,
      methods.submitBlock,
      (request, { signal }) => {
        const { minerId, block } = read.submitBlockFromProto(request);
        return validator.submitBlock(minerId, block, { signal });
      },
      (verdict) => bytes(service.SubmitBlockResponse.encode(verdict)),
    ),
    method(
      fullName,
      methods.checkLockout,
      (request) => validator.checkLockout(read.checkLockoutFromProto(request)),
      (status) => bytes(service.CheckLockoutResponse.encode(status)),
    ),
    method(
      fullName,
      methods.getBlockchainInfo,
      (request) => {
        read.getBlockchainInfoFromProto(request);
        return validator.getBlockchainInfo();
      },
      once((info) => bytes(service.GetBlockchainInfoResponse.encode(info))),
    ),
    method(
      fullName,
      methods.watchRounds,
      (request, { signal }) => validator.watchRounds(read.watchRoundsFromProto(request), { signal }),
      once((roundInfo) => bytes(service.WatchRoundsResponse.encode({ roundInfo }))),
    ),
  ];
}

/** ChainService. */
export function chainService(validator: ChainValidator): Method[] {
  const { fullName, methods } = chain.ChainServiceDefinition;
  return [
    method(
      fullName,
      methods.getBlock,
      (request) => validator.getBlock(read.getBlockFromProto(request)),
      (block) => bytes(chain.GetBlockResponse.encode({ block })),
    ),
    method(
      fullName,
      methods.listBlocks,
      (request) => {
        const { fromIndex, ...page } = read.listBlocksFromProto(request);
        return validator.listBlocks(fromIndex, page);
      },
      (page) => bytes(chain.ListBlocksResponse.encode(page)),
    ),
    method(
      fullName,
      methods.watchBlocks,
      (request, { signal }) => validator.watchBlocks(read.watchBlocksFromProto(request), { signal }),
      once((block: AcceptedBlock) => bytes(chain.WatchBlocksResponse.encode({ block }))),
    ),
    method(
      fullName,
      methods.getAddress,
      (request) => {
        const { address, ...page } = read.getAddressFromProto(request);
        return validator.getAddress(address, page);
      },
      (page) => bytes(chain.GetAddressResponse.encode(page)),
    ),
    method(
      fullName,
      methods.getMiner,
      (request) => validator.getMiner(read.getMinerFromProto(request)),
      (miner) => bytes(chain.GetMinerResponse.encode(miner)),
    ),
  ];
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
