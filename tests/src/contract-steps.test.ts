import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { migrateSilo, type ServiceModule } from "@cellway/host";
import { createCellSilo } from "@cellway/silo";
import { userIpModule } from "@cellway/user-ip";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { createEmptyDatabase, queryOnce, startLoneSilo } from "./lone-silo.js";

const NAME = "0900.contract.drop-country-index.sql";
const PENDING = `user_ip/${NAME}`;
const silo = createCellSilo("us1");

let folder: string;
let modules: readonly ServiceModule[];
let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
const cleanups: (() => Promise<unknown>)[] = [];

/** A service that has a contract step: everything that this tree brings is older. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cellway-contract-"));
  await cp(fileURLToPath(userIpModule.migrations ?? ""), folder, { recursive: true });
  await writeFile(
    join(folder, NAME),
    "-- cellway: needs 9.1.0\ncreate table cell.shows_that_it_ran (id bigint primary key);\n",
  );
  modules = [{ ...userIpModule, migrations: pathToFileURL(`${folder}/`) }];
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  database = await createEmptyDatabase();
  await migrateSilo({ silo, databaseUrl: database.url, modules, phase: "expand" });
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await database.drop();
});

async function start(version: string) {
  const running = await startLoneSilo(
    silo,
    database.url,
    { version, rpcListen: `http://us1-${version}.test:1` },
    modules,
  );
  cleanups.push(() => running.stop({ graceMs: 0 }));
  return {
    stop: () => running.stop({ graceMs: 0 }),
    async readiness() {
      const response = await fetch(`${running.httpAddress}/readyz`);
      const { migrations_pending: pending } = (await response.json()) as { migrations_pending: string[] };
      return { status: response.status, pending };
    },
  };
}

const contract = () => migrateSilo({ silo, databaseUrl: database.url, modules, phase: "contract" });
const ran = () => queryOnce(database.url, "select to_regclass('cell.shows_that_it_ran') is not null as ran");

describe("a contract step", () => {
  test("that is not applied yet keeps no process from being ready, be it old or new", async () => {
    for (const version of ["9.0.0", "9.1.0"]) {
      const running = await start(version);
      expect(await running.readiness()).toEqual({ status: 200, pending: [] });
    }
  });

  test("is refused while a process of an older release runs, naming it, and applied when it has stopped", async () => {
    const old = await start("9.0.0");
    const replaced = await start("9.1.0");
    await expect(contract()).rejects.toThrow(
      `${PENDING} drops what releases before 9.1.0 use, and these run: 1 of release 9.0.0 by their reports, us1 of release 9.0.0, connected from a local socket.`,
    );
    expect(await ran()).toEqual([{ ran: false }]);
    await old.stop();
    expect((await contract()).map(({ name }) => name)).toEqual([NAME]);
    expect(await ran()).toEqual([{ ran: true }]);
    expect(await replaced.readiness()).toEqual({ status: 200, pending: [] });
  });

  test("that was applied keeps a process of an older release from being ready, and says why", async () => {
    await contract();
    expect(await (await start("9.0.0")).readiness()).toEqual({
      status: 503,
      pending: [`${PENDING} was applied and needs release 9.1.0; this is 9.0.0`],
    });
    expect(await (await start("9.1.0")).readiness()).toEqual({ status: 200, pending: [] });
  });
});
