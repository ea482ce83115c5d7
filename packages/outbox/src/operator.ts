import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  OutboxBackfillSchema,
  OutboxListQuery,
  OutboxPauseSchema,
  OutboxRetryReportSchema,
  OutboxRowSchema,
  OutboxSelector,
  OutboxStatusSchema,
} from "@cellway/gen/cellway/outbox/v1/operator";
import { createRpcError } from "@cellway/rpc";
import { Code } from "@connectrpc/connect";
import { type BackfillTable, listBackfillTables } from "./backfill.js";
import type { BackfillRow, BackfillStore } from "./backfill-store.js";
import type { Categories } from "./category.js";
import { listRows, readPauses, readStatus } from "./inspect.js";
import type { OutboxLimits } from "./limits.js";
import type { OperatorStore } from "./operator-store.js";
import { nameOfCategory, readCategory, readSelection } from "./selection.js";
import type { OutboxSource } from "./source.js";
import { retry } from "./steer.js";

type PauseList = MessageInitShape<typeof OutboxPauseSchema>[];
type BackfillInit = MessageInitShape<typeof OutboxBackfillSchema>;

/** What operators see of an outbox, and do with it. Works in every process of the silo, whichever delivers. */
export interface OutboxOperator {
  status(): Promise<MessageInitShape<typeof OutboxStatusSchema>>;
  list(query: OutboxListQuery): Promise<{ rows: MessageInitShape<typeof OutboxRowSchema>[]; nextPageToken: string }>;
  retry(request: { readonly selector?: OutboxSelector | undefined; readonly pageToken: string }): Promise<{
    report: MessageInitShape<typeof OutboxRetryReportSchema>;
    nextPageToken: string;
  }>;
  pause(selector: OutboxSelector | undefined): Promise<{ pauses: PauseList }>;
  resume(selector: OutboxSelector | undefined): Promise<{ removed: number; pauses: PauseList }>;
  listBackfills(): Promise<{ backfills: BackfillInit[] }>;
  startBackfill(request: { readonly category: string; readonly messagesPerSecond: number }): Promise<{
    backfill?: BackfillInit;
    isStarted: boolean;
  }>;
}

/** What an operator works with. */
export interface OperatorOptions {
  readonly store: OperatorStore;
  readonly backfills: BackfillStore;
  readonly sources: Categories<OutboxSource>;
  readonly limits: OutboxLimits;
  /** There is something new to deliver. */
  readonly wake: () => void;
}

/** Creates what the services for operators answer with. */
export function createOutboxOperator({ store, backfills, sources, limits, wake }: OperatorOptions): OutboxOperator {
  const tables = listBackfillTables(sources);
  const listBackfills = async () => (await backfills.list()).map((row) => toBackfill(row, sources, limits));
  return {
    status: () => readStatus(store, sources),
    list: (query) => listRows(store, sources, query),
    async retry(request) {
      const answer = await retry(store, sources, request);
      wake();
      return answer;
    },
    async pause(selector) {
      await store.pause(readSelection(selector, sources));
      return { pauses: await readPauses(store) };
    },
    async resume(selector) {
      const removed = await store.resume(readSelection(selector, sources));
      return { removed, pauses: await readPauses(store) };
    },
    listBackfills: async () => ({ backfills: await listBackfills() }),
    async startBackfill({ category, messagesPerSecond }) {
      const table = findTable(readCategory(category, sources), tables);
      await backfills.adopt([table]);
      await backfills.setRate(table.category, messagesPerSecond === 0 ? null : messagesPerSecond);
      const isStarted = await backfills.begin(table, true);
      const backfill = (await listBackfills()).find((candidate) => candidate.category === table.category);
      return { isStarted, ...(backfill === undefined ? {} : { backfill }) };
    },
  };
}

function findTable(category: number, tables: readonly BackfillTable[]): BackfillTable {
  const table = tables.find((candidate) => candidate.category === category);
  if (table !== undefined) return table;
  throw createRpcError(Code.InvalidArgument, "INVALID_FIELD", "category: no table is replicated as this one", {
    metadata: { field: "category" },
  });
}

function toBackfill(row: BackfillRow, sources: Categories<OutboxSource>, limits: OutboxLimits): BackfillInit {
  return {
    category: row.category,
    categoryName: nameOfCategory(row.category, sources),
    version: row.version,
    isDone: row.is_done,
    isWaiting: row.is_waiting,
    doneCount: row.done_count,
    totalCount: row.total_count,
    messagesPerSecond: row.rows_per_second ?? limits.backfillMessagesPerSecond,
    ...(row.elapsed_ms === null ? {} : { elapsedMs: row.elapsed_ms }),
  };
}
