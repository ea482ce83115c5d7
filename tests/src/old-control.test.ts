import { migrateSilo } from "@cellway/host";
import { createControlSilo } from "@cellway/silo";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createEmptyDatabase, queryOnce } from "./lone-silo.js";
import { MODULES } from "./modules.js";

// What a control process of the version before the migration 0003 of the directory does while it runs beside a new one.
let database: { url: string; drop(): Promise<void> };
const run = (sql: string) => queryOnce<Record<string, unknown>>(database.url, sql);

beforeAll(async () => {
  database = await createEmptyDatabase();
  await migrateSilo({ silo: createControlSilo(), databaseUrl: database.url, modules: MODULES });
  await run(`insert into control.locality (name, display_name, category, new_organization_cell)
    values ('us', 'US', 'MULTI_TENANT', 'us1')`);
});
afterAll(() => database?.drop());

const SEED = `insert into control.cell (name, number, locality, rpc_address) values ('us1', 1, 'us', 'http://us1:1')
  on conflict (name) do update set number = excluded.number, locality = excluded.locality, rpc_address = excluded.rpc_address`;
const RESERVE = "insert into control.organization_slug_reservation (slug, organization_id, cell_name) values";

test("a cell that it seeds is active with the default weight and no limit, and keeps what an operator set", async () => {
  await run(SEED);
  const read = () => run("select weight, capacity, state from control.cell");
  expect(await read()).toEqual([{ weight: 100, capacity: null, state: "ACTIVE" }]);
  await run("update control.cell set weight = 7, state = 'DRAINING'");
  await run(SEED);
  expect(await read()).toEqual([{ weight: 7, capacity: null, state: "DRAINING" }]);
});

test("a slug that it reserves is the organization's primary, of which there is one", async () => {
  await run(`${RESERVE} ('acme', 1, 'us1')`);
  expect(await run("select kind, expires_at from control.organization_slug_reservation")).toEqual([
    { kind: "PRIMARY", expires_at: null },
  ]);
  await expect(run(`${RESERVE} ('acme-2', 1, 'us1')`)).rejects.toThrow("duplicate key");
  await expect(run(`${RESERVE} ('acme', 2, 'us1')`)).rejects.toThrow("duplicate key");
});

test("an organization that it gives up takes its aliases with it", async () => {
  await run(`insert into control.organization_slug_reservation (slug, organization_id, cell_name, kind, expires_at)
    values ('old-acme', 1, 'us1', 'ALIAS', now())`);
  await run("delete from control.organization_slug_reservation where organization_id = 1");
  expect(await run("select slug from control.organization_slug_reservation")).toEqual([]);
});
