/** Requests of the JSON protocol (spec, section 2): read by the server, written by the client. */

import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { MAX_U32, MAX_U64, MAX_U128 } from '../engine/bytes.js';
import { Fault } from '../engine/fault.js';
import { hexFault } from './hex.js';
import { JsonError, type JsonReader, readJson } from './json.js';
import { doubleToJson } from './numbers.js';

/** A request, by the name of its call. */
export type Request =
  | { readonly call: 'GetRoundInfo'; readonly minerId: string }
  | { readonly call: 'CheckLockout'; readonly minerId: string }
  | { readonly call: 'SubmitBlock'; readonly minerId: string; readonly block: Block }
  | { readonly call: 'GetBlockchainInfo' };

const BLOCK = ['index', 'timestamp', 'hash', 'prev_block_hash', 'nonce', 'transactions'];
const TRANSACTION = ['inputs', 'outputs'];
const OUTPUT = ['to_addr', 'value', 'timestamp'];

/** Reads a request. Throws a Fault of reason MALFORMED whose message is what an `Error` answer says. */
export function requestFromJson(bytes: Buffer): Request {
  try {
    return readJson(bytes, readRequest);
  } catch (error) {
    if (error instanceof JsonError) throw new Fault('MALFORMED', `Invalid request: ${error.message}`);
    throw error;
  }
}

function readRequest(json: JsonReader): Request {
  // A block's hex is decoded once the whole text has been read: what is not JSON is told first.
  const read = json.tagged((tag, hasValue): (() => Request) => {
    switch (tag) {
      case 'GetBlockchainInfo':
        if (hasValue && !json.null()) throw new JsonError('GetBlockchainInfo has no value');
        return () => ({ call: tag });
      case 'GetRoundInfo':
      case 'CheckLockout': {
        if (!hasValue) throw new JsonError(`${tag} needs a miner_id`);
        const minerId = readMinerId(json);
        return () => ({ call: tag, minerId });
      }
      case 'SubmitBlock':
        if (!hasValue) throw new JsonError('SubmitBlock needs a miner_id and a block');
        return readSubmission(json);
      default:
        throw new JsonError('unknown request: expected GetRoundInfo, SubmitBlock, CheckLockout or GetBlockchainInfo');
    }
  });
  json.end();
  return read();
}

function readMinerId(json: JsonReader): string {
  let minerId = '';
  json.struct(['miner_id'], () => {
    minerId = json.string();
  });
  return minerId;
}

function readSubmission(json: JsonReader): () => Request {
  let minerId = '';
  let block = (): Block => {
    throw new JsonError('member block is missing');
  };
  json.struct(['miner_id', 'block'], (member) => {
    if (member === 0) minerId = json.string();
    else block = readBlock(json);
  });
  return () => ({ call: 'SubmitBlock', minerId, block: block() });
}

/** Reads a block; what is returned decodes its hex, and throws a Fault where it is none. */
function readBlock(json: JsonReader): () => Block {
  let index = 0;
  let timestamp = 0n;
  let hash = '';
  let prevBlockHash = '';
  let nonce = 0n;
  let transactions: Transaction[] = [];
  json.struct(BLOCK, (member) => {
    if (member === 0) index = json.smallInteger(MAX_U32);
    else if (member === 1) timestamp = json.integer(MAX_U128);
    else if (member === 2) hash = json.string();
    else if (member === 3) prevBlockHash = json.string();
    else if (member === 4) nonce = json.integer(MAX_U64);
    else transactions = json.array(() => readTransaction(json));
  });
  return () => ({
    index,
    timestamp,
    hash: hexBytes(hash, 'hash'),
    prevBlockHash: hexBytes(prevBlockHash, 'prev_block_hash'),
    nonce,
    transactions,
  });
}

function readTransaction(json: JsonReader): Transaction {
  let inputs: Output[] = [];
  let outputs: Output[] = [];
  json.struct(TRANSACTION, (member) => {
    const read = json.array(() => readOutput(json));
    if (member === 0) inputs = read;
    else outputs = read;
  });
  return { inputs, outputs };
}

function readOutput(json: JsonReader): Output {
  let toAddr = '';
  let value = 0;
  let timestamp = 0n;
  json.struct(OUTPUT, (member) => {
    if (member === 0) toAddr = json.string();
    else if (member === 1) value = json.double();
    else timestamp = json.integer(MAX_U128);
  });
  return { toAddr, value, timestamp };
}

function hexBytes(text: string, name: string): Buffer {
  const fault = hexFault(text);
  if (fault !== undefined)
    throw new Fault('MALFORMED', `Invalid block data: Invalid ${name} hex: ${fault}`, `block.${name}`);
  return Buffer.from(text, 'hex');
}

/** Writes a request. */
export function requestToJson(request: Request): string {
  if (request.call === 'GetBlockchainInfo') return '"GetBlockchainInfo"';
  const minerId = JSON.stringify(request.minerId);
  if (request.call !== 'SubmitBlock') return `{"${request.call}":{"miner_id":${minerId}}}`;
  return `{"SubmitBlock":{"miner_id":${minerId},"block":${blockToJson(request.block)}}}`;
}

/** Writes a block. */
export function blockToJson(block: Block): string {
  return (
    `{"index":${block.index},"timestamp":${block.timestamp},"hash":"${block.hash.toString('hex')}",` +
    `"prev_block_hash":"${block.prevBlockHash.toString('hex')}","nonce":${block.nonce},` +
    `"transactions":[${block.transactions.map(transactionToJson).join()}]}`
  );
}

function transactionToJson({ inputs, outputs }: Transaction): string {
  return `{"inputs":[${inputs.map(outputToJson).join()}],"outputs":[${outputs.map(outputToJson).join()}]}`;
}

function outputToJson({ toAddr, value, timestamp }: Output): string {
  return `{"to_addr":${JSON.stringify(toAddr)},"value":${doubleToJson(value)},"timestamp":${timestamp}}`;
}
