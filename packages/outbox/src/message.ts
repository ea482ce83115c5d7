/** A row of an outbox: an object changed and somebody is to be told. */
export interface OutboxRow {
  readonly id: string;
  /** The silo that it is for. */
  readonly destination: string;
  readonly scope: number;
  readonly shard_id: string;
  readonly category: number;
  readonly object_id: string;
  /** Whether the row holds what is to be told; else it is read when it is delivered. */
  readonly has_content: boolean;
  readonly traceparent: string | null;
  /** When it was written, in milliseconds since the epoch. */
  readonly created_ms: number;
}

/** All rows of one object that are delivered as one message: the newest state, at the place of the oldest row. */
export interface MessageGroup {
  readonly category: number;
  readonly objectId: string;
  /** In ascending order; exactly these are deleted once it is delivered. */
  readonly ids: readonly string[];
  readonly hasContent: boolean;
  readonly traceparent: string | null;
  /** Of the oldest row, in milliseconds since the epoch. */
  readonly createdMs: number;
}

/** Where rows stand. */
export type RowPlace = "outbox" | "outbox_held";

/** What its messages are ordered by: one silo, one shard, and the categories of one lane. */
export interface StreamId {
  readonly destination: string;
  readonly scope: number;
  readonly shardId: string;
  readonly lane: number;
}

/** A stream as one text, for maps. */
export function streamKeyOf(stream: StreamId): string {
  return `${stream.destination}/${stream.scope}/${stream.shardId}/${stream.lane}`;
}

/** A message on its way. */
export interface OutgoingMessage extends StreamId {
  readonly category: number;
  readonly objectId: string;
  /** Grows with every change of the object: the id of the newest row. */
  readonly version: string;
  /** Undefined: the object is gone. */
  readonly content: Uint8Array | undefined;
  readonly traceparent: string;
}

/** What became of a message. `unfinished`: not within the time it was given; `skipped`: one before it in its stream failed. */
export type Verdict =
  | { readonly kind: "delivered" | "unfinished" | "skipped" }
  | { readonly kind: "failed"; readonly error: string };

/** The error of a row that a newer version of this silo has written. It waits for that version. */
export const UNKNOWN_CATEGORY = "CATEGORY_UNKNOWN: this version does not know the category";
/** Begins the error of messages whose silo answers what means nothing. */
export const ANSWER_MALFORMED = "ANSWER_MALFORMED";

/** Whether an error says nothing of the message, so that it is never given up for it. */
export function isErrorOfVersion(error: string): boolean {
  return error.startsWith("CATEGORY_UNKNOWN") || error.startsWith(ANSWER_MALFORMED);
}

/** Brings messages to a silo. */
export interface Courier {
  /**
   * Delivers messages of one destination, in order, and gives a verdict for each.
   *
   * @param options.budgetMs - after which what is not done is answered `unfinished`.
   * @throws DestinationAwayError when the silo cannot be asked now; any other error is one of the messages'.
   */
  deliver(
    destination: string,
    messages: readonly OutgoingMessage[],
    options: { readonly budgetMs: number; readonly signal: AbortSignal },
  ): Promise<readonly Verdict[]>;
}

/** The silo cannot be asked now: down, too slow, or not able to answer. Its messages wait, and no attempt is counted. */
export class DestinationAwayError extends Error {
  override readonly name = "DestinationAwayError";
}
