import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { type RunningLocator, startLocator } from "@cellway/locator";
import { createHttpNetwork, createRpcRuntime, DEFAULT_LIMITS, type RpcRuntime } from "@cellway/rpc";
import { createControlSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import pg from "pg";
import type { BenchOptions } from "../options.js";
import { percentile } from "../outbox/ledger.js";
import { median } from "../rpc/measure.js";
import { printTable } from "../table.js";
import { type BenchControl, startBenchControl } from "./control.js";
import { measureFanOut } from "./fan-out.js";
import { BUSY_USER_ID, type DirectorySize, generateDirectory } from "./generate.js";
import { measureUserChange, startReceivingCells } from "./user-change.js";

/** Changes that are followed from their commit to a locator. */
const CHANGES = 200;
/** Lists of a user's organizations. */
const LISTS = 50;

interface Figure {
  readonly what: string;
  readonly figure: string;
  readonly beside: string;
}

/** A directory of 1,000 cells: what a locator, a user's list and a question to all cells take. Prints and writes JSON. */
export async function runDirectoryBench(options: BenchOptions): Promise<void> {
  const organizations = Math.round(1_000_000 * options.scale);
  const size: DirectorySize = { cells: 1_000, organizations, cellsOfUser: 500 };
  console.log(`node ${process.version}, ${cpus().length} cpus (${cpus()[0]?.model.trim() ?? "unknown"})`);
  console.log(`${size.cells} cells, ${organizations} organizations, as many project keys, every 20th with an alias\n`);
  // What is measured keeps no process alive.
  const awake = setInterval(() => {}, 1_000);
  // Organization n lives in cell 1 + n.
  const cells = await startReceivingCells(Array.from({ length: size.cellsOfUser }, (_, index) => `c${index + 2}`));
  const control = await startBenchControl((url) => generateDirectory(url, size, cells.addresses));
  const network = createHttpNetwork(DEFAULT_LIMITS);
  const pool = new pg.Pool({ connectionString: control.databaseUrl, max: 4 });
  const figures: Figure[] = [];
  try {
    const rpc = createEdge(control, network);
    const { running, figure } = await measureSnapshot(rpc, pool, size);
    figures.push(figure);
    figures.push(await measureArrival(running, pool, size));
    await running.stop();
    figures.push(await measureLists(rpc, pool, size));
    figures.push(await measureUserChange(control.silo.rpc, cells));
  } finally {
    await pool.end();
    await network.close();
    await control.stop();
    await cells.close();
  }
  const fanOut = await measureFanOut();
  clearInterval(awake);
  printTable(figures.map(({ what, figure, beside }) => ({ what, figure, beside })));
  console.log("\nA question to 1,000 simulated cells: 980 answer in 5 ms, 10 refuse, 10 never answer; 1 s for each");
  printTable(
    fanOut.map(({ name, ms, answered, missing }) => ({ name, "median ms": Math.round(ms), answered, missing })),
  );
  await mkdir(dirname(options.out), { recursive: true });
  const written = { node: process.version, at: new Date().toISOString(), size, figures, fanOut };
  await writeFile(options.out, `${JSON.stringify(written, null, 2)}\n`);
  console.log(`\nwritten to ${options.out}`);
}

function createEdge({ keys, rpcAddress }: BenchControl, network: ReturnType<typeof createHttpNetwork>): RpcRuntime {
  return createRpcRuntime({
    silo: createControlSilo(),
    network,
    keys,
    logger: createLogger({ silo: "edge", level: "silent" }),
    metrics: createMetrics({ silo: "edge" }),
    controlAddress: rpcAddress,
    isOperator: true,
  });
}

/** From nothing to all routes, over a socket, beside reading the same rows into a Map over a socket of PostgreSQL. */
async function measureSnapshot(
  rpc: RpcRuntime,
  pool: pg.Pool,
  size: DirectorySize,
): Promise<{ running: RunningLocator; figure: Figure }> {
  const logger = createLogger({ silo: "edge", level: "silent" });
  const plainSeconds = await timeOf(() => readPlainly(pool));
  let running: RunningLocator | undefined;
  const seconds = await timeOf(async () => {
    running = await startLocator({ rpc, metrics: createMetrics({ silo: "edge" }), logger });
    await running.following.whenComplete;
  });
  if (running?.locator.memory.table.count !== size.organizations) throw new Error("the locator lacks organizations");
  const { table } = running.locator.memory;
  const routes = table.count + table.countKeys("alias") + table.countKeys("projectKey");
  const figure = {
    what: `snapshot of ${routes} routes to a locator`,
    figure: `${seconds.toFixed(1)} s, ${Math.round(routes / seconds)} routes/s, ${Math.round(table.bytes / table.count)} bytes/organization`,
    beside: `the same rows by SQL into a Map: ${plainSeconds.toFixed(1)} s, ratio ${(seconds / plainSeconds).toFixed(1)}`,
  };
  return { running, figure };
}

async function readPlainly(pool: pg.Pool): Promise<void> {
  const map = new Map<string, unknown>();
  for (const [table, key, columns] of [
    ["organization_mapping", "organization_id", "organization_id::text as key, slug, cell_name, route_epoch"],
    ["project_key_mapping", "project_key_id", "project_key_id::text as key, public_key, organization_id, route_epoch"],
  ]) {
    for (let after = "0"; ; ) {
      const sql = `select ${columns} from control.${table} where ${key} > $1 order by ${key} limit 1000`;
      const { rows } = await pool.query<{ key: string }>(sql, [after]);
      for (const row of rows) map.set(`${table} ${row.key}`, row);
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.key;
    }
  }
}

/** From the commit of a move to the locator's answer, one after the other. No organization of {@link BUSY_USER_ID} moves. */
async function measureArrival({ locator }: RunningLocator, pool: pg.Pool, size: DirectorySize): Promise<Figure> {
  const times: number[] = [];
  const commits: number[] = [];
  for (let index = 0; index < CHANGES; index += 1) {
    const id = String(1 + size.cellsOfUser + ((index * 7_919) % (size.organizations - size.cellsOfUser)));
    const cell = locator.peekId(id)?.name === "c1" ? "c2" : "c1";
    const sql = "update control.organization_mapping set cell_name = $2 where organization_id = $1";
    commits.push(1_000 * (await timeOf(() => pool.query(sql, [id, cell]))));
    const committedAt = performance.now();
    while (locator.peekId(id)?.name !== cell) await new Promise((resolve) => setTimeout(resolve, 1));
    times.push(performance.now() - committedAt);
  }
  return {
    what: "from a commit to a locator",
    figure: `p50 ${Math.round(median(times))} ms, p99 ${Math.round(percentile(times, 0.99))} ms, most ${Math.round(Math.max(...times))} ms`,
    beside: `the commit itself: p50 ${median(commits).toFixed(1)} ms; control reads its log every 100 ms`,
  };
}

/** All organizations of a user of 500 cells, by RPC, beside the same query. */
async function measureLists(rpc: RpcRuntime, pool: pg.Pool, size: DirectorySize): Promise<Figure> {
  const directory = rpc.client(DirectoryService);
  const lists: number[] = [];
  const queries: number[] = [];
  const sql = `select m.*, o.role from control.organization_member_mapping o
    join control.organization_mapping m on m.organization_id = o.organization_id
    where o.user_id = $1 and not o.is_removed order by o.organization_id`;
  for (let round = 0; round < LISTS; round += 1) {
    let found = 0;
    lists.push(
      await timeOf(async () => {
        let pageToken = "";
        do {
          const page = await directory.listUserOrganizations({ userId: BUSY_USER_ID, pageSize: 200, pageToken });
          found += page.organizations.length;
          pageToken = page.nextPageToken;
        } while (pageToken !== "");
      }),
    );
    if (found !== size.cellsOfUser) throw new Error(`${found} organizations were listed`);
    queries.push(await timeOf(() => pool.query(sql, [BUSY_USER_ID])));
  }
  const [list, query] = [1_000 * median(lists), 1_000 * median(queries)];
  return {
    what: `all organizations of a user of ${size.cellsOfUser} cells, pages of 200`,
    figure: `p50 ${list.toFixed(1)} ms, p99 ${(1_000 * percentile(lists, 0.99)).toFixed(1)} ms`,
    beside: `one query of all: p50 ${query.toFixed(1)} ms, ratio ${(list / query).toFixed(1)}`,
  };
}

/** In seconds. */
async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1_000;
}
