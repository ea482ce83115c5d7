import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterEach, expect, test } from "@jest/globals";
import { runProgram } from "cellway/dist/program.js";
import { createTestContext } from "cellway/dist/test-context.js";
import { DAY_MS, reportAll, runIn } from "./fleet-commands.js";
import { MODULES } from "./modules.js";

// TODO(cells): the old names of the table.
const OLD_SETTING = "CELLWAY_REGION";
const OLD_SETTING_TOO = "CELLWAY_REGION_CONFIG"; // TODO(cells): old name.
const OLD_METRIC = "cellway_rpc_client_region_circuit_state"; // TODO(cells): old name.
let fleet: Fleet | undefined;
let nowMs = Date.now();

afterEach(async () => {
  await fleet?.stop();
  fleet = undefined;
});

async function start(oldNames: readonly string[]): Promise<Fleet> {
  fleet = await startFleet({ modules: MODULES, network: "sockets", version: "0.2.0", now: () => nowMs, oldNames });
  return fleet;
}

interface AliasRow {
  readonly old: string;
  readonly uses: readonly string[];
}

async function usesOf(running: Fleet, old: string): Promise<readonly string[] | undefined> {
  const { code, out } = await runIn(running, ["aliases", "--json"]);
  expect(code).toBe(0);
  return (JSON.parse(out) as { aliases: AliasRow[] }).aliases.find((row) => row.old === old)?.uses;
}

test("an old setting that processes were given is named with who they are; one that nobody was given may go after a week", async () => {
  const running = await start([OLD_SETTING]);
  expect(await usesOf(running, OLD_SETTING_TOO)).toEqual(
    ["control", "de1", "us1", "us2"].map((silo) => expect.stringMatching(`^${silo}: counted only for`)),
  );
  nowMs += 8 * DAY_MS;
  await reportAll(running);
  expect(await usesOf(running, OLD_SETTING_TOO)).toEqual([expect.stringMatching(/^by nobody for .*: it may go$/)]);
  expect(await usesOf(running, OLD_METRIC)).toEqual(["not seen from here"]);
});

test("an old setting counts as used while a process runs that was given it", async () => {
  const running = await start([OLD_SETTING]);
  expect((await usesOf(running, OLD_SETTING))?.filter((use) => use.startsWith("by "))).toEqual(
    ["control", "de1", "us1", "us2"].map((silo) => expect.stringMatching(`^by ${silo} of release 0.2.0, .* ago$`)),
  );
  const { out } = await runIn(running, ["contracts", "removable"]);
  expect(out).not.toContain(OLD_SETTING);
});

test("without a fleet the table is printed all the same", async () => {
  const ctx = createTestContext();
  expect(await runProgram(["aliases"], ctx)).toBe(0);
  const out = ctx.printed.out.join("\n");
  expect(out).toMatch(new RegExp(`${OLD_SETTING} +CELLWAY_CELL +BOTH +not known: there is no fleet to ask`));
  expect(out).toMatch(/An old name goes when:/);
});

test("a renamed metric is exposed by every silo under both names, with the same samples", async () => {
  const running = await start([]);
  await running.cell("us1").rpc.client(DirectoryService).listLocalities({});
  const text = await running.cell("us1").metrics.expose();
  const samples = (name: string) =>
    text.split("\n").flatMap((line) => (line.startsWith(`${name}{`) ? [line.slice(name.length)] : []));
  expect(samples(OLD_METRIC)).toEqual(samples("cellway_rpc_client_circuit_state"));
  expect(samples(OLD_METRIC).length).toBeGreaterThan(0);
});
