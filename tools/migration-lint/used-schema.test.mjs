import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { parseMigration } from "./files.mjs";
import { lintFile } from "./lint.mjs";
import { readCurrentSchema } from "./used-schema.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

test("what this tree uses is what entities map, and what SQL by hand names, also where it puts names together", async () => {
  const { tables, objects, migrations } = await readCurrentSchema(ROOT, "9.9.9");
  expect(tables["cell.organization"]).toEqual(expect.arrayContaining(["id", "slug", "slug_change_number"]));
  // `insert into cell.${name}`: the table is named in other files than the column.
  for (const name of ["user", "api_token", "integration", "organization_integration"])
    expect(tables[`cell.${name}_replica`]).toEqual(expect.arrayContaining(["version", "is_removed", "updated_at"]));
  for (const side of ["cell", "control"]) expect(tables[`${side}.outbox`]).toContain("traceparent");
  expect(objects).toEqual(expect.arrayContaining(["control.next_route_epoch", "cell.outbox_write", "cell.outbox_id"]));
  expect(migrations["cell/database"]).toEqual(["0001.expand.create-snowflakes.sql"]);
});

test("a contract step may drop what no code names any more, and nothing that some code names", async () => {
  const current = await readCurrentSchema(ROOT, "9.9.9", { hasContracted: false });
  const known = { version: "9.9.9", releases: [], current };
  const sql = [
    "-- cellway: needs 9.9.9",
    "drop table cell.directory_update_lease;",
    "alter table cell.organization drop column slug;",
    "alter table control.route_log drop column settled_id;",
    "drop function control.next_route_epoch();",
    "alter table __schema__.outbox drop column created_at;",
  ];
  const file = await parseMigration("services/cell/x/migrations/0002.contract.x.sql", sql.join("\n"));
  expect(lintFile(file, known).map(({ rule, on }) => `${rule} ${on}`)).toEqual([
    "still-mapped cell.organization.slug",
    "still-mapped control.route_log.settled_id",
    "still-mapped control.next_route_epoch",
    "still-mapped __schema__.outbox.created_at",
  ]);
});
