/** Hourcoin's public door: `import { ValidatorServer, MinerClient } from 'hourcoin'`. */

export type { AcceptedBlock, Block, Output, Transaction } from '../gen/hourcoin/v1/block.js';
export type {
  GetAddressResponse,
  GetMinerResponse,
  ListBlocksResponse,
  UnspentOutput,
} from '../gen/hourcoin/v1/chain_service.js';
export {
  ChainCode,
  type CheckLockoutResponse,
  type GetBlockchainInfoResponse,
  type RoundInfo,
  type SubmitBlockResponse,
  SubmitResult,
  Timescale,
} from '../gen/hourcoin/v1/validator_service.js';
export { ConnectionError } from './client/errors.js';
export { GrpcClient } from './client/grpc.js';
export { JsonTcpClient } from './client/json-tcp.js';
export { Fault, type FaultReason } from './engine/fault.js';
export type { MinerEvent, MinerObserver } from './miner/events.js';
export type { MiningOptions } from './miner/miner.js';
export { MinerClient, type MinerClientOptions, type Submitted } from './miner-client.js';
export type { Log } from './server/log.js';
export { DamageError, type StoredChain, StoreError } from './store/store.js';
export type { Observer, ValidatorEvent } from './validator/events.js';
export type { BlockName, CallOptions, ChainValidator, Page, Validator } from './validator/validator.js';
export { type Listening, StartError, type ValidatorOptions, ValidatorServer } from './validator-server.js';
export { type Address, parseAddress } from './wire/address.js';
