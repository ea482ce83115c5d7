import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { RouteKeyKind } from "@cellway/gen/cellway/directory/v1/route_feed";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { explainRoute, type RunningLocator } from "@cellway/locator";
import { createRpcError } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, until } from "./organizations.js";
import { createEdge, holds, isHeartbeat, startEdgeLocator, watchUntil } from "./route-feed.js";
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
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  await writer.endTransactions();
  await Promise.all([all.stop(), us.stop()]);
});

const bothHold = (expected: readonly string[]) => Promise.all([holds(all, expected), holds(us, expected)]);

describe("within a second every locator has", () => {
  test("an alias, and its end; then the slug may lead to another organization in another cell", async () => {
    const id = await writer.insert("acme", "us1");
    await writer.addAlias(id, "old");
    await bothHold(["acme@us1", "old>acme@us1"]);
    await writer.dropAlias("old");
    await bothHold(["acme@us1"]);
    await writer.insert("old", "us2");
    await bothHold(["acme@us1", "old@us2"]);
    expect(us.locator.peekSlug("old")?.name).toBe("us2");
  });

  test("a rename whose old slug stays, and a rename back", async () => {
    const id = await writer.insert("one", "us1");
    await writer.renameKeeping(id, "two");
    await bothHold(["two@us1", "one>two@us1"]);
    await writer.pool.query(
      "update control.organization_slug_reservation set kind = 'RENAME', expires_at = null where slug = 'one'",
    );
    const transaction = await writer.begin();
    const table = "control.organization_slug_reservation";
    // The mapping first, as no code of the directory has it: the order within a transaction does not matter.
    await transaction.query("update control.organization_mapping set slug = 'one' where organization_id = $1", [id]);
    await transaction.query(`update ${table} set kind = 'ALIAS', expires_at = now() where slug = 'two'`);
    await transaction.query(`update ${table} set kind = 'PRIMARY' where slug = 'one'`);
    await transaction.end("commit");
    await bothHold(["one@us1", "two>one@us1"]);
  });

  test("a project key, another public half of it, and its removal", async () => {
    const id = await writer.insert("acme", "us1");
    const keyId = await writer.addKey(id, "a1");
    await bothHold(["acme@us1", "#a1>acme@us1"]);
    await writer.pool.query("update control.project_key_mapping set public_key = 'a2', version = 2");
    await bothHold(["acme@us1", "#a2>acme@us1"]);
    await writer.removeKey(keyId);
    await bothHold(["acme@us1"]);
    await writer.addKey(await writer.insert("globex", "us2"), "a2");
    await bothHold(["acme@us1", "globex@us2", "#a2>globex@us2"]);
    await writer.pool.query("delete from control.project_key_mapping");
    await bothHold(["acme@us1", "globex@us2"]);
  });

  test("everything that leads to an organization goes with it when it is deleted", async () => {
    const id = await writer.insert("acme", "us1");
    await writer.addAlias(id, "old");
    await writer.addKey(id, "a1");
    await bothHold(["acme@us1", "old>acme@us1", "#a1>acme@us1"]);
    await writer.pool.query("delete from control.organization_mapping where organization_id = $1", [id]);
    await bothHold([]);
    expect([
      await all.locator.find({ kind: "projectKey", value: "a1" }),
      all.locator.memory.table.countKeys("alias"),
    ]).toEqual([{ outcome: "absent" }, 0]);
  });

  test("everything that leads to an organization follows it out of a locality, as deletes, and back", async () => {
    const id = await writer.insert("acme", "us1");
    await writer.addAlias(id, "old");
    await writer.addKey(id, "a1");
    await bothHold(["acme@us1", "old>acme@us1", "#a1>acme@us1"]);
    await writer.move(id, "us2");
    await bothHold(["acme@us2", "old>acme@us2", "#a1>acme@us2"]);
    await writer.move(id, "de1");
    await Promise.all([holds(all, ["acme@de1", "old>acme@de1", "#a1>acme@de1"]), holds(us, [])]);
    const elsewhere = { outcome: "elsewhere", cellName: "de1", locality: "de" };
    expect(await us.locator.find({ kind: "slug", value: "old" })).toEqual(elsewhere);
    expect(await us.locator.find({ kind: "projectKey", value: "a1" })).toEqual(elsewhere);
    await writer.move(id, "us1");
    await bothHold(["acme@us1", "old>acme@us1", "#a1>acme@us1"]);
  });

  test("a key and an alias that were there before their organization", async () => {
    await writer.addKey(String(writer.lastId + 2), "a1");
    await writer.addAlias(String(writer.lastId + 1), "old");
    await writer.insert("acme", "us1");
    await bothHold(["acme@us1", "old>acme@us1", "#a1>acme@us1"]);
  });

  test("a key that commits beside the mapping of its organization, whichever of the two is first", async () => {
    for (const order of ["key", "mapping"]) {
      const mapping = await writer.begin();
      const key = await writer.begin();
      const slug = `beside-${order}`;
      const id = String(writer.lastId + 1);
      const insertKey = () => writer.addKey(id, `k-${order}`, key);
      await mapping.query(
        "insert into control.organization_slug_reservation (slug, organization_id, cell_name) values ($1, $2, 'us1')",
        [slug, id],
      );
      await mapping.end("commit");
      await mapping.query("begin");
      if (order === "key") await insertKey();
      const inserting = mapping.query(
        `insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
          values ($1, $2, $2, 'ACTIVE', 'us1', 1, now())`,
        [id, slug],
      );
      if (order === "mapping") {
        await inserting;
        const waiting = insertKey();
        await until("the key waits for the mapping", isBlocked);
        await mapping.end("commit");
        await waiting;
        await key.end("commit");
      } else {
        await until("the mapping waits for the key", isBlocked);
        await key.end("commit");
        await inserting;
        await mapping.end("commit");
      }
    }
    await bothHold(["beside-key@us1", "#k-key>beside-key@us1", "beside-mapping@us1", "#k-mapping>beside-mapping@us1"]);
  });
});

const isBlocked = async () => {
  const sql = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  return (await writer.pool.query(sql)).rowCount === 1;
};

describe("a rename under way", () => {
  const directory = () => fleet.client(DirectoryService);
  const namesOf = async (slug: string) => {
    const cell = us.locator.peekSlug(slug)?.name;
    return [cell, (await us.locator.find({ kind: "slug", value: slug })).outcome];
  };

  test("leads both slugs to the organization at each step, and only its own when it is undone", async () => {
    const { id, slug } = await createOrganization(fleet, { cellName: "us1", ownerUserId: "7" });
    await holds(us, [`${slug}@us1`]);
    const { memory } = fleet;
    if (memory === undefined) throw new Error("needs the in-memory network");
    const taken = new Promise<void>((resolve) => {
      memory.onRequest = async (request) => {
        if (!request.url.endsWith("ChangeOrganizationSlug")) return;
        await holds(us, [`${slug}@us1`, `taken>${slug}@us1`]);
        resolve();
        throw createRpcError(Code.NotFound, "ORGANIZATION_NOT_FOUND", "refused");
      };
    });
    const renaming = failureOf(directory().renameOrganization({ organizationId: id, slug: "taken" }));
    await taken;
    await renaming;
    await holds(us, [`${slug}@us1`]);
    expect(await namesOf("taken")).toEqual([undefined, "absent"]);
    memory.onRequest = undefined;
    await directory().renameOrganization({ organizationId: id, slug: "renamed" });
    await holds(us, ["renamed@us1", `${slug}>renamed@us1`]);
    expect(await namesOf(slug)).toEqual(["us1", "routed"]);
    await fleet.control
      .database("CONTROL")
      .query(
        "update control.organization_slug_reservation set expires_at = now() - interval '1 hour' where kind = 'ALIAS'",
      );
    await fleet.control.tasks.runNow("directory.drop-expired-aliases");
    await holds(us, ["renamed@us1"]);
  });
});

describe("who does not know of keys", () => {
  const keys = [RouteKeyKind.SLUG_ALIAS, RouteKeyKind.PROJECT_KEY];

  test("is told of organizations alone, and the cursor is no good for somebody who does", async () => {
    const id = await writer.insert("acme", "us1");
    await writer.addAlias(id, "old");
    await writer.addKey(id, "a1");
    const rpc = createEdge(fleet);
    const plain = await watchUntil(rpc, {}, isHeartbeat);
    // What is said may be repeated.
    const casesOf = (messages: typeof plain) => {
      const routes = messages.flatMap(({ event }) => (event.case === "routes" ? event.value.routes : []));
      return new Set(routes.map(({ key }) => key.case));
    };
    expect(casesOf(plain)).toEqual(new Set(["organization"]));
    const cursor = plain.at(-1)?.cursor ?? "";
    const whole = await watchUntil(rpc, { cursor, keys }, isHeartbeat);
    expect(whole[0]?.event).toMatchObject({
      case: "snapshotBegin",
      value: { reason: "the cursor is of other localities or keys" },
    });
    expect(casesOf(whole)).toEqual(new Set(["organization", "slugAlias", "projectKey"]));
    const again = await watchUntil(rpc, { cursor: whole.at(-1)?.cursor ?? "", keys: keys.toReversed() }, isHeartbeat);
    expect(again.some(({ event }) => event.case === "snapshotBegin")).toBe(false);
  });

  test("and control that does not know a kind of keys gives no cursor that is good for one that does", async () => {
    const rpc = createEdge(fleet);
    const cursorOf = async (wanted: readonly number[]) =>
      (await watchUntil(rpc, { keys: [...wanted] }, isHeartbeat)).at(-1)?.cursor ?? "";
    const cursor = await cursorOf([...keys, 15]);
    const [first] = await watchUntil(rpc, { cursor, keys }, isHeartbeat);
    expect(first?.event.case).toBe("heartbeat");
  });
});

test("control resolves by an alias, explains it, and answers project keys, from memory", async () => {
  const id = await writer.insert("acme", "us1");
  await writer.addAlias(id, "old");
  await writer.addKey(id, "a".repeat(32));
  const lookups = (outcome: string) => fleet.control.metrics.value("cellway_locator_lookups_total", { outcome });
  const cellOf = async (slug: string) =>
    (await fleet.control.rpc.explain(OrganizationService.method.getOrganizationBySlug, { slug })).runsIn;
  await until("control has the alias in memory", async () => {
    const before = await lookups("memory");
    return (await cellOf("old")) === "us1" && (await lookups("memory")) > before;
  });
  const before = await lookups("question");
  for (let round = 0; round < 5; round += 1) expect(await cellOf("old")).toBe("us1");
  expect(await lookups("question")).toBe(before);
  const { mapping } = await createEdge(fleet)
    .client(DirectoryService)
    .getOrganizationMapping({ organization: { case: "projectPublicKey", value: "a".repeat(32) } });
  expect(mapping).toMatchObject({ organizationId: id, cellName: "us1" });
  await holds(us, ["acme@us1", "old>acme@us1", `#${"a".repeat(32)}>acme@us1`]);
  expect(await explainRoute(us.locator, { kind: "projectKey", value: "a".repeat(32) })).toMatchObject({
    rule: "project key",
    organizationId: id,
    cell: "us1",
    locality: "us",
  });
});
