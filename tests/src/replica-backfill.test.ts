import { migrate } from "@cellway/database";
import { migrationSetsOf } from "@cellway/host";
import { createControlSilo } from "@cellway/silo";
import { afterEach, expect, test } from "@jest/globals";
import pg from "pg";
import { createEmptyDatabase, startLoneSilo } from "./lone-silo.js";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";

const NEW =
  /^(0002\.expand\.replicate-users|0005\.expand\.sessions|0002\.expand\.replicate-integrations|0011\.expand\.tell-cells-of-members)\.sql$/;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A user with a token in an organization with an installation, as a control that told cells nothing has it. */
const CONTENT = `
  insert into control.locality (name, display_name, category, new_organization_cell) values ('xx', 'X', 'MULTI_TENANT', '');
  insert into control.cell (name, number, locality, rpc_address) values ('x1', 900, 'xx', 'http://x1.test'), ('x2', 901, 'xx', 'http://x2.test');
  insert into control.organization_slug_reservation (slug, organization_id, cell_name) values ('o', 7, 'x1');
  insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
    values (7, 'o', 'O', 'ACTIVE', 'x1', 1, now());
  insert into control.user (id, username, session_nonce, created_at, updated_at) overriding system value
    values (70, 'ada', '', now(), now()), (71, 'bob', '', now(), now());
  insert into control.api_token (id, user_id, name, token_hash, last_characters, scopes, created_at) overriding system value
    values (700, 70, 't', sha256('t'), 'abcd', '{}', now());
  insert into control.organization_member_mapping (organization_id, member_id, user_id, role, invite_status, version, is_removed)
    values (7, 1, 70, 'MEMBER', 'ACCEPTED', 1, false), (7, 2, 71, 'MEMBER', 'ACCEPTED', 2, true);
  insert into control.integration (id, provider, external_id, name) overriding system value values (77, 'github', 'e', 'n');
  insert into control.organization_integration (id, organization_id, integration_id) overriding system value values (777, 7, 77);
`;

/** Where each replicated row is told, as an operator who tells it anew asks. */
async function listDestinations(client: pg.Client): Promise<string[]> {
  const { rows: tracked } = await client.query<{ table_name: string; category: number; destinations: string }>(
    "select table_name, category, destinations from control.outbox_tracked where category between 20 and 39 order by category",
  );
  const told: string[] = [];
  for (const { table_name, category, destinations } of tracked) {
    const sql = `select (${destinations})::text[] as names from control."${table_name}" r order by id`;
    const { rows } = await client.query<{ names: string[] }>(sql);
    told.push(...rows.map(({ names }) => `${category} ${names.join(" ")}`.trim()));
  }
  return told;
}

test.each([
  ["as the command line orders them", (names: string[]) => names],
  ["in the reverse order", (names: string[]) => names.toReversed()],
])("what is there when replication begins is told too, with migrations %s", async (_, order) => {
  const database = await createEmptyDatabase();
  cleanups.push(() => database.drop());
  const control = MODULES.filter((module) => module.localMode === "CONTROL");
  const rank = order(["user", "integration", "directory"]);
  const sets = (await migrationSetsOf(control)).toSorted(
    (one, other) => rank.indexOf(one.service) - rank.indexOf(other.service),
  );
  const old = sets.map((set) => ({ ...set, migrations: set.migrations.filter(({ name }) => !NEW.test(name)) }));
  await migrate({ url: database.url, sets: old });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  cleanups.push(() => client.end());
  await client.query(CONTENT);
  await migrate({ url: database.url, sets });

  const silo = await startLoneSilo(createControlSilo(), database.url);
  cleanups.push(() => silo.stop({ graceMs: 0 }));
  await until("every membership is looked at", async () => {
    await silo.tasks.runNow("user.settle-cells");
    return (await client.query("select from control.user_cell where state <> 'KNOWN'")).rowCount === 0;
  });
  const { rows } = await client.query(
    `select distinct destination, scope, shard_id, category, object_id from (
        select destination, scope, shard_id, category, object_id from control.outbox
        union all select destination, scope, shard_id, category, object_id from control.outbox_held) waiting
      order by category, object_id`,
  );
  expect(rows.map(({ destination, ...row }) => [destination, ...Object.values(row).map(Number)])).toEqual([
    ["x1", 2, 70, 20, 70],
    ["x1", 2, 70, 21, 700],
    ["x1", 1, 7, 22, 777],
    ["x1", 3, 77, 23, 77],
  ]);
  expect(await listDestinations(client)).toEqual(["20 x1", "20", "21 x1", "22 x1", "23 x1"]);
});
