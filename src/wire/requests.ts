/** Requests of the JSON protocol (spec, section 2): read by the server, written by the client. */

import type { Block, Output, Transaction } from '../../gen/hourcoin/v1/block.js';
import { MAX_U32, MAX_U64, MAX_U128 } from '../engine/bytes.js';
import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import { hexFault } from './hex.js';
import { JsonError, type JsonReader, readJson } from './json.js';
import { doubleToJson } from './numbers.js';

/** A request, by the name of its call. */
export type Request =
  | (Named & { readonly call: 'GetRoundInfo' })
  | (Named & { readonly call: 'CheckLockout' })
  | (Named & { readonly call: 'SubmitBlock'; readonly block: Block })
  | { readonly call: 'GetBlockchainInfo' };

/** In whose name it is asked. */
interface Named {
  readonly minerId: string;
  /** The token of the miner id's key, where the client shows it: a further member, which deployed programs neither send nor mind. */
  readonly apiKey?: string | undefined;
}

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
        const named = readNamed(json);
        return () => ({ call: tag, ...named });
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

const OPTIONAL = ['api_key'];

function readNamed(json: JsonReader): Named {
  let minerId = '';
  let apiKey: string | undefined;
  json.struct(
    ['miner_id', 'api_key'],
    (member) => {
      if (member === 0) minerId = json.keptString();
      else apiKey = readApiKey(json);
    },
    OPTIONAL,
    1,
  );
  return named(minerId, apiKey);
}

/** null is none. */
function readApiKey(json: JsonReader): string | undefined {
  return json.null() ? undefined : json.string();
}

function named(minerId: string, apiKey: string | undefined): Named {
  return apiKey === undefined ? { minerId } : { minerId, apiKey };
}

function readSubmission(json: JsonReader): () => Request {
  let minerId = '';
  let block = (): Block => {
    throw new JsonError('member block is missing');
  };
  let apiKey: string | undefined;
  json.struct(
    ['miner_id', 'block', 'api_key'],
    (member) => {
      if (member === 0) minerId = json.keptString();
      else if (member === 1) block = readBlock(json);
      else apiKey = readApiKey(json);
    },
    OPTIONAL,
    2,
  );
  return () => ({ call: 'SubmitBlock', block: block(), ...named(minerId, apiKey) });
}

/** Reads a block; what is returned decodes its hex, and throws a Fault where it is none. */
function readBlock(json: JsonReader): () => Block {
  let index = 0;
  let timestamp = 0n;
  let hash = '';
  let prevBlockHash = '';
  let nonce = 0n;
  let transactions: Transaction[] = [];
  // One more than there may be shows that there are too many: the others are not worth building.
  const wanted = { inputs: LIMITS.inputs + 1, outputs: LIMITS.outputs + 1 };
  json.struct(BLOCK, (member) => {
    if (member === 0) index = json.smallInteger(MAX_U32);
    else if (member === 1) timestamp = json.integer(MAX_U128);
    else if (member === 2) hash = json.string();
    else if (member === 3) prevBlockHash = json.string();
    else if (member === 4) nonce = json.integer(MAX_U64);
    else transactions = json.array(() => readTransaction(json, wanted), LIMITS.transactions + 1);
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

/** Reads a transaction with as many inputs and outputs as are wanted, which become fewer. */
function readTransaction(json: JsonReader, wanted: { inputs: number; outputs: number }): Transaction {
  let inputs: Output[] = [];
  let outputs: Output[] = [];
  json.struct(TRANSACTION, (member) => {
    if (member === 0) {
      inputs = json.array(() => readOutput(json), wanted.inputs);
      wanted.inputs -= inputs.length;
    } else {
      outputs = json.array(() => readOutput(json), wanted.outputs);
      wanted.outputs -= outputs.length;
    }
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
  let members = `"miner_id":${JSON.stringify(request.minerId)}`;
  if (request.apiKey !== undefined) members += `,"api_key":${JSON.stringify(request.apiKey)}`;
  if (request.call === 'SubmitBlock') members += `,"block":${blockToJson(request.block)}`;
  return `{"${request.call}":{${members}}}`;
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
