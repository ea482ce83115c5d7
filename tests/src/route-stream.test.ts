import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RouteFeedService } from "@cellway/gen/cellway/directory/v1/route_feed";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { explainRoute, type RunningLocator } from "@cellway/locator";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { createEdge, holds, isHeartbeat, routesOf, startEdgeLocator, statementsOf, watchUntil } from "./route-feed.js";
import { RouteWriter } from "./route-writer.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
let all: RunningLocator;
let us: RunningLocator;
let writer: RouteWriter;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  writer = new RouteWriter(fleet.control.databaseUrl);
});
afterAll(async () => {
  await writer?.close();
  await fleet?.stop();
});
beforeEach(async () => {
  await writer.clear();
  [all, us] = await Promise.all([startEdgeLocator(fleet), startEdgeLocator(fleet, { localities: ["us"] })]);
  await holds(all, []);
});
afterEach(async () => {
  fleet.memory?.down.clear();
  await writer.endTransactions();
  await Promise.all([all.stop(), us.stop()]);
});

const control = () => fleet.topology.controlRpcAddress;

describe("the stream", () => {
  test("begins with a snapshot, goes on with changes from a cursor, and says how complete it is", async () => {
    const id = await writer.insert("acme", "us1");
    const rpc = createEdge(fleet);
    const first = await watchUntil(rpc, { localities: ["us"] }, isHeartbeat);
    // What the snapshot already had may come once more as a change of just now.
    const cases = first.map(({ event }) => event.case);
    expect(cases.filter((name, index) => name !== "routes" || cases[index - 1] !== "routes")).toEqual(
      cases.includes("routes", cases.indexOf("snapshotEnd"))
        ? ["snapshotBegin", "routes", "snapshotEnd", "routes", "heartbeat"]
        : ["snapshotBegin", "routes", "snapshotEnd", "heartbeat"],
    );
    expect(first.slice(0, 3).map(({ cursor }) => cursor)).toEqual(["", "", ""]);
    const startedAtMs = Date.now();
    await writer.remove(id);
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
    await writer.pool.query(`insert into control.organization_slug_reservation (slug, organization_id, cell_name)
      select 'many-' || n, 100000 + n, 'us1' from generate_series(1, 10001) n`);
    await writer.pool.query(`insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
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
  await writer.insert("acme", "us1");
  await holds(us, ["acme@us1"]);
  await writer.pool.query("update control.route_change set created_at = now() - interval '2 days'");
  const count = async () =>
    (await writer.pool.query("select count(*)::int as count from control.route_change")).rows[0].count;
  await fleet.control.tasks.runNow("directory.prune-route-log");
  expect(await count()).toBe(0);
  await writer.insert("globex", "us2");
  await holds(us, ["acme@us1", "globex@us2"]);
  await fleet.control.tasks.runNow("directory.prune-route-log");
  expect(await count()).toBe(1);
});

test("control resolves from memory: a call costs no query, and the route changes within a second", async () => {
  const id = await writer.insert("acme", "us1");
  const lookups = (outcome: string) => fleet.control.metrics.value("cellway_locator_lookups_total", { outcome });
  await until("control knows it", async () => (await cellOf(id)) === "us1");
  const before = [await lookups("memory"), (await lookups("question")) + (await lookups("absent"))] as const;
  for (let round = 0; round < 10; round += 1) expect(await cellOf(id)).toBe("us1");
  expect([await lookups("memory"), (await lookups("question")) + (await lookups("absent"))]).toEqual([
    before[0] + 10,
    before[1],
  ]);
  await writer.move(id, "de1");
  await until("control has learned it", async () => (await cellOf(id)) === "de1");
});

async function cellOf(organizationId: string): Promise<string | null> {
  const { runsIn } = await fleet.control.rpc.explain(OrganizationService.method.getOrganization, { organizationId });
  return runsIn;
}

test("a control that nobody can reach leaves a locator its routes and says UNAVAILABLE of what it does not know", async () => {
  await writer.insert("acme", "us1");
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

test("a locator that starts while control is away routes from its copy on disk, says how old it is, and follows later", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cellway-routes-"));
  const disk = { path: join(folder, "routes"), pauseMs: 1 };
  const id = await writer.insert("acme", "us1");
  const before = await startEdgeLocator(fleet, { disk });
  await until("the copy has the route", async () => (await readFile(disk.path).catch(() => "")).includes("acme"));
  await before.stop();
  fleet.memory?.down.add(control());
  const after = await startEdgeLocator(fleet, { disk });
  expect(routesOf(after)).toEqual(["acme@us1"]);
  const explanation = await explainRoute(after.locator, { kind: "slug", value: "acme" });
  expect(explanation).toMatchObject({ cell: "us1", locality: "us", from: "disk" });
  expect(explanation.ageMs).toBeGreaterThan(0);
  await writer.move(id, "us2");
  fleet.memory?.down.clear();
  await holds(after, ["acme@us2"]);
  await after.stop();
  await rm(folder, { recursive: true });
});
