import { sqlStateOf } from "@cellway/database";
import { type RunningLocator } from "@cellway/locator";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { routesOf, startEdgeLocator } from "./route-feed.js";
import { RouteWriter, type Sql } from "./route-writer.js";

const WRITERS = 6;
const STEPS = 60;
/** What a writer may meet, and then changes nothing: a slug or key is taken, a reservation has gone, two are in each other's way. */
const REFUSALS = ["23505", "23503", "40P01"];

let fleet: Fleet;
let writer: RouteWriter;
const running: RunningLocator[] = [];

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  writer = new RouteWriter(fleet.control.databaseUrl);
});
afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  await writer?.close();
  await fleet?.stop();
});

/** Numbers that are the same in every run. */
function createDice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % sides;
  };
}

const TABLE = "control.organization_slug_reservation";
const reserve = (sql: Sql, id: number, slug: string, kind: string) =>
  sql.query(
    `insert into ${TABLE} (slug, organization_id, cell_name, kind, expires_at)
      values ($1, $2, 'us1', $3, case when $3 = 'ALIAS' then now() end)`,
    [slug, id, kind],
  );
/** What every change of an organization's slugs begins with. @returns whether there is such an organization. */
async function lock(sql: Sql, id: number): Promise<boolean> {
  const found = await sql.query("select from control.organization_mapping where organization_id = $1 for update", [id]);
  return (found as { rowCount: number }).rowCount === 1;
}

/** What the directory does, each in a transaction; organizations, slugs and keys are few, so that they get in the way. */
const DEEDS: readonly ((sql: Sql, dice: (sides: number) => number) => Promise<unknown>)[] = [
  async (sql, dice) => {
    const [id, slug, cell] = [1 + dice(4), `s${dice(6)}`, ["us1", "us2", "de1"][dice(3)]];
    await reserve(writer.pool, id, slug, "PRIMARY");
    const insert = `insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
      values ($1, $2, $2, 'ACTIVE', $3, 1, now())`;
    await sql.query(insert, [id, slug, cell]);
  },
  async (sql, dice) => {
    const id = 1 + dice(4);
    await sql.query("delete from control.organization_mapping where organization_id = $1", [id]);
    await sql.query(`delete from ${TABLE} where organization_id = $1`, [id]);
  },
  (sql, dice) =>
    sql.query("update control.organization_mapping set cell_name = $2 where organization_id = $1", [
      1 + dice(4),
      ["us1", "us2", "de1"][dice(3)],
    ]),
  async (sql, dice) => {
    const [id, slug] = [1 + dice(4), `s${dice(6)}`];
    if (!(await lock(sql, id))) return;
    await sql.query(`delete from ${TABLE} where slug = $2 and organization_id = $1 and kind = 'ALIAS'`, [id, slug]);
    await reserve(sql, id, slug, "RENAME");
    await sql.query(
      `update ${TABLE} set kind = 'ALIAS', expires_at = now() where organization_id = $1 and kind = 'PRIMARY'`,
      [id],
    );
    await sql.query(`update ${TABLE} set kind = 'PRIMARY' where slug = $1`, [slug]);
    await sql.query("update control.organization_mapping set slug = $2 where organization_id = $1", [id, slug]);
  },
  async (sql, dice) => {
    const [id, slug] = [1 + dice(4), `s${dice(6)}`];
    if (!(await lock(sql, id))) return;
    await reserve(sql, id, slug, "ALIAS");
  },
  async (sql, dice) => {
    const [id, slug] = [1 + dice(4), `s${dice(6)}`];
    if (!(await lock(sql, id))) return;
    await sql.query(`delete from ${TABLE} where slug = $2 and organization_id = $1 and kind = 'ALIAS'`, [id, slug]);
  },
  (sql, dice) => {
    const keyId = dice(8);
    const upsert = `insert into control.project_key_mapping as k
        (project_key_id, organization_id, project_id, public_key, version, is_removed)
      values ($1, $2, 1, $3, 1, $4)
      on conflict (project_key_id) do update set public_key = excluded.public_key, is_removed = excluded.is_removed,
        version = k.version + 1`;
    return sql.query(upsert, [keyId, 1 + (keyId % 4), `k${dice(5)}`, dice(3) === 0]);
  },
];

/** How often each of the deeds is done: more is made than deleted. */
const OFTEN = [0, 0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 6, 6];

/** What SQL says of one deed, or `ok`. */
async function attempt(dice: (sides: number) => number): Promise<string> {
  const client = await writer.pool.connect();
  try {
    await client.query("begin");
    await DEEDS[OFTEN[dice(OFTEN.length)] ?? 0]?.(client, dice);
    await client.query(dice(5) === 0 ? "rollback" : "commit");
    return "ok";
  } catch (error) {
    await client.query("rollback");
    return sqlStateOf(error) ?? String(error);
  } finally {
    client.release();
  }
}

/** What the tables say, as {@link routesOf} writes it. */
async function readRoutes(locality: string): Promise<string[]> {
  const sql = `with home as (
      select m.organization_id, m.slug, m.slug || '@' || m.cell_name as route
      from control.organization_mapping m join control.cell c on c.name = m.cell_name where $1 in ('', c.locality)
    ) select route from home
    union all select r.slug || '>' || home.route from ${TABLE} r join home using (organization_id) where r.slug <> home.slug
    union all select '#' || k.public_key || '>' || home.route from control.project_key_mapping k
      join home using (organization_id) where not k.is_removed`;
  const { rows } = await writer.pool.query<{ route: string }>(sql, [locality]);
  return rows.map(({ route }) => route).toSorted();
}

test("whatever is written at once, every locator ends with what the tables say", async () => {
  const all = await startEdgeLocator(fleet);
  const us = await startEdgeLocator(fleet, { localities: ["us"] });
  running.push(all, us);
  const outcomes = await Promise.all(
    Array.from({ length: WRITERS }, async (_, index) => {
      const dice = createDice(index + 1);
      const seen: string[] = [];
      for (let step = 0; step < STEPS; step += 1) seen.push(await attempt(dice));
      return seen;
    }),
  );
  const done = outcomes.flat().filter((outcome) => !REFUSALS.includes(outcome));
  expect(new Set(done)).toEqual(new Set(["ok"]));
  expect(done.length).toBeGreaterThan((WRITERS * STEPS) / 4);
  const late = await startEdgeLocator(fleet, { localities: ["us"] });
  running.push(late);
  // Read anew each time: keys of organizations that were deleted are cleared away a while after.
  const readAll = async () => [await readRoutes(""), await readRoutes("us"), await readRoutes("us")];
  let tables = await readAll();
  expect(tables[0]).not.toEqual([]);
  const held = () => [all, us, late].map(routesOf);
  const giveUpAt = performance.now() + 3_000;
  while (JSON.stringify(held()) !== JSON.stringify(tables) && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    tables = await readAll();
  }
  expect(held()).toEqual(tables);
});
