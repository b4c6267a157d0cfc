/**
 * Hourcoin is a blockchain paced by time. This is its library: a validator to run, a miner, and clients for both protocols.
 *
 * | what you want | where it is |
 * | --- | --- |
 * | run a validator | {@link ValidatorServer} |
 * | mine | {@link MinerClient} |
 * | ask a validator, over either protocol | {@link connectTo}, a {@link Validator} |
 * | read the chain, watch blocks and rounds | {@link connectToGrpc}, a {@link GrpcClient} |
 * | know the right time | {@link TimeSync} |
 *
 * Addresses are `host:port` for JSON/TCP and `grpc://host:port` for gRPC; over TLS `tls://host:port` and `grpcs://host:port`, with {@link Credentials}.
 *
 * Counts, times and whatever else may need 64 bits are `bigint`. Times are milliseconds since the Unix epoch on the validator's timescale, which
 * {@link RoundInfo} names. Hashes are `Buffer`s of 32 bytes.
 *
 * A rejected block is an answer. What keeps a call from being answered is thrown: a {@link Fault} by the validator, a {@link ConnectionError} by the client.
 * Both have a `reason` to match on, which is stable; messages are for people. Wrong arguments are a TypeError or a RangeError.
 *
 * @example
 * ```ts
 * import { connectToGrpc, MinerClient, ValidatorServer } from 'hourcoin';
 *
 * const server = new ValidatorServer({ address: '127.0.0.1:8080', grpc: '127.0.0.1:50051', data: './chain' });
 * await server.start();
 *
 * const miner = new MinerClient({ minerId: 'alice', validator: '127.0.0.1:8080' });
 * const { message, block } = await miner.mineAndSubmit({ rewardAddress: 'alice_rewards' });
 * console.log(message, block.hash.toString('hex'));
 * miner.close();
 *
 * const validator = connectToGrpc('grpc://127.0.0.1:50051');
 * for await (const { block } of validator.watchBlocks(0)) {
 *   console.log(`#${block?.index}: ${block?.hash.toString('hex')}`);
 *   break;
 * }
 * validator.close();
 * await server.stop();
 * ```
 *
 * @packageDocumentation
 */

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
export { connectTo, connectToGrpc } from './client/connect.js';
export type { Credentials } from './client/credentials.js';
export { type ClientError, ConnectionError, type ConnectionReason } from './client/errors.js';
export { GrpcClient } from './client/grpc.js';
export { JsonTcpClient } from './client/json-tcp.js';
export type { Watch } from './client/watch.js';
export { StartError } from './doors.js';
export { Fault, type FaultReason } from './engine/fault.js';
export type { ChainParameters } from './engine/state.js';
export type { MinerEvent, MinerObserver } from './miner/events.js';
export type { MiningOptions } from './miner/miner.js';
export { MinerClient, type MinerClientOptions, NoBlockError, type Submitted } from './miner-client.js';
export type { TimeOptions } from './outside-time.js';
export type { Auth } from './server/admission.js';
export type { TlsFiles } from './server/certificates.js';
export type { Log } from './server/log.js';
export type { EndedRequest, RequestObserver } from './server/meter.js';
export { DamageError, type StoredChain, StoreError } from './store/store.js';
export { type TimeSourceStatus, type TimeStatus, TimeSync, type TimeSyncOptions } from './time/time-sync.js';
export type { Observer, ValidatorEvent } from './validator/events.js';
export type {
  BlockName,
  CallOptions,
  ChainValidator,
  Page,
  SubmitOptions,
  Validator,
  WatchOptions,
} from './validator/validator.js';
export { type Listening, type ValidatorOptions, ValidatorServer } from './validator-server.js';
export { type Address, type Endpoint, parseAddress, parseEndpoint } from './wire/address.js';
