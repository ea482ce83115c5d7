import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  OutboxListing,
  type OutboxListQuery,
  type OutboxOwnerSchema,
  type OutboxPauseSchema,
  type OutboxRowSchema,
  OutboxState,
  type OutboxStatusSchema,
} from "@cellway/gen/cellway/outbox/v1/operator";
import { createRpcError, formatKeyToken, PAGE_SIZE_DEFAULT } from "@cellway/rpc";
import { Code } from "@connectrpc/connect";
import type { Categories } from "./category.js";
import type { DepthRow, ListedRow, OperatorStore, OwnerRow } from "./operator-store.js";
import { nameOfCategory, readSelection, readToken, toSelector } from "./selection.js";
import type { OutboxSource } from "./source.js";

/** Rows of each kind that a status counts. */
const COUNTED_MAX = 50_000;
const PAUSES_MAX = 1_000;
/** What the owner said of itself longer ago is not believed. */
const REPORT_MAX_AGE_MS = 30_000;

/** How an outbox is: what is in it and who delivers. */
export async function readStatus(
  store: OperatorStore,
  sources: Categories<OutboxSource>,
): Promise<MessageInitShape<typeof OutboxStatusSchema>> {
  const [depths, streams, owner, pauses] = await Promise.all([
    store.readDepths(COUNTED_MAX),
    store.countStreams(COUNTED_MAX),
    store.readOwner(),
    readPauses(store),
  ]);
  const isHeard = owner.is_owned && owner.silent_ms !== null && owner.silent_ms < REPORT_MAX_AGE_MS;
  const heard: Pick<OwnerRow, "away" | "rates"> = isHeard ? owner : { away: [], rates: [] };
  const streamsAreCut = streams.reduce((sum, row) => sum + row.streams, 0) >= COUNTED_MAX;
  return {
    depths: depths.map((row) => toDepth(row, heard, sources)),
    heldStreams: streams.map((row) => ({
      state: OutboxState[row.state],
      streams: row.streams,
      isMore: streamsAreCut,
    })),
    owner: toOwner(owner, isHeard),
    pauses,
  };
}

function toDepth(row: DepthRow, heard: Pick<OwnerRow, "away" | "rates">, sources: Categories<OutboxSource>) {
  const { scope, category, destination } = row;
  const rate = heard.rates?.find(
    (candidate) =>
      candidate.scope === scope && candidate.category === category && candidate.destination === destination,
  );
  // In memory such rows wait as they are; their streams are held only when memory is full.
  const isAway = row.state === "FLOWING" && heard.away?.includes(destination) === true;
  return {
    scope,
    category,
    categoryName: nameOfCategory(category, sources),
    destination,
    state: isAway ? OutboxState.AWAY : OutboxState[row.state],
    depth: row.depth,
    oldestAgeMs: row.age_ms,
    deliveredPerSecond: rate?.perSecond ?? 0,
    isMore: row.is_cut,
  };
}

function toOwner(owner: OwnerRow, isHeard: boolean): MessageInitShape<typeof OutboxOwnerSchema> {
  return {
    isOwned: owner.is_owned,
    process: isHeard ? (owner.process ?? "") : "",
    epoch: owner.epoch,
    leaseLeftMs: owner.lease_left_ms,
    notificationsWork: isHeard && owner.is_notified === true,
    silentMs: owner.silent_ms ?? 0,
  };
}

/** Everything that is paused. */
export async function readPauses(store: OperatorStore): Promise<MessageInitShape<typeof OutboxPauseSchema>[]> {
  const pauses = await store.listPauses(PAUSES_MAX);
  return pauses.map((pause) => ({ selector: toSelector(pause), ageMs: pause.age_ms }));
}

/**
 * A page of rows.
 *
 * @throws INVALID_ARGUMENT / INVALID_FIELD for a shard that is not named, a category or token that does not exist.
 */
export async function listRows(
  store: OperatorStore,
  sources: Categories<OutboxSource>,
  query: OutboxListQuery,
): Promise<{ rows: MessageInitShape<typeof OutboxRowSchema>[]; nextPageToken: string }> {
  const selection = readSelection(query.selector, sources);
  const pageSize = query.pageSize === 0 ? PAGE_SIZE_DEFAULT : query.pageSize;
  const page = (after: string[] | undefined) => ({ after, limit: pageSize + 1 });
  const cut = (rows: readonly ListedRow[], keyOf: (row: ListedRow) => (string | number)[]) => {
    const last = rows.length > pageSize ? rows[pageSize - 1] : undefined;
    return {
      rows: rows.slice(0, pageSize).map((row) => toRow(row, sources)),
      nextPageToken: last === undefined ? "" : formatKeyToken(keyOf(last)),
    };
  };
  switch (query.listing) {
    case OutboxListing.PARKED: {
      const rows = await store.listParked(selection, page(readToken(query.pageToken, 5, [0])));
      return cut(rows, (row) => [row.destination, row.scope, row.shard_id, row.category, row.object_id]);
    }
    case OutboxListing.FAILING: {
      const rows = await store.listFailing(selection, page(readToken(query.pageToken, 4, [0])));
      return cut(rows, (row) => [row.destination, row.scope, row.shard_id, row.lane]);
    }
    case OutboxListing.SHARD:
    case OutboxListing.UNSPECIFIED: {
      if (selection.shard_id === null) {
        const metadata = { field: "shard_id" };
        throw createRpcError(Code.InvalidArgument, "INVALID_FIELD", "shard_id: say which shard", { metadata });
      }
      const rows = await store.listShard(selection, page(readToken(query.pageToken, 1)));
      return cut(rows, (row) => [row.id]);
    }
  }
}

function toRow(row: ListedRow, sources: Categories<OutboxSource>): MessageInitShape<typeof OutboxRowSchema> {
  return {
    id: row.id,
    destination: row.destination,
    scope: row.scope,
    shardId: row.shard_id,
    category: row.category,
    categoryName: nameOfCategory(row.category, sources),
    objectId: row.object_id,
    state: OutboxState[row.state],
    attempts: row.attempts,
    error: row.error,
    ageMs: row.age_ms,
    ...(row.next_try_ms === null ? {} : { nextTryMs: row.next_try_ms }),
  };
}
