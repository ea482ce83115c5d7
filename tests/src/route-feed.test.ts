import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { RouteFeedService } from "@cellway/gen/cellway/directory/v1/route_feed";
import type { RunningLocator } from "@cellway/locator";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { createEdge, isHeartbeat, routesOf, startEdgeLocator, statementsOf, watchUntil } from "./route-feed.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
let all: RunningLocator;
let us: RunningLocator;
let nextId = 1_000;
let pool: pg.Pool;
/** What a test has begun. */
const open: pg.Client[] = [];

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  pool = new pg.Pool({ connectionString: fleet.control.databaseUrl, max: 8 });
  pool.on("error", () => {});
});
afterAll(async () => {
  await pool?.end();
  await fleet?.stop();
});
beforeEach(async () => {
  await pool.query("delete from control.organization_mapping; delete from control.organization_slug_reservation");
  [all, us] = await Promise.all([startEdgeLocator(fleet), startEdgeLocator(fleet, { localities: ["us"] })]);
  await holds(all, []);
});
afterEach(async () => {
  fleet.memory?.down.clear();
  await Promise.all(open.splice(0).map((client) => client.end()));
  await Promise.all([all.stop(), us.stop()]);
});

interface Sql {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

const control = () => fleet.topology.controlRpcAddress;

/** What the directory itself does, without a cell. */
async function insert(slug: string, cell: string, sql: Sql = pool): Promise<string> {
  nextId += 1;
  const id = String(nextId);
  await reserve(id, slug, cell, sql);
  await sql.query(
    `insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
      values ($1, $2, $2, 'ACTIVE', $3, 1, now())`,
    [id, slug, cell],
  );
  return id;
}

async function reserve(id: string, slug: string, cell: string, sql: Sql = pool): Promise<void> {
  const text = `insert into control.organization_slug_reservation (slug, organization_id, cell_name) values ($1, $2, $3)
    on conflict (organization_id) do nothing`;
  await sql.query(text, [slug, id, cell]);
}

const move = (id: string, cell: string, sql: Sql = pool) =>
  sql.query("update control.organization_mapping set cell_name = $2 where organization_id = $1", [id, cell]);

async function remove(id: string, sql: Sql = pool): Promise<void> {
  await sql.query("delete from control.organization_mapping where organization_id = $1", [id]);
  await sql.query("delete from control.organization_slug_reservation where organization_id = $1", [id]);
}

async function rename(id: string, slug: string, sql: Sql = pool): Promise<void> {
  const retire =
    "update control.organization_slug_reservation set organization_id = -$1::bigint where organization_id = $1";
  await sql.query(retire, [id]);
  await reserve(id, slug, "us1", sql);
  await sql.query("update control.organization_mapping set slug = $2 where organization_id = $1", [id, slug]);
  await sql.query("delete from control.organization_slug_reservation where organization_id = -$1::bigint", [id]);
}

/** A transaction that is open until it is told how to end. */
async function begin(): Promise<Sql & { end(how: "commit" | "rollback"): Promise<void> }> {
  const client = new pg.Client({ connectionString: fleet.control.databaseUrl });
  await client.connect();
  await client.query("begin");
  open.push(client);
  return {
    query: (sql, parameters) => client.query(sql, parameters),
    end: async (how) => void (await client.query(how)),
  };
}

/** Resolves once the locator holds these routes and no others; fails when that takes a second. */
async function holds(running: RunningLocator, expected: readonly string[]): Promise<void> {
  const giveUpAt = performance.now() + 1_000;
  const wanted = JSON.stringify(expected.toSorted());
  await until("the locator holds the routes", () => {
    return JSON.stringify(routesOf(running)) === wanted || performance.now() > giveUpAt;
  });
  expect(routesOf(running)).toEqual(expected.toSorted());
}

describe("within a second every locator has", () => {
  test("a new organization and a delete", async () => {
    const id = await insert("acme", "us1");
    await insert("globex", "de1");
    await Promise.all([holds(all, ["acme@us1", "globex@de1"]), holds(us, ["acme@us1"])]);
    await remove(id);
    await Promise.all([holds(all, ["globex@de1"]), holds(us, [])]);
    expect(us.locator.peekId(id)).toBeUndefined();
  });

  test("a rename, and the old slug leads nowhere", async () => {
    const id = await insert("before", "us1");
    await rename(id, "after");
    await Promise.all([holds(all, ["after@us1"]), holds(us, ["after@us1"])]);
    expect(us.locator.peekSlug("before")).toBeUndefined();
    expect(us.locator.peekSlug("after")?.name).toBe("us1");
  });

  test("a slug that is used again, by another organization in another cell", async () => {
    await remove(await insert("again", "us1"));
    const second = await insert("again", "us2");
    await Promise.all([holds(all, ["again@us2"]), holds(us, ["again@us2"])]);
    await remove(second);
    await insert("again", "de1");
    await Promise.all([holds(all, ["again@de1"]), holds(us, [])]);
  });

  test("slugs that two organizations exchange in one transaction", async () => {
    const one = await insert("one", "us1");
    const other = await insert("other", "us2");
    const transaction = await begin();
    await rename(one, "third", transaction);
    await rename(other, "one", transaction);
    await rename(one, "other", transaction);
    await transaction.end("commit");
    await holds(us, ["other@us1", "one@us2"]);
  });

  test("a move, and one out of its locality as a delete", async () => {
    const id = await insert("mover", "us1");
    await holds(us, ["mover@us1"]);
    await move(id, "us2");
    await Promise.all([holds(all, ["mover@us2"]), holds(us, ["mover@us2"])]);
    await move(id, "de1");
    await Promise.all([holds(all, ["mover@de1"]), holds(us, [])]);
    expect(await us.locator.find({ kind: "slug", value: "mover" })).toEqual({
      outcome: "elsewhere",
      cellName: "de1",
      locality: "de",
    });
    await move(id, "us1");
    await Promise.all([holds(all, ["mover@us1"]), holds(us, ["mover@us1"])]);
    expect(await us.locator.find({ kind: "slug", value: "mover" })).toMatchObject({ outcome: "routed" });
  });

  test("a new cell and its address, and a cell that moves to another locality with all that lives there", async () => {
    await insert("settled", "us2");
    await pool.query(
      "insert into control.cell (name, number, locality, rpc_address) values ('us9', 9, 'us', 'http://us9.test:1')",
    );
    await until("us9 is known", () => us.locator.memory.findCell("us9")?.address === "http://us9.test:1");
    await pool.query("update control.cell set rpc_address = 'http://us9.test:2' where name = 'us9'");
    await until("us9 has moved house", () => all.locator.memory.findCell("us9")?.address === "http://us9.test:2");
    await holds(us, ["settled@us2"]);
    await pool.query("update control.cell set locality = 'de' where name = 'us2'");
    await Promise.all([holds(us, []), holds(all, ["settled@us2"])]);
    await pool.query("update control.cell set locality = 'us' where name = 'us2'");
    await holds(us, ["settled@us2"]);
    await pool.query("delete from control.cell where name = 'us9'");
    await until("us9 is gone", () => us.locator.memory.findCell("us9") === undefined);
  });
});

describe("no stale route survives a reconnect", () => {
  /** Control goes away, things change, and it comes back as another process. */
  async function whileAway(change: () => Promise<void>): Promise<void> {
    await fleet.stopSilo("control");
    await until("nobody follows", () => !all.following.isConnected() && !us.following.isConnected());
    await change().finally(() => fleet.restart("control"));
    await until("all follow", () => all.following.isConnected() && us.following.isConnected());
  }

  test("that goes on from its cursor", async () => {
    const gone = await insert("gone", "us1");
    const moved = await insert("moved", "us1");
    const renamed = await insert("renamed", "us1");
    await holds(us, ["gone@us1", "moved@us1", "renamed@us1"]);
    await whileAway(async () => {
      await remove(gone);
      await move(moved, "de1");
      await rename(renamed, "new-name");
      await insert("gone", "us2");
    });
    await holds(us, ["new-name@us1", "gone@us2"]);
    await holds(all, ["new-name@us1", "gone@us2", "moved@de1"]);
    expect(await countSnapshots()).toBe(1);
  });

  test("whose cursor is older than the log: a snapshot comes, and what is gone goes", async () => {
    const gone = await insert("gone", "us1");
    await insert("stays", "us2");
    await holds(us, ["gone@us1", "stays@us2"]);
    await whileAway(async () => {
      await remove(gone);
      const last = "(select last_value from control.route_change_id)";
      await pool.query(`update control.route_log set settled_id = ${last}, pruned_id = ${last}`);
      await pool.query("delete from control.route_change");
    });
    await holds(us, ["stays@us2"]);
    await holds(all, ["stays@us2"]);
  });

  test("after which the database was put back to an earlier state: epochs of before mean nothing", async () => {
    const id = await insert("old-slug", "us1");
    await holds(us, ["old-slug@us1"]);
    const { rows } = await pool.query("select last_value from control.route_change_id");
    await rename(id, "new-slug");
    const never = await insert("never-was", "us2");
    for (let round = 0; round < 10; round += 1) await move(never, round % 2 === 0 ? "us1" : "us2");
    await holds(us, ["new-slug@us1", "never-was@us2"]);
    // A control that starts takes some epochs for nothing, so that the log is soon where it was.
    await until("the cursor has moved on", () => cursorIdOf(us) > Number(rows[0].last_value) + 10);
    await whileAway(async () => {
      await pool.query(
        "truncate control.route_change; delete from control.organization_mapping where slug = 'never-was'",
      );
      await rename(id, "old-slug");
      await pool.query("truncate control.route_change");
      await pool.query("alter table control.organization_mapping disable trigger user");
      await pool.query("update control.organization_mapping set route_epoch = 2");
      await pool.query("alter table control.organization_mapping enable trigger user");
      await pool.query("select setval('control.route_change_id', $1)", [rows[0].last_value]);
      await pool.query("update control.route_log set settled_id = $1, pruned_id = 1", [rows[0].last_value]);
    });
    await holds(us, ["old-slug@us1"]);
    await move(id, "us2");
    await holds(us, ["old-slug@us2"]);
  });

  const countSnapshots = async () => {
    const messages = await watchUntil(createEdge(fleet), {}, isHeartbeat);
    return messages.filter(({ event }) => event.case === "snapshotBegin").length;
  };
  const cursorIdOf = ({ locator }: RunningLocator) =>
    Number(Buffer.from(locator.memory.cursor, "base64url").toString().split(" ")[1]);
});

describe("a transaction that commits late", () => {
  test("is not skipped: it was opened first and committed last, while an unrelated one stays open", async () => {
    const unrelated = await begin();
    await unrelated.query("select pg_current_xact_id()");
    const late = await begin();
    await insert("late", "us1", late);
    await insert("between-1", "us1");
    await insert("between-2", "us2");
    await holds(us, ["between-1@us1", "between-2@us2"]);
    await late.end("commit");
    await holds(us, ["between-1@us1", "between-2@us2", "late@us1"]);
    await unrelated.end("rollback");
  });

  test("is not skipped by a consumer that went on from its cursor in between", async () => {
    const late = await begin();
    await insert("late", "us1", late);
    const between = await insert("between", "us1");
    const rpc = createEdge(fleet);
    const first = await watchUntil(rpc, {}, isHeartbeat);
    const cursor = first.at(-1)?.cursor ?? "";
    expect(statementsOf(first)).toEqual([`${between}@us1`]);
    await late.end("commit");
    const rest = await watchUntil(rpc, { cursor }, (message) => statementsOf([message]).includes(`${nextId - 1}@us1`));
    expect(rest.some(({ event }) => event.case === "snapshotBegin")).toBe(false);
  });

  test("and deletes does not bring back what it deleted, nor take away what came after it", async () => {
    const id = await insert("contested", "us1");
    const late = await begin();
    await remove(id, late);
    const successor = begin().then(async (transaction) => {
      await insert("contested", "us2", transaction);
      await transaction.end("commit");
    });
    await insert("other", "us1");
    await holds(us, ["contested@us1", "other@us1"]);
    await late.end("commit");
    await successor;
    await holds(us, ["contested@us2", "other@us1"]);
  });
});

describe("the stream", () => {
  test("begins with a snapshot, goes on with changes from a cursor, and says how complete it is", async () => {
    const id = await insert("acme", "us1");
    const rpc = createEdge(fleet);
    const first = await watchUntil(rpc, { localities: ["us"] }, isHeartbeat);
    expect(first.map(({ event }) => event.case)).toEqual([
      "snapshotBegin",
      "routes",
      "routes",
      "snapshotEnd",
      "heartbeat",
    ]);
    expect(first.slice(0, 3).map(({ cursor }) => cursor)).toEqual(["", "", ""]);
    const startedAtMs = Date.now();
    await remove(id);
    const cursor = first.at(-1)?.cursor ?? "";
    const rest = await watchUntil(
      rpc,
      { localities: ["us"], cursor },
      ({ event }) => event.case === "heartbeat" && Number(event.value.completeUntil?.seconds) * 1_000 >= startedAtMs,
    );
    expect(statementsOf(rest)).toContain(`${id}-`);
    expect(rest.some(({ event }) => event.case === "snapshotBegin")).toBe(false);
  });

  test.each([
    ["of other localities", (cursor: string) => ({ cursor, localities: ["de"] })],
    ["that nobody gave out", () => ({ cursor: "bm9uc2Vuc2U" })],
  ])("with a cursor %s begins with a snapshot that says so", async (_what, request) => {
    const rpc = createEdge(fleet);
    const cursor = (await watchUntil(rpc, {}, isHeartbeat)).at(-1)?.cursor ?? "";
    const [begin] = await watchUntil(rpc, request(cursor), isHeartbeat);
    expect(begin?.event).toMatchObject({ case: "snapshotBegin", value: { reason: expect.stringContaining("cursor") } });
  });

  test("ends in order before its deadline", async () => {
    const feed = createEdge(fleet).client(RouteFeedService);
    const cases: (string | undefined)[] = [];
    for await (const { event } of feed.watchRoutes({}, { timeoutMs: 1_500 })) cases.push(event.case);
    expect(cases.at(-1)).toBe("heartbeat");
  });

  test("of a consumer that does not read is ended with WATCHER_TOO_SLOW, and it goes on with its cursor", async () => {
    const rpc = createEdge(fleet);
    const messages = rpc.client(RouteFeedService).watchRoutes({})[Symbol.asyncIterator]();
    let cursor = "";
    for (let item = await messages.next(); !item.done; item = await messages.next()) {
      cursor = item.value.cursor;
      if (isHeartbeat(item.value)) break;
    }
    await pool.query(`insert into control.organization_slug_reservation (slug, organization_id, cell_name)
      select 'many-' || n, 100000 + n, 'us1' from generate_series(1, 10001) n`);
    await pool.query(`insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
      select 100000 + n, 'many-' || n, 'm', 'ACTIVE', 'us1', 1, now() from generate_series(1, 10001) n`);
    const drain = async () => {
      for (let item = await messages.next(); !item.done; item = await messages.next()) cursor = item.value.cursor;
    };
    // The others keep up.
    await until("the others have them all", () => us.locator.memory.table.count === 10_001);
    expect(await failureOf(drain())).toEqual({ code: Code.Aborted, reason: "WATCHER_TOO_SLOW" });
    const rest = await watchUntil(rpc, { cursor }, isHeartbeat);
    expect(new Set(statementsOf(rest)).size).toBe(10_001);
  }, 30_000);

  test("is control's to follow, and no cell's", async () => {
    const messages = fleet.cell("us1").rpc.client(RouteFeedService).watchRoutes({})[Symbol.asyncIterator]();
    expect(await failureOf(messages.next())).toEqual({ code: Code.PermissionDenied, reason: "CALLER_NOT_ALLOWED" });
  });
});

test("the log is cut by age once it is settled, and a consumer that is up to date does not notice", async () => {
  await insert("acme", "us1");
  await holds(us, ["acme@us1"]);
  await pool.query("update control.route_change set created_at = now() - interval '2 days'");
  const count = async () => (await pool.query("select count(*)::int as count from control.route_change")).rows[0].count;
  await fleet.control.tasks.runNow("directory.prune-route-log");
  expect(await count()).toBe(0);
  await insert("globex", "us2");
  await holds(us, ["acme@us1", "globex@us2"]);
  await fleet.control.tasks.runNow("directory.prune-route-log");
  expect(await count()).toBe(1);
});

test("control resolves from memory: a call costs no query, and the route changes within a second", async () => {
  const id = await insert("acme", "us1");
  const method = DirectoryService.method.getOrganizationMapping;
  expect(method.name).toBe("GetOrganizationMapping");
  const lookups = (outcome: string) => fleet.control.metrics.value("cellway_locator_lookups_total", { outcome });
  await until("control knows it", async () => (await cellOf(id)) === "us1");
  const before = [await lookups("memory"), (await lookups("question")) + (await lookups("absent"))] as const;
  for (let round = 0; round < 10; round += 1) expect(await cellOf(id)).toBe("us1");
  expect([await lookups("memory"), (await lookups("question")) + (await lookups("absent"))]).toEqual([
    before[0] + 10,
    before[1],
  ]);
  await move(id, "de1");
  await until("control has learned it", async () => (await cellOf(id)) === "de1");
});

async function cellOf(organizationId: string): Promise<string | null> {
  const { OrganizationService } = await import("@cellway/gen/cellway/organization/v1/organization");
  const { runsIn } = await fleet.control.rpc.explain(OrganizationService.method.getOrganization, { organizationId });
  return runsIn;
}

test("a control that nobody can reach leaves a locator its routes and says UNAVAILABLE of what it does not know", async () => {
  await insert("acme", "us1");
  await holds(us, ["acme@us1"]);
  fleet.memory?.down.add(control());
  expect(us.locator.peekSlug("acme")?.name).toBe("us1");
  expect(await failureOf(us.locator.find({ kind: "slug", value: "unheard-of" }))).toEqual({
    code: Code.Unavailable,
    reason: "ROUTE_UNKNOWN",
  });
  fleet.memory?.down.clear();
  expect(await us.locator.find({ kind: "slug", value: "unheard-of" })).toEqual({ outcome: "absent" });
});
