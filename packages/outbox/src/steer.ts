import type { MessageInitShape } from "@bufbuild/protobuf";
import type { OutboxRetryReportSchema, OutboxSelector } from "@cellway/gen/cellway/outbox/v1/operator";
import { formatKeyToken } from "@cellway/rpc";
import type { Categories } from "./category.js";
import type { OperatorStore } from "./operator-store.js";
import { readSelection, readToken } from "./selection.js";
import type { OutboxSource } from "./source.js";

/** Messages that one call puts back, give or take a batch. */
const RETRIED_MAX = 1_000;
/** Messages of one shard in one transaction, and shards in one look. */
const BATCH_MAX = 200;
/** Scope and shard before any there is. */
const BEFORE_ALL = ["0", "0"];

/**
 * Puts parked messages back as new rows: with a version greater than any before, the content that was parked, or none
 * where the state is read at delivery. One of an object of which a newer state waits stays parked: that one replaces it.
 * Streams that back off are tried at once.
 *
 * @throws INVALID_ARGUMENT / INVALID_FIELD for a category or token that does not exist.
 */
export async function retry(
  store: OperatorStore,
  sources: Categories<OutboxSource>,
  request: { readonly selector?: OutboxSelector | undefined; readonly pageToken: string },
): Promise<{ report: MessageInitShape<typeof OutboxRetryReportSchema>; nextPageToken: string }> {
  const selection = readSelection(request.selector, sources);
  let after = readToken(request.pageToken, 2);
  const report = { retried: 0, superseded: 0, streams: 0 };
  if (after === undefined) report.streams = await store.retryStreams(selection);
  for (;;) {
    const shards = await store.listParkedShards(selection, { after, limit: BATCH_MAX });
    for (const shard of shards) {
      let isShardDone = false;
      while (!isShardDone) {
        if (report.retried >= RETRIED_MAX) return { report, nextPageToken: formatKeyToken(after ?? BEFORE_ALL) };
        const done = await store.retryShard(shard, selection, BATCH_MAX);
        report.retried += done.retried;
        report.superseded += done.superseded;
        isShardDone = done.retried < BATCH_MAX;
      }
      after = [String(shard.scope), shard.shard_id];
    }
    if (shards.length < BATCH_MAX) return { report, nextPageToken: "" };
  }
}
