import { createControlSilo } from "@cellway/silo";
import { createTestDatabase } from "@cellway/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import pg from "pg";
import { MODULES } from "./modules.js";

// The database of control alone: nobody delivers, so that what was written can be counted.
const CELL_COUNT = 500;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase(createControlSilo(), MODULES);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(
    "insert into control.locality (name, display_name, category, new_organization_cell) values ('xx', 'X', 'MULTI_TENANT', '')",
  );
  await client.query(
    `insert into control.cell (name, number, locality, rpc_address)
      select 'c' || n, n, 'xx', 'http://c' || n from generate_series(1, $1::int) n`,
    [CELL_COUNT],
  );
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});
beforeEach(() => client.query("truncate control.outbox"));

/** Organizations with ids from `from` on, in the cells one after another. */
async function createMappings(from: number, count: number): Promise<void> {
  await client.query(
    `insert into control.organization_slug_reservation (slug, organization_id, cell_name)
      select 'o' || n, n, 'c' || (n % $3 + 1) from generate_series($1::int, $2::int) n`,
    [from, from + count - 1, CELL_COUNT],
  );
  await client.query(
    `insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
      select n, 'o' || n, 'O', 'ACTIVE', 'c' || (n % $3 + 1), 1, now() from generate_series($1::int, $2::int) n`,
    [from, from + count - 1, CELL_COUNT],
  );
}

/** Makes users, given as SQL over a number `n` from 1 to `count`, members of organizations. */
async function addMembers(organization: string, user: string, count: number): Promise<void> {
  for (let from = 1; from <= count; from += 1_000) {
    await client.query(
      `insert into control.organization_member_mapping (organization_id, member_id, user_id, role, invite_status, version)
        select ${organization}, ${user}, ${user}, 'MEMBER', 'ACCEPTED', 1 from generate_series($1::int, $2::int) n`,
      [from, Math.min(count, from + 999)],
    );
  }
}

async function createUser(): Promise<string> {
  const sql = `insert into control.user (username, session_nonce, created_at, updated_at)
    values ('u' || nextval('control.outbox_id'), '', now(), now()) returning id`;
  return (await client.query<{ id: string }>(sql)).rows[0]?.id ?? "";
}

async function countRows(): Promise<{ rows: number; destinations: number }> {
  const sql = "select count(*)::int as rows, count(distinct destination)::int as destinations from control.outbox";
  return (await client.query(sql)).rows[0];
}

test("a change of a user in 500 cells writes one row for each, however many organizations are there", async () => {
  const userId = await createUser();
  await createMappings(1_000, 2 * CELL_COUNT);
  await addMembers("999 + n", userId, 2 * CELL_COUNT);
  expect(await countRows()).toEqual({ rows: CELL_COUNT, destinations: CELL_COUNT });
  await client.query("truncate control.outbox");
  await client.query("update control.user set display_name = 'New' where id = $1", [userId]);
  expect(await countRows()).toEqual({ rows: CELL_COUNT, destinations: CELL_COUNT });
});

test("the cells of a user are found by an index, among those of many users", async () => {
  await client.query(
    "insert into control.user_cell (user_id, cell_name, state) select 1000000 + n / 5, 'c' || (n % 5), 'JOINING' from generate_series(1, 100000) n",
  );
  await client.query("analyze control.user_cell");
  const plan = await client.query<{ "QUERY PLAN": string }>(
    "explain select c.cell_name from control.user_cell c where c.user_id = 1000007",
  );
  expect(plan.rows.map((row) => row["QUERY PLAN"]).join("\n")).toMatch(/Index (Only )?Scan using user_cell_pkey/);
  await client.query("delete from control.user_cell where user_id between 1000000 and 1000100");
  await client.query("truncate control.user_cell");
});

test("an organization of 10,000 members goes in one statement, which tells nobody yet and locks no user", async () => {
  await createMappings(10_000, 1);
  await addMembers("10000", "500000 + n", 10_000);
  await client.query("truncate control.outbox");
  await client.query("begin");
  await client.query("delete from control.organization_mapping where organization_id = 10000");
  const locks = await client.query("select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()");
  await client.query("commit");
  const left = await client.query("select from control.user_cell where state = 'LEAVING'");
  expect([await countRows(), locks.rowCount, left.rowCount]).toEqual([{ rows: 0, destinations: 0 }, 1, 10_000]);
});

test("a moving organization of 10,000 members is told of later, and its users are found by their new cell at once", async () => {
  await createMappings(20_000, 1);
  await addMembers("20000", "600000 + n", 10_000);
  await client.query("truncate control.outbox");
  await client.query("update control.organization_mapping set cell_name = 'c77' where organization_id = 20000");
  const states = await client.query(
    "select cell_name, state, count(*)::int from control.user_cell where user_id > 600000 group by 1, 2 order by 1",
  );
  expect([await countRows(), states.rows]).toEqual([
    { rows: 0, destinations: 0 },
    [
      { cell_name: "c1", state: "LEAVING", count: 10_000 },
      { cell_name: "c77", state: "JOINING", count: 10_000 },
    ],
  ]);
});
