import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMigrations } from "@cellway/database";
import { describe, expect, test } from "@jest/globals";
import { createEmptyDatabase } from "./lone-silo.js";
import type { ReleaseSchema } from "./schema-catalog.js";
import { migrateUnderWrites, type UnderWrites } from "./under-writes.js";

const ROWS = 150;
const FIRST = "0001.expand.create-things.sql";
/** `slow` makes work that goes once through a table last as it would with many rows: ten milliseconds each. */
const SCHEMA = `
  create table cell.place (id bigint primary key, slug text not null unique);
  create table cell.thing (
    id bigint primary key,
    place_id bigint not null references cell.place (id) on delete cascade,
    kind text not null check (kind in ('A', 'B')),
    name text not null,
    note text,
    size integer not null default 1
  );
  create function cell.slow(text) returns text language plpgsql immutable as $$
  begin perform pg_sleep(0.01); return $1; end $$;`;
const RELEASE: ReleaseSchema = {
  version: "1.0.0",
  migrations: { "cell/thing": [FIRST] },
  tables: {
    "cell.place": ["id", "slug"],
    "cell.thing": ["id", "place_id", "kind", "name", "note", "size"],
  },
};

/** Applies the files after the first beside code that knows only the first. */
async function tryMigrations(files: Record<string, string>): Promise<UnderWrites> {
  const folder = await mkdtemp(join(tmpdir(), "cellway-under-writes-"));
  const database = await createEmptyDatabase();
  try {
    for (const [name, sql] of Object.entries({ [FIRST]: SCHEMA, ...files })) await writeFile(join(folder, name), sql);
    const sets = [{ service: "thing", localMode: "CELL" as const, migrations: await readMigrations(folder) }];
    return await migrateUnderWrites({ url: database.url, sets, release: RELEASE, rowsPerTable: ROWS });
  } finally {
    await database.drop();
    await rm(folder, { recursive: true });
  }
}

describe("beside code of the release before, a migration is seen to be safe that", () => {
  test.each([
    ["adds a nullable column", { "0002.expand.a.sql": "alter table cell.thing add column colour text;" }],
    [
      "adds a required column with a constant default",
      { "0002.expand.a.sql": "alter table cell.thing add column colour text not null default 'red';" },
    ],
    [
      "adds a table whose rows go with the old code's",
      {
        "0002.expand.a.sql":
          "create table cell.part (thing_id bigint primary key references cell.thing (id) on delete cascade); insert into cell.part select id from cell.thing;",
      },
    ],
    [
      "builds an index concurrently that takes long",
      {
        "0002.expand.a.sql":
          "-- cellway: no-transaction\ndrop index concurrently if exists cell.i;\ncreate index concurrently i on cell.thing (cell.slow(name));\n",
      },
    ],
    [
      "adds a check of a new column, and validates it in the next file",
      {
        "0002.expand.a.sql":
          "alter table cell.thing add column colour text; alter table cell.thing add constraint k check (cell.slow(colour) <> '') not valid;",
        "0003.expand.b.sql": "alter table cell.thing validate constraint k;",
      },
    ],
    [
      "writes from a trigger into a table of its own",
      {
        "0002.expand.a.sql": `create table cell.seen (id bigint);
          create function cell.see() returns trigger language plpgsql as $$ begin insert into cell.seen values (new.id); return null; end $$;
          create trigger see after insert or update on cell.thing for each row execute function cell.see();`,
      },
    ],
  ])("%s", async (_name, files: Record<string, string>) => {
    const result = await tryMigrations(files);
    expect(result).toMatchObject({ refused: [], failures: [], changed: [], empty: [] });
    expect(result.applied).toEqual(Object.keys(files).map((name) => `thing/${name}`));
    expect(result.statements).toBeGreaterThan(100);
  });

  test("is none at all", async () => {
    expect(await tryMigrations({})).toMatchObject({ applied: [], refused: [], failures: [], changed: [], empty: [] });
  });
});

describe("beside code of the release before, a migration is seen to be unsafe that", () => {
  test.each([
    ["renames a column", "alter table cell.thing rename column note to remark;", 'column "note"'],
    ["renames a table", "alter table cell.thing rename to item;", 'relation "cell.thing" does not exist'],
    ["drops a column", "alter table cell.thing drop column note;", 'column "note"'],
    ["drops a table", "drop table cell.thing;", 'relation "cell.thing" does not exist'],
    ["drops a default", "alter table cell.thing alter column size drop default;", 'null value in column "size"'],
    [
      "adds a required column",
      "alter table cell.thing add column colour text not null default ''; alter table cell.thing alter column colour drop default;",
      'null value in column "colour"',
    ],
    [
      "changes a type",
      "alter table cell.thing alter column name type integer using length(name);",
      "invalid input syntax for type integer",
    ],
    [
      "checks what old code writes",
      "alter table cell.thing add constraint k check (kind = 'A') not valid;",
      'violates check constraint "k"',
    ],
    [
      "builds an index while writers wait",
      "create index i on cell.thing (cell.slow(name));",
      "canceling statement due to lock timeout",
    ],
    [
      "checks all rows while writers wait",
      "alter table cell.thing add constraint k check (cell.slow(name) <> '');",
      "canceling statement due to lock timeout",
    ],
    [
      "writes all rows anew",
      "alter table cell.thing add column colour text default cell.slow(clock_timestamp()::text);",
      "canceling statement due to lock timeout",
    ],
    [
      "lets a trigger refuse",
      `create function cell.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
       create trigger refuse before insert on cell.thing for each row execute function cell.refuse();`,
      "no",
    ],
    [
      "holds back deletions",
      "create table cell.part (place_id bigint references cell.place (id)); create function cell.hold() returns trigger language plpgsql as $$ begin insert into cell.part values (new.id); return null; end $$; create trigger hold after insert on cell.place for each row execute function cell.hold();",
      "violates foreign key constraint",
    ],
  ])("%s", async (_name, sql, message) => {
    const result = await tryMigrations({ "0002.expand.bad.sql": sql });
    const errors = result.failures.map(({ error }) => error);
    expect(errors).toContainEqual(expect.stringContaining(message));
    expect(new Set(result.failures.map(({ during }) => during))).toEqual(new Set(["thing/0002.expand.bad.sql"]));
  });

  test.each([
    [
      "wants values where rows have none",
      "alter table cell.thing alter column note set not null;",
      "contains null values",
    ],
    ["wants equal rows to differ", "create unique index i on cell.thing (kind);", "could not create unique index"],
    [
      "adds a required column to rows",
      "alter table cell.thing add column colour text not null;",
      "contains null values",
    ],
  ])("%s", async (_name, sql, message) => {
    const result = await tryMigrations({ "0002.expand.bad.sql": sql });
    expect(result.refused).toEqual([expect.stringContaining(message)]);
    expect(result.failures).toEqual([]);
  });

  test("changes what old code has written", async () => {
    const result = await tryMigrations({
      "0002.expand.bad.sql": "update cell.place set slug = upper(slug) where id % 2 = 0;",
    });
    expect(result.failures).toEqual([]);
    expect(result.changed).toContainEqual({
      table: "cell.place",
      row: expect.objectContaining({ slug: expect.any(String) }),
    });
  });
});

test("a contract step that needs a newer release is not applied beside this one, and what comes after it is", async () => {
  const result = await tryMigrations({
    "0002.contract.a.sql": "-- cellway: needs 1.1.0\nalter table cell.thing drop column note;",
    "0003.expand.b.sql": "alter table cell.thing add column colour text;",
  });
  expect(result).toMatchObject({ applied: ["thing/0003.expand.b.sql"], refused: [], failures: [], changed: [] });
});
