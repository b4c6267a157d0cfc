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
  /** How deep an ignored JSON value may nest (spec, section 2). */
  jsonDepth: 256,
  /** What a gRPC client takes by default: every answer of ours must fit. */
  answerBytes: 4 * 1_048_576,

  // A JSON/TCP connection.
  /** Requests of one connection that wait for their answers; further ones are not read. */
  pipelinedRequests: 64,
  /** Requests of one connection, or bytes of them, that are looked at before other connections have their turn. */
  turnRequests: 32,
  turnBytes: 65_536,
  /** Answers that a client has not read; while there are more, its requests are not read. */
  unreadAnswerBytes: 65_536,
  /** How long we read and throw away what follows a frame that is too long. */
  drainMs: 1_000,
  /** How long a frame may take from its first byte to its last. */
  frameMs: 30_000,
  /** How long a connection may be silent between frames. */
  idleMs: 600_000,

  // A validator.
  /** On each protocol. */
  connections: 10_000,
  /** Frames that are not complete yet, over all JSON/TCP connections. */
  unfinishedFrameBytes: 64 * 1_048_576,
  streamsPerConnection: 100,
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
  pageSize: 1_000,
  defaultPageSize: 100,
  /** A page of blocks ends once it is this long. */
  pageBytes: 1_048_576,
} as const;

// A block that fits a message fits an answer too: protobuf needs at most 16 bytes more than JSON for an output, and a page may
// run over by one block.
const largestBlock = LIMITS.messageBytes + 16 * (LIMITS.inputs + LIMITS.outputs) + 4 * LIMITS.transactions + 1_024;
if (LIMITS.pageBytes + largestBlock > LIMITS.answerBytes) throw new Error('limits: a page may not fit an answer');
if (LIMITS.inputs + LIMITS.outputs > LIMITS.queuedOutputs) throw new Error('limits: the largest block cannot wait');
if (LIMITS.batchInputs > LIMITS.queuedInputs) throw new Error('limits: a batch is larger than the queue');
