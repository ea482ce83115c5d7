import { type RunningLocator } from "@cellway/locator";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { createEdge, holds, isHeartbeat, startEdgeLocator, statementsOf, watchUntil } from "./route-feed.js";
import { RouteWriter } from "./route-writer.js";

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

describe("within a second every locator has", () => {
  test("a new organization and a delete", async () => {
    const id = await writer.insert("acme", "us1");
    await writer.insert("globex", "de1");
    await Promise.all([holds(all, ["acme@us1", "globex@de1"]), holds(us, ["acme@us1"])]);
    await writer.remove(id);
    await Promise.all([holds(all, ["globex@de1"]), holds(us, [])]);
    expect(us.locator.peekId(id)).toBeUndefined();
  });

  test("a rename, and the old slug leads nowhere", async () => {
    const id = await writer.insert("before", "us1");
    await writer.rename(id, "after");
    await Promise.all([holds(all, ["after@us1"]), holds(us, ["after@us1"])]);
    expect(us.locator.peekSlug("before")).toBeUndefined();
    expect(us.locator.peekSlug("after")?.name).toBe("us1");
  });

  test("a slug that is used again, by another organization in another cell", async () => {
    await writer.remove(await writer.insert("again", "us1"));
    const second = await writer.insert("again", "us2");
    await Promise.all([holds(all, ["again@us2"]), holds(us, ["again@us2"])]);
    await writer.remove(second);
    await writer.insert("again", "de1");
    await Promise.all([holds(all, ["again@de1"]), holds(us, [])]);
  });

  test("slugs that two organizations exchange in one transaction", async () => {
    const one = await writer.insert("one", "us1");
    const other = await writer.insert("other", "us2");
    const transaction = await writer.begin();
    await writer.rename(one, "third", transaction);
    await writer.rename(other, "one", transaction);
    await writer.rename(one, "other", transaction);
    await transaction.end("commit");
    await holds(us, ["other@us1", "one@us2"]);
  });

  test("a move, and one out of its locality as a delete", async () => {
    const id = await writer.insert("mover", "us1");
    await holds(us, ["mover@us1"]);
    await writer.move(id, "us2");
    await Promise.all([holds(all, ["mover@us2"]), holds(us, ["mover@us2"])]);
    await writer.move(id, "de1");
    await Promise.all([holds(all, ["mover@de1"]), holds(us, [])]);
    expect(await us.locator.find({ kind: "slug", value: "mover" })).toEqual({
      outcome: "elsewhere",
      cellName: "de1",
      locality: "de",
    });
    await writer.move(id, "us1");
    await Promise.all([holds(all, ["mover@us1"]), holds(us, ["mover@us1"])]);
    expect(await us.locator.find({ kind: "slug", value: "mover" })).toMatchObject({ outcome: "routed" });
  });

  test("a new cell and its address, and a cell that moves to another locality with all that lives there", async () => {
    await writer.insert("settled", "us2");
    await writer.pool.query(
      "insert into control.cell (name, number, locality, rpc_address) values ('us9', 9, 'us', 'http://us9.test:1')",
    );
    await until("us9 is known", () => us.locator.memory.findCell("us9")?.address === "http://us9.test:1");
    await writer.pool.query("update control.cell set rpc_address = 'http://us9.test:2' where name = 'us9'");
    await until("us9 has moved house", () => all.locator.memory.findCell("us9")?.address === "http://us9.test:2");
    await holds(us, ["settled@us2"]);
    await writer.pool.query("update control.cell set locality = 'de' where name = 'us2'");
    await Promise.all([holds(us, []), holds(all, ["settled@us2"])]);
    await writer.pool.query("update control.cell set locality = 'us' where name = 'us2'");
    await holds(us, ["settled@us2"]);
    await writer.pool.query("delete from control.cell where name = 'us9'");
    await until("us9 is gone", () => us.locator.memory.findCell("us9") === undefined);
  });
});

describe("no stale route survives a reconnect", () => {
  /** Control goes away, things change, and it comes back as another process. */
  async function whileAway(change: () => Promise<void>): Promise<void> {
    await fleet.stopSilo("control");
    await until("nobody follows", () => !all.following.isConnected() && !us.following.isConnected());
    try {
      await change();
    } finally {
      await fleet.restart("control");
    }
    await until("all follow", () => all.following.isConnected() && us.following.isConnected());
  }

  test("that goes on from its cursor", async () => {
    const gone = await writer.insert("gone", "us1");
    const moved = await writer.insert("moved", "us1");
    const renamed = await writer.insert("renamed", "us1");
    await holds(us, ["gone@us1", "moved@us1", "renamed@us1"]);
    await whileAway(async () => {
      await writer.remove(gone);
      await writer.move(moved, "de1");
      await writer.rename(renamed, "new-name");
      await writer.insert("gone", "us2");
    });
    await holds(us, ["new-name@us1", "gone@us2"]);
    await holds(all, ["new-name@us1", "gone@us2", "moved@de1"]);
    expect(await countSnapshots()).toBe(1);
  });

  test("whose cursor is older than the log: a snapshot comes, and what is gone goes", async () => {
    const gone = await writer.insert("gone", "us1");
    await writer.insert("stays", "us2");
    await holds(us, ["gone@us1", "stays@us2"]);
    await whileAway(async () => {
      await writer.remove(gone);
      const last = "(select last_value from control.route_change_id)";
      await writer.pool.query(`update control.route_log set settled_id = ${last}, pruned_id = ${last}`);
      await writer.pool.query("delete from control.route_change");
    });
    await holds(us, ["stays@us2"]);
    await holds(all, ["stays@us2"]);
  });

  test("after which the database was put back to an earlier state: epochs of before mean nothing", async () => {
    const id = await writer.insert("old-slug", "us1");
    await holds(us, ["old-slug@us1"]);
    const { rows } = await writer.pool.query("select last_value from control.route_change_id");
    await writer.rename(id, "new-slug");
    const never = await writer.insert("never-was", "us2");
    for (let round = 0; round < 10; round += 1) await writer.move(never, round % 2 === 0 ? "us1" : "us2");
    await holds(us, ["new-slug@us1", "never-was@us2"]);
    // A control that starts takes some epochs for nothing, so that the log is soon where it was.
    await until("the cursor has moved on", () => cursorIdOf(us) > Number(rows[0].last_value) + 10);
    await whileAway(async () => {
      await writer.pool.query(
        "truncate control.route_change; delete from control.organization_mapping where slug = 'never-was'",
      );
      await writer.rename(id, "old-slug");
      await writer.pool.query("truncate control.route_change");
      await writer.pool.query("alter table control.organization_mapping disable trigger user");
      await writer.pool.query("update control.organization_mapping set route_epoch = 2");
      await writer.pool.query("alter table control.organization_mapping enable trigger user");
      await writer.pool.query("select setval('control.route_change_id', $1)", [rows[0].last_value]);
      await writer.pool.query("update control.route_log set settled_id = $1, pruned_id = 1", [rows[0].last_value]);
    });
    await holds(us, ["old-slug@us1"]);
    await writer.move(id, "us2");
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
  test("is not skipped: it was opened first and committed last, while an unrelated one stays open (defect 4)", async () => {
    const unrelated = await writer.begin();
    await unrelated.query("select pg_current_xact_id()");
    const late = await writer.begin();
    await writer.insert("late", "us1", late);
    await writer.insert("between-1", "us1");
    await writer.insert("between-2", "us2");
    await holds(us, ["between-1@us1", "between-2@us2"]);
    await late.end("commit");
    await holds(us, ["between-1@us1", "between-2@us2", "late@us1"]);
    await unrelated.end("rollback");
  });

  test("is not skipped by a consumer that went on from its cursor in between", async () => {
    const late = await writer.begin();
    const id = await writer.insert("late", "us1", late);
    const between = await writer.insert("between", "us1");
    const rpc = createEdge(fleet);
    const first = await watchUntil(rpc, {}, isHeartbeat);
    const cursor = first.at(-1)?.cursor ?? "";
    // What was said before may be said again: the oldest transaction of the whole server, other databases' too, holds that back.
    expect(statementsOf(first)).toContain(`${between}@us1`);
    expect(statementsOf(first)).not.toContain(`${id}@us1`);
    await late.end("commit");
    const rest = await watchUntil(rpc, { cursor }, (message) => statementsOf([message]).includes(`${id}@us1`));
    expect(rest.some(({ event }) => event.case === "snapshotBegin")).toBe(false);
  });

  test("and deletes does not bring back what it deleted, nor take away what came after it", async () => {
    const id = await writer.insert("contested", "us1");
    const late = await writer.begin();
    await writer.remove(id, late);
    const successor = writer.begin().then(async (transaction) => {
      await writer.insert("contested", "us2", transaction);
      await transaction.end("commit");
    });
    await writer.insert("other", "us1");
    await holds(us, ["contested@us1", "other@us1"]);
    await late.end("commit");
    await successor;
    await holds(us, ["contested@us2", "other@us1"]);
  });
});
