import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { compareDirectory, eventually, findUnfinished, type SiloQuery } from "./agreement.js";
import { createFleetOperator, type DevFleet, readFleetFile, startDev } from "./command-line.js";
import { Load } from "./load.js";
import { findPortBase, findPostgres, killHard } from "./processes.js";

const CELLS = ["us1", "us2", "de1"];
let dataDir: string;
let portBase: number;
let fleet: DevFleet;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cellway-killed-"));
  portBase = await findPortBase();
  fleet = await startDev(dataDir, portBase, "--seed", "none");
}, 90_000);

afterAll(async () => {
  fleet?.child.kill("SIGTERM");
  await fleet?.exited;
  await rm(dataDir, { recursive: true, force: true });
});

/** One statement on a connection of its own: the server may have been killed meanwhile. */
const query: SiloQuery = async (silo, sql) => {
  const url = (await readFleetFile(dataDir)).silos.find(({ name }) => name === silo)?.databaseUrl;
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
};

/** Kills a silo's process, or one of PostgreSQL's, after which all of PostgreSQL has to recover; as soon as it is alive. */
async function kill(victim: string): Promise<void> {
  let pid: number | undefined;
  await eventually(`${victim} is alive`, 20_000, async () => {
    pid =
      victim === "postgres"
        ? Number((await query("control", "select pg_backend_pid() as pid"))[0]?.["pid"])
        : (await readFleetFile(dataDir)).silos.find(({ name }) => name === victim)?.pid;
    process.kill(pid ?? 0, 0);
    return [];
  });
  killHard(pid ?? 0);
}

/** Everybody often enough, and nobody so often in a minute that `cellway dev` gives the silo up. */
const VICTIMS = ["control", "us1", "us2", "de1", "postgres"];

function shuffle<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ item }) => item);
}

test("twenty hard kills under load, then quiet: directory and cells agree in every row, and nothing waits any more", async () => {
  const operator = await createFleetOperator(dataDir);
  const load = new Load({ clientOf: (service) => operator.runtime.client(service), query, cells: CELLS });
  await load.start();
  for (const victims of [VICTIMS, VICTIMS, VICTIMS, VICTIMS.slice(1)].map(shuffle)) {
    const { calls } = load;
    await eventually("the fleet works", 40_000, async () => (load.calls > calls + 15 ? [] : [`${load.calls} calls`]));
    for (const victim of victims) {
      const { statements } = load;
      await delay(Math.random() * 500);
      await kill(victim);
      await eventually("others work on", 20_000, async () => (load.statements > statements ? [] : [victim]));
    }
  }
  // The last one takes everything at once.
  const { silos, edges } = await readFleetFile(dataDir);
  for (const { pid } of [...silos, ...edges]) killHard(pid);
  fleet.child.kill("SIGKILL");
  for (const pid of await findPostgres(dataDir)) killHard(pid);
  await fleet.exited;
  fleet = await startDev(dataDir, portBase, "--seed", "none");
  await load.stop();
  await operator.close();

  // What is under way belongs to nobody any more: its time is over.
  await query("control", "update control.provision_request set lease_until = now() where state <> 'done'");
  await eventually("nothing waits", 45_000, () => findUnfinished(query, CELLS));
  const { compared, differences } = await compareDirectory(query, CELLS);
  expect(differences).toEqual([]);
  expect(Math.min(...Object.values(compared))).toBeGreaterThan(5);
}, 240_000);
