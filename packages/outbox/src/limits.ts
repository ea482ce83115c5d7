/** The largest content of a message, in bytes: with its envelope it fits into one call. */
export const CONTENT_BYTES_MAX = 3 * 1024 * 1024;

/** Every limit of an outbox. */
export interface OutboxLimits {
  /** Rows held in memory; beyond it nothing is fetched until some are delivered. Default 50 000. */
  readonly rowsMax: number;
  /** Rows in one fetch. Default 5 000. */
  readonly fetchMax: number;
  /** Messages in one call. Default 200. */
  readonly batchMax: number;
  /** Bytes of content in one call, unless its first message has more; far below what a call may carry. Default 1 MiB. */
  readonly batchBytesMax: number;
  /** Messages of one stream in one call. Default 50. */
  readonly streamBatchMax: number;
  /** Calls to one destination at once. Default 4. */
  readonly callsMax: number;
  /** Rows of one stream in memory, beyond which it is delivered beside the others once memory is full. Default 2 000. */
  readonly deepMin: number;
  /** How often is looked for rows that nobody told of, in milliseconds, while notifications work. Default 250. */
  readonly pollMs: number;
  /** The same while notifications do not work. Default 10. */
  readonly pollWithoutNotifyMs: number;
  /** What a call gives to all its messages before it answers without some, in milliseconds. Default 100. */
  readonly budgetMs: number;
  /** The same for a message that is sent alone because it failed or was slow. Default 2 000. */
  readonly budgetAloneMs: number;
  /** The pause after a first failure, in milliseconds; doubles with each. Default 200. */
  readonly backoffMs: number;
  /** The longest such pause. Default 120 000. */
  readonly backoffMaxMs: number;
  /** The longest pause before a silo that is away is tried again. Default 2 000. */
  readonly awayMaxMs: number;
  /** After which a process that died has lost its lease, in milliseconds. Default 5 000. */
  readonly leaseMs: number;
  /** Rows that may wait for one silo before those who ask are told that it is too much. Default 2 000 000. */
  readonly depthMax: number;
  /** How often they are counted, in milliseconds; more seldom when that takes long. Default 5 000. */
  readonly depthMs: number;
  /** How often gauges are set and the owner says how it is, in milliseconds. Default 5 000. */
  readonly reportMs: number;
  /** Messages that a backfill writes in a second, where an operator has said nothing else. Default 2 000. */
  readonly backfillMessagesPerSecond: number;
  /** Messages of a category that are not delivered, beyond which its backfill waits: what changes meanwhile waits behind them. Default 1 000. */
  readonly backfillDepthMax: number;
}

/** The defaults of {@link OutboxLimits}. */
export const DEFAULT_OUTBOX_LIMITS: OutboxLimits = {
  rowsMax: 50_000,
  fetchMax: 5_000,
  batchMax: 200,
  batchBytesMax: 1_048_576,
  streamBatchMax: 50,
  callsMax: 4,
  deepMin: 2_000,
  pollMs: 250,
  pollWithoutNotifyMs: 10,
  budgetMs: 100,
  budgetAloneMs: 2_000,
  backoffMs: 200,
  backoffMaxMs: 120_000,
  awayMaxMs: 2_000,
  leaseMs: 5_000,
  depthMax: 2_000_000,
  depthMs: 5_000,
  reportMs: 5_000,
  backfillMessagesPerSecond: 2_000,
  backfillDepthMax: 1_000,
};
