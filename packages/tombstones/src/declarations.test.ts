import { CellEntity, CrossSiloReference, IdColumn, migrate, type OnDelete, type SiloTable } from "@cellway/database";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Column } from "typeorm";
import { type CascadeRule, resolveReferences } from "./references.js";
import { findUnwired, tombstoneMigrations } from "./schema.js";
import { mirrorDeletions } from "./sources.js";
import { migrationOf, Note, Reader, startTombstoneBench, type TombstoneBench } from "./test-support.js";

let bench: TombstoneBench;

beforeAll(async () => {
  bench = await startTombstoneBench();
}, 30_000);
afterAll(() => bench?.stop());

function declare(type: "bigint" | "text", target: SiloTable, onDelete: OnDelete) {
  @CellEntity("wrong")
  class Wrong {
    @IdColumn()
    id!: string;

    @Column({ type, name: "user_id" })
    @CrossSiloReference(target, { onDelete })
    userId!: string;
  }
  return Wrong;
}

function declareNoColumn() {
  @CellEntity("wrong")
  class Wrong {
    @IdColumn()
    id!: string;

    @CrossSiloReference("control.user", { onDelete: "cascade" })
    userId!: string;
  }
  return Wrong;
}

describe("a declaration is refused", () => {
  test.each([
    ["whose column does not exist", declareNoColumn(), "there is no such column"],
    ["whose column can not hold an id", declare("text", "control.user", "cascade"), "bigint"],
    ["that leads to its own side", declare("bigint", "cell.note", "cascade"), "use a foreign key"],
    ["that would set to null what may not be", declare("bigint", "control.user", "set null"), "not nullable"],
  ])("%s", (_, entity, why) => {
    expect(() => resolveReferences([entity], [])).toThrow(why);
  });

  test("of a rule for what is no cascade", () => {
    const rule: CascadeRule = { entity: Note, property: "reviewerId", remove: () => Promise.resolve(0) };
    expect(() => resolveReferences([Note], [rule])).toThrow("Note.reviewerId has a rule for cascades");
  });
});

async function migrateMore(name: string, sql: string): Promise<void> {
  const set = { service: name, localMode: "CELL" as const, migrations: [migrationOf("0001.expand.more.sql", sql)] };
  await migrate({ url: bench.url, sets: [await tombstoneMigrations("CELL"), set] });
}

test("what is declared and not migrated is named; what is migrated is not", async () => {
  const references = resolveReferences([Note, Reader], []);
  expect(await findUnwired(bench.database, "CELL", { references, sources: [] })).toEqual([]);
  const sources = [mirrorDeletions("control.user", { table: "user_copy", column: "user_id" })];
  const [first] = references;
  if (first === undefined) throw new Error("no reference");
  const unknown = [{ ...first, column: "owner_id" }];
  expect(await findUnwired(bench.database, "CELL", { references: unknown, sources })).toEqual([
    "cell: no migration has wired REFERS note.owner_id control.user",
    "cell: no migration has wired MIRRORS user_copy.user_id control.user",
  ]);
});

test("a column without an index is refused by the migration: each batch would read the whole table", async () => {
  const sql = `create table cell.slow (id bigint primary key, user_id bigint);
    select cell.tombstone_reference('slow', 'user_id', 'control.user')`;
  await expect(migrateMore("slow", sql)).rejects.toThrow("no index begins with user_id");
});

test("a reference that is declared later finds what died before it", async () => {
  await bench.record(7);
  await bench.finish();
  const sql = `create table cell.later (id bigint primary key, user_id bigint);
    create index on cell.later (user_id);
    insert into cell.later values (1, 7), (2, 8);
    select cell.tombstone_reference('later', 'user_id', 'control.user')`;
  await migrateMore("later", sql);
  expect(await bench.status()).toEqual([expect.objectContaining({ reference: "later.user_id", pending: 1 })]);
});

test("the deletion of a row that stands for one of the other side is a tombstone, in the same transaction", async () => {
  const sql = `create table cell.user_copy (user_id bigint primary key);
    insert into cell.user_copy values (21), (22);
    select cell.tombstone_mirror('user_copy', 'user_id', 'control.user')`;
  await migrateMore("copies", sql);
  await bench.query("insert into cell.note (id, author_id) values (1, 21), (2, 22)");
  await bench.query("delete from cell.user_copy where user_id = 21");
  await bench.cascade();
  expect(await bench.query("select author_id from cell.note")).toEqual([{ author_id: "22" }]);
});
