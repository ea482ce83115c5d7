import { setTimeout as sleep } from "node:timers/promises";
import type { OutboxBackfill } from "@cellway/gen/cellway/outbox/v1/operator";
import type { RpcRuntime } from "@cellway/rpc";
import type { CommandContext } from "../context.js";
import { CommandError, EXIT_FAILED, EXIT_OK, UsageError } from "../errors.js";
import { type FleetTarget, findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { askOutboxes, openOutbox } from "../outbox-client.js";
import { describeFailures, formatAge, nameOfCategory, printFailures } from "../outbox-format.js";
import type { SiloAnswers } from "../silo-answers.js";
import { formatTable, heading } from "../table.js";

/** How often progress is asked for while it is followed. */
const FOLLOW_MS = 1_000;
/** After which a backfill that does not get on is not followed any more. */
const STALLED_MS = 600_000;
const BAR_WIDTH = 30;

/** Options of `cellway outbox backfill`. */
export interface OutboxBackfillOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly silo?: string;
  readonly category?: string;
  readonly start?: boolean;
  readonly follow?: boolean;
  /** Messages in a second. */
  readonly rate?: number;
}

/** Says how far replicated tables have been replicated anew, begins it for one, follows it to its end. */
export async function runOutboxBackfill(options: OutboxBackfillOptions, ctx: CommandContext): Promise<number> {
  const { start = false, silo, category, rate } = options;
  if (start && (silo === undefined || category === undefined)) {
    throw new UsageError("outbox backfill --start: say of which table with --silo and --category.");
  }
  if (!start && rate !== undefined) throw new UsageError("outbox backfill: --rate goes with --start.");
  const target = findFleet(options.dataDir, ctx);
  return withOperator(target, options, ctx, async ({ runtime }) => {
    if (silo !== undefined && category !== undefined && start) {
      const request = { category, messagesPerSecond: rate ?? 0 };
      const { isStarted } = await openOutbox(runtime, silo).startBackfill(request);
      if (options.json !== true) ctx.terminal.out(isStarted ? "It has begun." : "It was under way, and goes on.");
    }
    return options.follow === true ? follow(runtime, target, options, ctx) : show(runtime, target, options, ctx);
  });
}

type Runtime = Pick<RpcRuntime, "client">;
type Progress = SiloAnswers<readonly OutboxBackfill[]>;

function ask(runtime: Runtime, target: FleetTarget, { silo, category }: OutboxBackfillOptions): Promise<Progress> {
  return askOutboxes(runtime, target, silo, async (outbox, callOptions) => {
    const { backfills } = await outbox.listBackfills(callOptions);
    return backfills.filter((row) => category === undefined || namesOf(row).includes(category));
  });
}

function namesOf({ category, categoryName }: OutboxBackfill): string[] {
  return [String(category), categoryName, categoryName.slice(categoryName.lastIndexOf(".") + 1)];
}

async function show(
  runtime: Runtime,
  target: FleetTarget,
  options: OutboxBackfillOptions,
  ctx: CommandContext,
): Promise<number> {
  const { answers, failures } = await ask(runtime, target, options);
  if (options.json === true) {
    const silos = answers.map(({ silo, answer }) => ({ silo, backfills: answer.map(describe) }));
    ctx.terminal.out(JSON.stringify({ silos, failures: describeFailures(failures) }));
  } else {
    const rows = answers.flatMap(({ silo, answer }) => answer.map((backfill) => [silo, ...cellsOf(backfill)]));
    const titles = heading("silo", "category", "version", "progress", "objects", "objects/s", "messages/s", "time");
    ctx.terminal.out(rows.length === 0 ? "No table is replicated here." : formatTable([titles, ...rows]));
    printFailures(failures, ctx);
  }
  return failures.length === 0 ? EXIT_OK : EXIT_FAILED;
}

/** A line for each that is not done, every second, until all are. @throws CommandError when nothing gets on for long. */
async function follow(
  runtime: Runtime,
  target: FleetTarget,
  options: OutboxBackfillOptions,
  ctx: CommandContext,
): Promise<number> {
  let last = "";
  let lastAt = performance.now();
  for (;;) {
    const progress = await ask(runtime, target, options);
    const open = progress.answers.flatMap(({ silo, answer }) =>
      answer.filter((row) => !row.isDone).map((row) => `${silo}  ${cellsOf(row).join("  ")}`),
    );
    const done = progress.answers.map(({ answer }) => answer.map((row) => row.doneCount).join()).join();
    for (const line of open) if (options.json !== true) ctx.terminal.out(line);
    // What did not answer is not known to be done.
    if (open.length === 0 || progress.failures.length > 0) return show(runtime, target, options, ctx);
    if (done !== last) lastAt = performance.now();
    else if (performance.now() - lastAt > STALLED_MS) {
      throw new CommandError(`Nothing has got on for ${formatAge(STALLED_MS)}; see: cellway outbox status`);
    }
    last = done;
    await sleep(FOLLOW_MS);
  }
}

/** `ProjectKeyReplica (1)`, the version, a bar, how many, how fast, how fast at most, how long. */
function cellsOf(row: OutboxBackfill): string[] {
  const name = nameOfCategory(row.category, row.categoryName);
  const limit = `max ${row.messagesPerSecond}`;
  if (row.elapsedMs === undefined) return [name, String(row.version), "nothing to do", "-", "-", limit, "-"];
  return [
    name,
    String(row.version),
    formatBar(shareOf(row)),
    `${row.doneCount}/${row.totalCount}`,
    String(Math.round((Number(row.doneCount) / Math.max(1, row.elapsedMs)) * 1_000)),
    limit,
    formatTime(row, row.elapsedMs),
  ];
}

/** 0 to 1. The total is an estimate: what is not done is less than all. */
function shareOf({ isDone, doneCount, totalCount }: OutboxBackfill): number {
  if (isDone) return 1;
  return Math.min(0.99, Number(doneCount) / Math.max(1, Number(totalCount)));
}

/** `[#########---------------------]  30 %`. */
function formatBar(share: number): string {
  const full = Math.floor(share * BAR_WIDTH);
  return `[${"#".repeat(full)}${"-".repeat(BAR_WIDTH - full)}] ${String(Math.floor(share * 100)).padStart(3)} %`;
}

function formatTime(row: OutboxBackfill, elapsedMs: number): string {
  if (row.isDone) return `took ${formatAge(elapsedMs)}`;
  const share = shareOf(row);
  const left = share === 0 ? "-" : `${formatAge((elapsedMs / share) * (1 - share))} left`;
  return row.isWaiting ? `${left}, waiting for deliveries` : left;
}

function describe(row: OutboxBackfill) {
  return {
    category: row.category,
    categoryName: row.categoryName,
    version: row.version,
    isDone: row.isDone,
    isWaiting: row.isWaiting,
    done: Number(row.doneCount),
    total: Number(row.totalCount),
    messagesPerSecond: row.messagesPerSecond,
    elapsedMs: row.elapsedMs === undefined ? null : Math.round(row.elapsedMs),
  };
}
