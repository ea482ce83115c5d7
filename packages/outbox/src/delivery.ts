import type { Categories } from "./category.js";
import { CONTENT_BYTES_MAX, type OutboxLimits } from "./limits.js";
import {
  ANSWER_MALFORMED,
  type Courier,
  DestinationAwayError,
  type MessageGroup,
  type OutgoingMessage,
  type RowPlace,
  type StreamId,
  UNKNOWN_CATEGORY,
  type Verdict,
} from "./message.js";
import type { MessageQueue, Taken } from "./message-queue.js";
import type { OutboxSource } from "./source.js";
import type { OutboxStore } from "./store.js";

/** What one delivery is made with. */
export interface DeliveryOptions {
  readonly store: OutboxStore;
  readonly sources: Categories<OutboxSource>;
  readonly courier: Courier;
  readonly limits: Pick<OutboxLimits, "batchBytesMax">;
  readonly describeError: (error: unknown) => string;
  readonly isSessionError: (error: unknown) => boolean;
}

/** One call's worth of messages. */
export interface Delivery {
  readonly from: RowPlace;
  readonly destination: string;
  readonly taken: readonly Taken[];
  readonly budgetMs: number;
  readonly signal: AbortSignal;
}

/** A whole call failed, not because the silo is away: one of its messages is to blame, or the silo is. */
export class CallFailedError extends Error {
  override readonly name = "CallFailedError";

  /** @param why - one line, for whoever sees the message wait. */
  constructor(
    readonly why: string,
    options?: ErrorOptions,
  ) {
    super(`A call failed: ${why}`, options);
  }
}

type Prepared = OutgoingMessage | Verdict;

/**
 * Reads what the messages say and has them delivered.
 *
 * @returns a verdict for each group of each stream, in their order.
 * @throws CallFailedError or DestinationAwayError; any other error is one of our own database.
 */
export async function deliverOnce(options: DeliveryOptions, delivery: Delivery): Promise<readonly Verdict[][]> {
  const prepared = await prepare(options, delivery);
  const messages = prepared.flat().filter((item): item is OutgoingMessage => !("kind" in item));
  const verdicts = messages.length === 0 ? [] : await call(options, delivery, messages);
  let next = 0;
  const answers = prepared.map((stream) =>
    stream.map((item): Verdict => ("kind" in item ? item : (verdicts[next++] ?? { kind: "skipped" }))),
  );
  // Whoever skips everything, though nothing failed before it, gets nowhere.
  if (answers.every((stream) => stream[0]?.kind === "skipped")) {
    throw new CallFailedError(`${ANSWER_MALFORMED}: all messages were skipped`);
  }
  return answers;
}

async function call(
  { courier, describeError }: DeliveryOptions,
  { destination, budgetMs, signal }: Delivery,
  messages: readonly OutgoingMessage[],
): Promise<readonly Verdict[]> {
  let verdicts: readonly Verdict[];
  try {
    verdicts = await courier.deliver(destination, messages, { budgetMs, signal });
  } catch (error) {
    throw error instanceof DestinationAwayError ? error : new CallFailedError(describeError(error), { cause: error });
  }
  if (verdicts.length !== messages.length) {
    throw new CallFailedError(`${ANSWER_MALFORMED}: ${verdicts.length} answers to ${messages.length} messages`);
  }
  return verdicts;
}

async function prepare(options: DeliveryOptions, delivery: Delivery): Promise<Prepared[][]> {
  const groups = delivery.taken.flatMap((taken) => taken.groups);
  // The rows are known before the states are read: what a state lacks has a row that is not among them.
  const held = groups.filter((group) => group.hasContent).map(newestOf);
  const contents = await options.store.readContents(delivery.from, held);
  const states = await readStates(options, groups, delivery.destination);
  const room = { bytes: options.limits.batchBytesMax, isEmpty: true };
  return delivery.taken.map(({ stream, groups: own }) => {
    let isStopped = false;
    return own.map((group): Prepared => {
      if (isStopped) return { kind: "skipped" };
      const item = prepareGroup({ options, contents, states }, stream, group);
      const fits = "kind" in item ? item.kind === "delivered" : takeRoom(room, item.content?.length ?? 0);
      isStopped = !fits;
      return fits || "kind" in item ? item : { kind: "skipped" };
    });
  });
}

function takeRoom(room: { bytes: number; isEmpty: boolean }, bytes: number): boolean {
  if (bytes > room.bytes && !room.isEmpty) return false;
  room.bytes -= bytes;
  room.isEmpty = false;
  return true;
}

/** The states of one category's objects, or why they cannot be read. */
type States = ReadonlyMap<string, Uint8Array | "withheld"> | { readonly error: string };

/** A category whose states cannot be read fails for itself. */
async function readStates(
  { store, sources, describeError, isSessionError }: DeliveryOptions,
  groups: readonly MessageGroup[],
  destination: string,
): Promise<Map<number, States>> {
  const states = new Map<number, States>();
  for (const category of new Set(groups.map((group) => group.category))) {
    const read = sources.get(category)?.read;
    if (read === undefined) continue;
    const own = groups.filter((group) => group.category === category && !group.hasContent);
    try {
      states.set(category, await read(store.db, [...new Set(own.map((group) => group.objectId))], destination));
    } catch (error) {
      if (isSessionError(error)) throw error;
      states.set(category, { error: `SOURCE_FAILED: ${describeError(error)}` });
    }
  }
  return states;
}

interface Known {
  readonly options: DeliveryOptions;
  readonly contents: ReadonlyMap<string, Uint8Array>;
  readonly states: ReadonlyMap<number, States>;
}

function prepareGroup({ options, contents, states }: Known, stream: StreamId, group: MessageGroup): Prepared {
  if (!options.sources.has(group.category)) return { kind: "failed", error: UNKNOWN_CATEGORY };
  let content: Uint8Array | "withheld" | undefined;
  if (group.hasContent) {
    content = contents.get(newestOf(group));
    // The row is gone: another process has told it.
    if (content === undefined) return { kind: "delivered" };
  } else {
    const own = states.get(group.category);
    if (own !== undefined && "error" in own) return { kind: "failed", error: own.error };
    content = own?.get(group.objectId);
  }
  if (content === "withheld") return { kind: "delivered" };
  if (content !== undefined && content.length > CONTENT_BYTES_MAX) {
    return { kind: "failed", error: `CONTENT_TOO_LARGE: ${content.length} bytes` };
  }
  // Field by field: to spread one object into another, for each message, is a quarter of what sending costs.
  return {
    destination: stream.destination,
    scope: stream.scope,
    shardId: stream.shardId,
    lane: stream.lane,
    category: group.category,
    objectId: group.objectId,
    version: newestOf(group),
    content,
    traceparent: group.traceparent ?? "",
  };
}

function newestOf(group: MessageGroup): string {
  return group.ids[group.ids.length - 1] ?? "0";
}

/** A row that was found in the table and is delivered with what memory knew. */
export interface FoundRow {
  readonly id: string;
  readonly place: RowPlace;
  readonly stream: StreamId;
  readonly key: string;
}

/**
 * Adds the rows of the same objects that memory does not know yet, so that what coalesces is not what happens to be in
 * memory but what is in the tables.
 *
 * @returns the rows that were added.
 */
export async function coalesceWithTable(
  store: OutboxStore,
  queue: MessageQueue,
  { from, taken }: Pick<Delivery, "from" | "taken">,
): Promise<FoundRow[]> {
  const groups = taken.flatMap(({ key, stream, groups: own }) =>
    own.map((group, index) => ({
      destination: stream.destination,
      scope: stream.scope,
      shardId: stream.shardId,
      lane: stream.lane,
      category: group.category,
      objectId: group.objectId,
      newestId: newestOf(group),
      key,
      stream,
      index,
    })),
  );
  const newer = groups.map((): Awaited<ReturnType<OutboxStore["listNewer"]>> => []);
  for (const row of await store.listNewer(from, groups)) newer[row.index - 1]?.push(row);
  // From here to the reading of the states nothing is awaited: what comes later is a message of its own.
  return groups.flatMap(({ key, index, stream }, at) =>
    queue.extend(key, index, newer[at] ?? []).map(({ id, place }) => ({ id, key, stream, place })),
  );
}
