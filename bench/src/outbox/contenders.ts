import type PgBoss from "pg-boss";
import { clearOutbox, createInProcessCourier, type Handle, isEmpty, openOutbox } from "./cellway.js";
import { GRAPHILE, prepareGraphile, startGraphile } from "./graphile.js";
import { assertClean, eventually, Ledger } from "./ledger.js";
import { type LiveResult, type LiveRun, startLoad } from "./live.js";
import { isSpecial, type Kind, type Load } from "./load.js";
import { openBoss, PG_BOSS, startBoss } from "./pg-boss.js";
import { type BenchDatabase, type BenchPostgres, createOutboxDatabase } from "./postgres.js";

/** Every contender's tables, each in a database of its own on one server. */
export interface Contenders {
  readonly cellway: BenchDatabase;
  readonly graphile: BenchDatabase;
  readonly boss: BenchDatabase;
  readonly pgBoss: PgBoss;
  stop(): Promise<void>;
}

/** Creates them. */
export async function openContenders(postgres: BenchPostgres): Promise<Contenders> {
  const graphile = await postgres.database("graphile");
  await prepareGraphile(graphile);
  const boss = await postgres.database("boss");
  const pgBoss = await openBoss(boss);
  return {
    cellway: await createOutboxDatabase(postgres, "cellway"),
    graphile,
    boss,
    pgBoss,
    async stop() {
      await pgBoss.stop({ graceful: false });
    },
  };
}

/** What happens to our outbox beside the load. */
export interface LiveOptions {
  /** Before the load begins, the outbox already running. */
  readonly before?: () => Promise<unknown>;
  /** Called for the special messages. */
  readonly special?: Handle;
  /** Asked before each batch of another destination. */
  readonly deliverElsewhere?: () => void;
  /** How long the last messages may take. */
  readonly graceMs?: number;
}

/** Our outbox under a load that another thread writes. @throws when a message is lost, comes twice or out of order. */
export async function runCellway(database: BenchDatabase, load: Load, options: LiveOptions = {}): Promise<LiveResult> {
  await clearOutbox(database.pool);
  const ledger = new Ledger();
  const holder: { run?: LiveRun } = {};
  const inProcess = createInProcessCourier(async (message) => {
    const place = Number(message.objectId);
    if (place < 0 || isSpecial(load, place)) {
      await options.special?.(message);
      return;
    }
    ledger.take(message.shardId, Number(message.version));
    holder.run?.handled(place);
  });
  const outbox = openOutbox(database, {
    async deliver(destination, messages, call) {
      if (destination !== "us1") options.deliverElsewhere?.();
      return inProcess.deliver(destination, messages, call);
    },
  });
  try {
    outbox.start();
    await options.before?.();
    await eventually(async () => outbox.isOwner, 10_000, "taking the outbox over");
    holder.run = await startLoad("cellway", database.url, load);
    const result = await holder.run.finish(options.graceMs ?? 10_000);
    if (load.specialEvery === 0) await eventually(() => isEmpty(database.pool), 10_000, "the end of the load");
    assertClean("the load", ledger, ledger.deliveries, result.missing);
    return result;
  } finally {
    await outbox.stop();
  }
}

/** A peer under the same load; what does not come in time is counted as missing. */
export async function runPeer(
  contenders: Contenders,
  kind: Exclude<Kind, "cellway">,
  load: Load,
  graceMs: number,
): Promise<LiveResult> {
  const holder: { run?: LiveRun } = {};
  const handle = ({ place }: { place: number }) => holder.run?.handled(place);
  if (kind === "graphile") {
    await contenders.graphile.pool.query("truncate graphile_worker._private_jobs");
    const runner = await startGraphile(contenders.graphile, handle);
    holder.run = await startLoad(kind, contenders.graphile.url, load);
    const result = await holder.run.finish(graceMs);
    await runner.stop();
    return result;
  }
  await contenders.boss.pool.query("delete from pgboss.job");
  const running = startBoss(contenders.pgBoss, handle);
  holder.run = await startLoad(kind, contenders.boss.url, load);
  const result = await holder.run.finish(graceMs);
  await running.stop();
  return result;
}

/** The names of contenders in tables. */
export const NAMES: Readonly<Record<Kind, string>> = {
  cellway: "cellway outbox",
  graphile: GRAPHILE,
  "pg-boss": PG_BOSS,
};
