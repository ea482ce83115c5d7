import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  OutboxListing,
  type OutboxListQuerySchema,
  type OutboxRow,
  OutboxState,
} from "@cellway/gen/cellway/outbox/v1/operator";
import type { CommandContext } from "../context.js";
import { EXIT_OK, UsageError } from "../errors.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { openOutbox } from "../outbox-client.js";
import {
  formatAge,
  nameOfCategory,
  nameOfScope,
  nameOfState,
  readSelector,
  type SelectorOptions,
} from "../outbox-format.js";
import { formatTable, heading } from "../table.js";

/** Options of `cellway outbox show`. */
export interface OutboxShowOptions extends SelectorOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly silo: string;
  readonly parked?: boolean;
  readonly failing?: boolean;
  readonly limit?: number;
  readonly page?: string;
}

/** Lists rows of one outbox: of a shard, parked ones, or those that failing streams stand at. Never what they tell. */
export async function runOutboxShow(options: OutboxShowOptions, ctx: CommandContext): Promise<number> {
  const query = readQuery(options);
  return withOperator(findFleet(options.dataDir, ctx), options, ctx, async ({ runtime }) => {
    const outbox = openOutbox(runtime, options.silo);
    const { rows, nextPageToken } = await outbox.list(query);
    const isShardBegin = query.listing === OutboxListing.SHARD && query.pageToken === "";
    // Parked rows are not in the shard's order any more.
    const parked = isShardBegin ? (await outbox.list({ ...query, listing: OutboxListing.PARKED })).rows : [];
    const all = [...parked, ...rows];
    if (options.json === true) {
      const nextPage = nextPageToken === "" ? null : nextPageToken;
      ctx.terminal.out(JSON.stringify({ silo: options.silo, rows: all.map(describeRow), nextPage }));
      return EXIT_OK;
    }
    ctx.terminal.out(all.length === 0 ? "No row is like that." : formatRows(all));
    if (nextPageToken !== "") ctx.terminal.out(`There are more: --page ${nextPageToken}`);
    return EXIT_OK;
  });
}

/** @throws UsageError when it is not said which list is meant, or two are. */
function readQuery(options: OutboxShowOptions): MessageInitShape<typeof OutboxListQuerySchema> & { pageToken: string } {
  const { parked = false, failing = false, shard, limit = 0, page = "" } = options;
  if (parked && failing) throw new UsageError("outbox show: --parked and --failing are two lists; choose one.");
  if (!parked && !failing && shard === undefined) {
    throw new UsageError("outbox show: say which rows with --scope and --shard, --parked or --failing.");
  }
  const listing = parked ? OutboxListing.PARKED : failing ? OutboxListing.FAILING : OutboxListing.SHARD;
  return { listing, selector: readSelector(options), pageSize: limit, pageToken: page };
}

/** Rows as a table for people. */
function formatRows(rows: readonly OutboxRow[]): string {
  const titles = heading(
    "row",
    "destination",
    "scope",
    "shard",
    "category",
    "object",
    "state",
    "attempts",
    "age",
    "next try",
    "error",
  );
  const lines = rows.map((row) => [
    row.id === "0" ? "-" : row.id,
    row.destination,
    nameOfScope(row.scope),
    row.shardId,
    nameOfCategory(row.category, row.categoryName),
    row.objectId,
    nameOfState(row.state),
    row.attempts === 0 ? "-" : String(row.attempts),
    formatAge(row.ageMs),
    row.nextTryMs === undefined ? "-" : row.nextTryMs === 0 ? "now" : formatAge(row.nextTryMs),
    row.error,
  ]);
  return formatTable([titles, ...lines]);
}

function describeRow(row: OutboxRow) {
  return {
    id: row.id === "0" ? null : row.id,
    destination: row.destination,
    scope: nameOfScope(row.scope),
    shard: row.shardId,
    category: row.category,
    categoryName: row.categoryName,
    object: row.objectId,
    state: OutboxState[row.state],
    attempts: row.attempts,
    error: row.error,
    ageMs: Math.round(row.ageMs),
    nextTryMs: row.nextTryMs === undefined ? null : Math.round(row.nextTryMs),
  };
}
