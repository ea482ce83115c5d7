import type { Categories } from "./category.js";
import type { Courier, MessageGroup, OutgoingMessage, StreamId, Verdict } from "./message.js";
import type { MessageQueue, Taken } from "./message-queue.js";
import type { OutboxSource } from "./source.js";
import type { OutboxStore } from "./store.js";

/** Where rows stand. */
export type RowPlace = "outbox" | "outbox_held";

/** What one delivery is made with. */
export interface DeliveryOptions {
  readonly store: OutboxStore;
  readonly sources: Categories<OutboxSource>;
  readonly courier: Courier;
}

/** One call's worth of messages. */
export interface Delivery {
  readonly from: RowPlace;
  readonly destination: string;
  readonly taken: readonly Taken[];
  readonly budgetMs: number;
  readonly signal: AbortSignal;
}

type Prepared = OutgoingMessage | Verdict;

/**
 * Reads what the messages say and has them delivered.
 *
 * @returns a verdict for each group of each stream, in their order.
 */
export async function deliverOnce(options: DeliveryOptions, delivery: Delivery): Promise<readonly Verdict[][]> {
  const prepared = await prepare(options, delivery);
  const messages = prepared.flat().filter((item): item is OutgoingMessage => !("kind" in item));
  const { budgetMs, signal } = delivery;
  const verdicts =
    messages.length === 0 ? [] : await options.courier.deliver(delivery.destination, messages, { budgetMs, signal });
  if (verdicts.length !== messages.length) {
    throw new Error(`${delivery.destination} answered ${verdicts.length} verdicts to ${messages.length} messages.`);
  }
  let next = 0;
  return prepared.map((stream) =>
    stream.map((item) => ("kind" in item ? item : (verdicts[next++] ?? { kind: "skipped" }))),
  );
}

async function prepare({ store, sources }: DeliveryOptions, delivery: Delivery): Promise<Prepared[][]> {
  const groups = delivery.taken.flatMap((taken) => taken.groups);
  // The rows are known before the states are read: what a state lacks has a row that is not among them.
  const contents = await store.readContents(delivery.from, groups.filter((group) => group.hasContent).map(newestOf));
  const states = new Map<number, ReadonlyMap<string, Uint8Array | "withheld">>();
  for (const category of new Set(groups.map((group) => group.category))) {
    const read = sources.get(category)?.read;
    if (read === undefined) continue;
    const ids = groups.filter((group) => group.category === category && !group.hasContent);
    states.set(category, await read(store.db, [...new Set(ids.map((group) => group.objectId))]));
  }
  return delivery.taken.map(({ stream, groups: own }) =>
    own.map((group): Prepared => {
      if (!sources.has(group.category)) return { kind: "failed", error: UNKNOWN_CATEGORY };
      const content = group.hasContent
        ? contents.get(newestOf(group))
        : states.get(group.category)?.get(group.objectId);
      if (content === "withheld") return { kind: "delivered" };
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
    }),
  );
}

/** The error of a row that a newer version of this silo has written. It waits for that version. */
export const UNKNOWN_CATEGORY = "CATEGORY_UNKNOWN: this version does not know the category";

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
  const found = new Map<string, RowPlace>();
  const newer = groups.map((): string[] => []);
  for (const place of from === "outbox" ? (["outbox"] as const) : (["outbox_held", "outbox"] as const)) {
    for (const { index, id } of await store.listNewer(place, groups)) {
      newer[index - 1]?.push(id);
      found.set(id, place);
    }
  }
  // From here to the reading of the states nothing is awaited: what comes later is a message of its own.
  return groups.flatMap(({ key, index, stream }, at) =>
    queue.extend(key, index, newer[at] ?? []).map((id) => ({ id, key, stream, place: found.get(id) ?? from })),
  );
}
