/**
 * Every bound of Hourcoin, in one place: what a block may hold, what a peer may send, what the validator keeps in memory.
 * docs/operations.md explains them. Sizes are bytes and times are milliseconds of real time unless a comment says otherwise.
 */
export const LIMITS = {
  // A block (spec, section 8, "Limits").
  transactions: 1_000,
  inputs: 10_000,
  outputs: 10_000,
  addressBytes: 256,
  minerIdBytes: 256,

  // A message, on every wire (spec, section 1). JSON of exactly this length is taken.
  messageBytes: 1_048_576,
  /** Fields of a protobuf message, with those of the messages in it. */
  messageFields: 100_000,
  /** How deep an ignored JSON value may nest (spec, section 2). */
  jsonDepth: 256,
  /** What a gRPC client takes by default: every answer of ours must fit. */
  answerBytes: 4 * 1_048_576,

  // A JSON/TCP connection.
  /** Requests of one connection, or bytes of them, that are looked at before other connections have their turn. */
  turnRequests: 32,
  turnBytes: 65_536,
  /** How long we read and throw away what follows a frame that is too long. */
  drainMs: 1_000,

  // A validator.
  /** Frames that are not complete yet, over all JSON/TCP connections. */
  unfinishedFrameBytes: 64 * 1_048_576,
  /** Answers that clients have not read, over all gRPC connections; beyond that whoever has read least is cut off. */
  unreadAnswerBytes: 128 * 1_048_576,
  /** Open WatchRounds and WatchBlocks streams over all connections. */
  watchers: 10_000,
  /** gRPC requests that have not arrived whole; beyond that the oldest are ended. */
  unfinishedRequests: 64,
  /** Inputs that wait to be judged; more are answered "overloaded". */
  queuedInputs: 10_000,
  /** Inputs and outputs of the blocks among them, which is what takes memory. */
  queuedOutputs: 500_000,
  /** Inputs that are judged and made durable together. */
  batchInputs: 512,
  /** Inputs and outputs of submitted blocks that are judged and made durable together: a batch ends once there are more. */
  batchOutputs: 20_000,
  /** Miners whose attempt in the round in force is remembered; more are answered "overloaded". */
  attempts: 200_000,
  /** Miner ids and blocks of an hour that are remembered by where they came from; beyond that whoever has been quiet is forgotten first. */
  visits: 200_000,
  /** Open gRPC streams of an address, over all of its connections. */
  streamsPerIp: 1_000,
  pageSize: 1_000,
  defaultPageSize: 100,
  /** A page of blocks ends once it is this long. */
  pageBytes: 1_048_576,
} as const;

// A block that fits a message fits an answer too: protobuf needs at most 16 bytes more than JSON for an output, and a page may
// run over by one block.
const largestBlock = LIMITS.messageBytes + 16 * (LIMITS.inputs + LIMITS.outputs) + 4 * LIMITS.transactions + 1_024;
if (LIMITS.pageBytes + largestBlock > LIMITS.answerBytes) throw new Error('limits: a page may not fit an answer');
if (4 * (LIMITS.inputs + LIMITS.outputs) + LIMITS.transactions + 8 > LIMITS.messageFields)
  throw new Error('limits: the largest block has more fields than a message may');
if (LIMITS.inputs + LIMITS.outputs > LIMITS.queuedOutputs) throw new Error('limits: the largest block cannot wait');
if (LIMITS.batchInputs > LIMITS.queuedInputs) throw new Error('limits: a batch is larger than the queue');
if (2 * LIMITS.streamsPerIp > LIMITS.watchers) throw new Error('limits: one address can keep all others from watching');

/** A limit that an operator may set. */
export interface OperatorLimit {
  readonly default: number;
  readonly least: number;
  readonly most: number;
  /** What is bounded, and in what it is counted, as `--help` has it. */
  readonly bounds: string;
}

const A_DAY_MS = 86_400_000;

/**
 * The limits that an operator may set: `maxConnections` is `--max-connections`. "An address" is an IPv4 address, or the 64 bits of an IPv6 one that
 * one household has; clients on this machine are not counted by address or miner id unless it is asked for. docs/operations.md says why each is as it is.
 */
export const OPERATOR_LIMITS = {
  maxConnections: limit(10_000, 1, 1_000_000, 'connections in all'),
  maxConnectionsPerIp: limit(256, 1, 1_000_000, 'connections from an address'),
  handshakeTimeout: limit(10_000, 100, A_DAY_MS, 'ms for a TLS handshake or PROXY protocol header'),
  frameTimeout: limit(30_000, 100, A_DAY_MS, 'ms for a request, from its first byte to its last'),
  idleTimeout: limit(600_000, 100, A_DAY_MS, 'ms for which a connection may be silent'),
  maxRequestsPerIp: limit(500, 1, 1_000_000, 'requests a second from an address'),
  maxRequestsPerMiner: limit(20, 1, 1_000_000, 'requests a second in the name of a miner id'),
  maxBlocksPerIp: limit(16, 1, 1_000_000, 'accepted blocks within an hour from an address'),
  maxMinersPerIp: limit(64, 1, 1_000_000, 'miner ids that submit within an hour from an address'),
  maxStreams: limit(100, 1, 100_000, 'open calls of a gRPC connection'),
  maxInFlight: limit(64, 1, 10_000, 'requests of a JSON/TCP connection that wait for their answers'),
  maxUnread: limit(65_536, 1_024, 1_073_741_824, 'bytes of answers that a connection has not read'),
  maxMemory: limit(1_024, 64, 1_048_576, 'MiB in use, above which no new connections are taken'),
} as const satisfies Readonly<Record<string, OperatorLimit>>;

/** What an operator has set, and the defaults of the others. */
export type OperatorLimits = Readonly<Record<keyof typeof OPERATOR_LIMITS, number>>;

/** The defaults of all of them. */
export const DEFAULT_OPERATOR_LIMITS = Object.fromEntries(
  Object.entries(OPERATOR_LIMITS).map(([name, limit]) => [name, limit.default]),
) as OperatorLimits;

function limit(byDefault: number, least: number, most: number, bounds: string): OperatorLimit {
  return { default: byDefault, least, most, bounds };
}
