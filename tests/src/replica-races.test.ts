import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MODULES } from "./modules.js";
import { CELLS } from "./organizations.js";
import { controlQuery, settleCells, untilTold } from "./replicas.js";

const USERS = ["1", "2", "3"];
const ORGANIZATIONS = ["11", "12", "13", "14"];
/** What happens at once, as processes of control would do it. */
const AT_ONCE = 6;

let fleet: Fleet;

async function prepare(): Promise<void> {
  await query(
    `insert into control.user (id, username, session_nonce, created_at, updated_at) overriding system value
      select u, 'user' || u, '', now(), now() from unnest($1::bigint[]) u`,
    [USERS],
  );
}

const purged = new Map<string, number>();

/** The id that an organization has now: after a purge it is another one, because ids are never used again. */
const idOf = (organization: string) => String(Number(organization) + 100 * (purged.get(organization) ?? 0));

const query = (sql: string, parameters: unknown[] = []) => controlQuery(fleet, sql, parameters);

interface Step {
  readonly kind: keyof typeof STEPS;
  readonly user: string;
  readonly organization: string;
  readonly cellName: string;
}

/** What happens at once. Each but `found`, which reserves first, is one transaction. */
const STEPS = {
  found: async ({ organization, cellName }: Step) => {
    const id = idOf(organization);
    await query(
      `insert into control.organization_slug_reservation (slug, organization_id, cell_name)
        values ('o' || $1::bigint, $1::bigint, $2) on conflict do nothing`,
      [id, cellName],
    );
    await query(
      `insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
        values ($1::bigint, 'o' || $1::bigint, 'O', 'ACTIVE', $2, 1, now()) on conflict do nothing`,
      [id, cellName],
    );
  },
  purge: async ({ organization }: Step) => {
    const id = idOf(organization);
    const sql =
      "with gone as (delete from control.organization_mapping where organization_id = $1 returning 1) table gone";
    const gone = await query(sql, [id]);
    // Whoever has the old id still, as somebody may, writes of an organization that is gone.
    if (gone.length > 0) purged.set(organization, (purged.get(organization) ?? 0) + 1);
  },
  move: ({ organization, cellName }: Step) =>
    query("update control.organization_mapping set cell_name = $2 where organization_id = $1", [
      idOf(organization),
      cellName,
    ]),
  join: ({ user, organization }: Step) =>
    query(
      `insert into control.organization_member_mapping (organization_id, member_id, user_id, role, invite_status, version)
        select organization_id, $2::bigint, $2, 'MEMBER', 'ACCEPTED', 1 from control.organization_mapping where organization_id = $1
        on conflict (organization_id, member_id) do update set is_removed = false, user_id = excluded.user_id`,
      [idOf(organization), user],
    ),
  leave: ({ user, organization }: Step) =>
    query(
      "update control.organization_member_mapping set is_removed = true where organization_id = $1 and member_id = $2",
      [idOf(organization), user],
    ),
  create: ({ user }: Step) =>
    query(
      `insert into control.api_token (user_id, name, token_hash, last_characters, scopes, created_at)
        values ($1, 't', sha256(gen_random_uuid()::text::bytea), 'abcd', '{}', now())`,
      [user],
    ),
  revoke: ({ user }: Step) =>
    query("delete from control.api_token where id = (select min(id) from control.api_token where user_id = $1)", [
      user,
    ]),
  rename: ({ user }: Step) =>
    query("update control.user set display_name = gen_random_uuid()::text where id = $1", [user]),
  record: ({ user: integration }: Step) =>
    query(
      `insert into control.integration (id, provider, external_id, name) overriding system value
        values ($1, 'github', gen_random_uuid(), gen_random_uuid()) on conflict (id) do update set name = excluded.name`,
      [integration],
    ),
  unrecord: ({ user: integration }: Step) => query("delete from control.integration where id = $1", [integration]),
  install: ({ user: integration, organization }: Step) =>
    query(
      `insert into control.organization_integration (organization_id, integration_id)
        select $1, id from control.integration where id = $2
        on conflict (organization_id, integration_id) do update set default_auth_id = organization_integration.id + 1`,
      [idOf(organization), integration],
    ),
  uninstall: ({ user: integration, organization }: Step) =>
    query("delete from control.organization_integration where organization_id = $1 and integration_id = $2", [
      idOf(organization),
      integration,
    ]),
  settle: () => fleet.control.tasks.runNow("user.settle-cells"),
};

const step = fc.record<Step>({
  kind: fc.constantFrom(...(Object.keys(STEPS) as (keyof typeof STEPS)[])),
  user: fc.constantFrom(...USERS),
  organization: fc.constantFrom(...ORGANIZATIONS),
  cellName: fc.constantFrom(...CELLS),
});

/** As callers do it: what the database has ended for a deadlock, or for a parent that went meanwhile, is asked again. */
async function take(given: Step): Promise<void> {
  for (let attempts = 0; attempts < 10; attempts += 1) {
    try {
      await STEPS[given.kind](given);
      return;
    } catch (error) {
      const { code } = (error as { driverError?: { code?: string } }).driverError ?? {};
      if (code !== "40P01" && code !== "23503") throw error;
    }
  }
  throw new Error(`${given.kind} was ended by a deadlock again and again`);
}

async function takeAll(steps: readonly Step[]): Promise<void> {
  const waiting = [...steps];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await take(next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** What each cell is to know by the memberships and installations that control has. */
const EXPECTED = `with member as (
    select distinct m.cell_name, o.user_id from control.organization_member_mapping o
      join control.organization_mapping m on m.organization_id = o.organization_id where o.user_id is not null and not o.is_removed
  ) select cell_name, 'user ' || u.id as object, coalesce(nullif(u.display_name, ''), u.username) as state
      from member join control.user u on u.id = member.user_id
    union all select cell_name, 'token ' || t.id, encode(t.token_hash, 'hex') from member join control.api_token t using (user_id)
    union all select m.cell_name, 'installation ' || o.id, coalesce(o.default_auth_id::text, '')
      from control.organization_integration o join control.organization_mapping m using (organization_id)
    union all select distinct m.cell_name, 'integration ' || i.id, i.name from control.integration i
      join control.organization_integration o on o.integration_id = i.id join control.organization_mapping m using (organization_id)`;

const KNOWN = `select cell_name, 'user ' || user_id as object, display_name as state from cell.user_replica where not is_removed
    union all select cell_name, 'token ' || token_id, encode(token_hash, 'hex') from cell.api_token_replica where not is_removed
    union all select cell_name, 'installation ' || organization_integration_id, coalesce(default_auth_id::text, '')
      from cell.organization_integration_replica where not is_removed
    union all select cell_name, 'integration ' || integration_id, name from cell.integration_replica where not is_removed`;

interface State {
  readonly cell_name: string;
  readonly object: string;
  readonly state: string;
}

const sort = (states: readonly State[]) =>
  states.map(({ cell_name, object, state }) => `${cell_name} ${object} ${state}`).toSorted();

describe.each(["siloed", "monolith"] as const)("in a %s fleet", (mode) => {
  beforeAll(async () => {
    fleet = await startFleet({ modules: MODULES, mode });
    await prepare();
  });
  afterAll(() => fleet?.stop());

  test("after any changes at once, and quiet, each cell knows its members, their tokens and what is installed, no more", async () => {
    const silos = [...new Set(CELLS.map((cellName) => fleet.cell(cellName)))];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 120, size: "max" }), async (steps) => {
        await takeAll(steps);
        await settleCells(fleet);
        await untilTold(fleet);
        const known = await Promise.all(silos.map((silo) => silo.database("CELL").query<State[]>(KNOWN)));
        expect(sort(known.flat())).toEqual(sort(await controlQuery<State>(fleet, EXPECTED)));
      }),
      { numRuns: 8, endOnFailure: true },
    );
  }, 60_000);
});
