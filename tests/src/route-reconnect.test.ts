import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningLocator } from "@cellway/locator";
import { createLogger } from "@cellway/telemetry";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { holds, routesOf, startEdgeLocator } from "./route-feed.js";
import { RouteWriter } from "./route-writer.js";

let fleet: Fleet;
let writer: RouteWriter;
let folder: string;
const running: RunningLocator[] = [];

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
  folder = await mkdtemp(join(tmpdir(), "cellway-routes-"));
});
afterEach(async () => {
  fleet.memory?.down.clear();
  await writer.endTransactions();
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await rm(folder, { recursive: true });
});

/** A locator of the locality us, with a copy on disk, and what it was told at the beginning of snapshots. */
async function startUs(): Promise<{ us: RunningLocator; reasons: string[] }> {
  const reasons: string[] = [];
  const write = (line: string) => {
    const { reason } = JSON.parse(line) as { reason?: string };
    if (reason !== undefined) reasons.push(reason);
  };
  const logger = createLogger({ silo: "edge", level: "info", stream: { write } });
  const us = await startEdgeLocator(fleet, { localities: ["us"], disk: { path: copyPath(), pauseMs: 1 }, logger });
  running.push(us);
  return { us, reasons };
}

const copyPath = () => join(folder, "routes");

interface Before {
  readonly [name: string]: string;
}

/** Organizations, aliases and keys of every fate. */
async function settle(): Promise<Before> {
  const ids: Record<string, string> = {};
  for (const name of ["deleted", "renamed", "leaver", "mover", "keeper"]) ids[name] = await writer.insert(name, "us1");
  for (const name of ["deleted", "leaver", "mover", "keeper"]) {
    const id = ids[name] ?? "";
    await writer.addAlias(id, `old-${name}`);
    ids[`key-${name}`] = await writer.addKey(id, `k-${name}`);
  }
  return ids;
}
const SETTLED = [
  "deleted@us1",
  "renamed@us1",
  ...["leaver", "mover", "keeper"].map((name) => `${name}@us1`),
  ...["deleted", "leaver", "mover", "keeper"].flatMap((name) => [`old-${name}>${name}@us1`, `#k-${name}>${name}@us1`]),
];

/** A delete, a rename, moves within and out of the locality, a dropped alias, a removed key, and all of them used again. */
async function upheave(ids: Before): Promise<void> {
  await writer.remove(ids["deleted"] ?? "");
  await writer.renameKeeping(ids["renamed"] ?? "", "new-name");
  await writer.move(ids["leaver"] ?? "", "de1");
  await writer.move(ids["mover"] ?? "", "us2");
  await writer.dropAlias("old-keeper");
  await writer.removeKey(ids["key-keeper"] ?? "");
  const successor = await writer.insert("deleted", "us2");
  await writer.addAlias(successor, "old-keeper");
  await writer.addKey(successor, "k-keeper");
}
const UPHEAVED = [
  "new-name@us1",
  "renamed>new-name@us1",
  "mover@us2",
  "old-mover>mover@us2",
  "#k-mover>mover@us2",
  "keeper@us1",
  "deleted@us2",
  "old-keeper>deleted@us2",
  "#k-keeper>deleted@us2",
];

/** The log forgets everything, as after a day. */
async function cutLog(): Promise<void> {
  await writer.pool.query("update control.route_change set created_at = now() - interval '2 days'");
  await fleet.control.tasks.runNow("directory.prune-route-log");
}

const copyHas = (text: string) => async () => (await readFile(copyPath()).catch(() => "")).includes(text);
const cut = () => fleet.memory?.down.add(fleet.topology.controlRpcAddress);
const mend = () => fleet.memory?.down.clear();

describe("no stale route survives a reconnect, of organizations, aliases and project keys,", () => {
  test("that goes on from its cursor", async () => {
    const ids = await settle();
    const { us, reasons } = await startUs();
    await holds(us, SETTLED);
    await fleet.stopSilo("control");
    await upheave(ids);
    expect(routesOf(us)).toEqual(SETTLED.toSorted());
    await fleet.restart("control");
    await until("the locator follows", () => us.following.isConnected());
    await holds(us, UPHEAVED);
    expect(reasons).toEqual(["there is no cursor"]);
  });

  test("when the log was cut behind its cursor", async () => {
    const ids = await settle();
    const { us, reasons } = await startUs();
    await holds(us, SETTLED);
    await fleet.stopSilo("control");
    await upheave(ids);
    await fleet.restart("control");
    await cutLog();
    await until("the locator follows", () => us.following.isConnected());
    await holds(us, UPHEAVED);
    expect(reasons.length).toBeGreaterThan(0);
  });

  test.each([
    ["goes on from the cursor of the copy", false, []],
    ["is behind the log", true, ["the cursor is older than the log"]],
  ])("that begins with a copy on disk, and %s", async (_what, isCut, expected) => {
    const ids = await settle();
    const { us } = await startUs();
    await holds(us, SETTLED);
    await until("the copy has everything", copyHas("k-keeper"));
    await us.stop();
    await upheave(ids);
    if (isCut) await cutLog();
    cut();
    const { us: again, reasons } = await startUs();
    expect(routesOf(again)).toEqual(SETTLED.toSorted());
    mend();
    await until("the locator follows", () => again.following.isConnected());
    await holds(again, UPHEAVED);
    expect(reasons).toEqual(expected);
  });
});

describe("a transaction that opened first and commits last, after as many others as come in a minute,", () => {
  /** Each in a transaction of its own. */
  const commitMany = (count: number) =>
    writer.pool.query(`do $$ begin
      for n in 1..${count} loop
        update control.organization_mapping set cell_name = case n % 2 when 0 then 'us1' else 'us2' end where slug = 'busy';
        commit;
      end loop;
    end $$`);

  test("is not skipped, neither by who was there before nor by who began meanwhile, from a snapshot or a copy", async () => {
    await writer.insert("busy", "us1");
    const home = await writer.insert("home", "us1");
    const { us } = await startUs();
    const late = await writer.begin();
    const id = await writer.insert("late", "us2", late);
    await writer.addAlias(id, "late-alias", late);
    await writer.addKey(id, "late-key", late);
    await writer.addKey(home, "other-key", late);
    await commitMany(1_500);
    await holds(us, ["busy@us1", "home@us1"]);
    // Neither may the log be cut so far that it would be missed, nor a restart of control begin behind it.
    await cutLog();
    await fleet.restart("control");
    await commitMany(500);
    const fresh = await startEdgeLocator(fleet);
    running.push(fresh);
    await until("the copy is of now", copyHas("busy"));
    await until("the locator follows", () => us.following.isConnected());
    await us.stop();
    const { us: again, reasons } = await startUs();
    await holds(again, ["busy@us1", "home@us1"]);
    await late.end("commit");
    const expected = [
      "busy@us1",
      "home@us1",
      "late@us2",
      "late-alias>late@us2",
      "#late-key>late@us2",
      "#other-key>home@us1",
    ];
    await Promise.all([holds(again, expected), holds(fresh, expected)]);
    await until("control has it in memory", async () => {
      const before = await fleet.control.metrics.value("cellway_locator_keys", { kind: "project_key" });
      return before === 2;
    });
    expect(reasons).toEqual([]);
  });
});
