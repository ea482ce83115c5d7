import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { CascadeRule } from "./references.js";
import { Note, startTombstoneBench, type TombstoneBench } from "./test-support.js";

let bench: TombstoneBench;

beforeAll(async () => {
  bench = await startTombstoneBench();
}, 30_000);
afterAll(() => bench?.stop());
beforeEach(() => bench.clear());

/** Notes with these ids, all of one author. */
async function writeNotes(ids: readonly number[], authorId: number, reviewerId: number | null = null): Promise<void> {
  const sql =
    "insert into cell.note (id, author_id, editor_id, reviewer_id) select unnest($1::bigint[]), $2, $2, $3::bigint";
  await bench.query(sql, [ids, authorId, reviewerId]);
}

async function noteIds(): Promise<number[]> {
  return (await bench.query<{ id: string }>("select id from cell.note order by id")).map(({ id }) => Number(id));
}

async function count(table: string): Promise<number> {
  return (await bench.query<{ count: number }>(`select count(*)::int as count from cell.${table}`))[0]?.count ?? -1;
}

function rowsLetGo(reference: string, onDelete: string): Promise<number> {
  return bench.metrics.value("cellway_tombstone_rows_total", { reference, on_delete: onDelete });
}

describe("a row that refers to something that is gone", () => {
  test("goes, loses the reference or stays, as its column declares; nothing else is touched", async () => {
    await writeNotes([1, 2], 7);
    await writeNotes([3], 8, 7);
    await writeNotes([4], 9, 8);
    await bench.query("update cell.note set editor_id = 7 where id = 4");
    await bench.query("insert into cell.reader values (1, 7), (1, 8), (2, 7), (3, 9)");
    await bench.record(7);
    await bench.finish();
    expect(await bench.query("select id, author_id, editor_id, reviewer_id from cell.note order by id")).toEqual([
      { id: "3", author_id: "8", editor_id: "8", reviewer_id: null },
      { id: "4", author_id: "9", editor_id: "7", reviewer_id: "8" },
    ]);
    expect(await bench.query("select note_id, user_id from cell.reader order by 1, 2")).toEqual([
      { note_id: "1", user_id: "8" },
      { note_id: "3", user_id: "9" },
    ]);
  });

  test("goes in batches, each counted when it is committed, and the next run goes on where one was stopped", async () => {
    await writeNotes([1, 2, 3, 4, 5], 7);
    await bench.record(7);
    const before = await rowsLetGo("note.author_id", "cascade");
    await bench.cascade({ batchRows: 2, batchesMax: 4 });
    expect([(await noteIds()).length, await rowsLetGo("note.author_id", "cascade")]).toEqual([1, before + 4]);
    expect(await bench.status()).toContainEqual(
      expect.objectContaining({ reference: "note.author_id", target: "control.user", pending: 1, rows: 4 }),
    );
    expect(await bench.metrics.value("cellway_tombstone_pending", { reference: "note.author_id" })).toBe(1);
    await bench.finish();
    expect([await noteIds(), await rowsLetGo("note.author_id", "cascade")]).toEqual([[], before + 5]);
    expect(await bench.metrics.value("cellway_tombstone_pending", { reference: "note.author_id" })).toBe(0);
  });

  test("goes once, and is counted once, when several processes are at it", async () => {
    await writeNotes(
      Array.from({ length: 60 }, (_, index) => index),
      7,
    );
    await bench.record(7);
    const before = await rowsLetGo("note.author_id", "cascade");
    await Promise.all([1, 2, 3].map(() => bench.cascade({ batchRows: 3 })));
    await bench.finish();
    expect([await noteIds(), await rowsLetGo("note.author_id", "cascade")]).toEqual([[], before + 60]);
  });

  test("goes by the rule of its service where there is one", async () => {
    await writeNotes([1, 2, 3], 7);
    await bench.query("insert into cell.pin values (1), (2)");
    await bench.record(7);
    const unpinThenDelete: CascadeRule = {
      entity: Note,
      property: "authorId",
      async remove(manager, objectId, limit) {
        const notes = await manager.find(Note, { where: { authorId: objectId }, order: { id: "ASC" }, take: limit });
        for (const { id } of notes) {
          await manager.query("delete from cell.pin where note_id = $1", [id]);
          await manager.delete(Note, { id });
        }
        return notes.length;
      },
    };
    await bench.cascade({ batchRows: 2 }, [unpinThenDelete]);
    expect([await noteIds(), await count("pin")]).toEqual([[], 0]);
  });
});

describe("a row that is written with a dead id", () => {
  beforeEach(async () => {
    await writeNotes([1], 8);
    await bench.record(7);
    await bench.finish();
  });

  test.each([
    ["inserted", "insert into cell.note (id, author_id) values (2, 7)"],
    ["inserted with many", "insert into cell.note (id, author_id) select i, 7 from generate_series(2, 500) i"],
    ["changed", "update cell.note set author_id = 7 where id = 1"],
    ["upserted", "insert into cell.note (id, author_id) values (1, 7) on conflict (id) do update set author_id = 7"],
  ])("goes too: %s long after the tombstone", async (_, sql) => {
    await bench.query(sql);
    await bench.finish();
    expect(await bench.query("select from cell.note where author_id = 7")).toEqual([]);
  });

  test("leaves no work when its transaction is rolled back", async () => {
    const write = bench.database.transaction(async (manager) => {
      await manager.query("insert into cell.note (id, author_id) values (2, 7)");
      throw new Error("undone");
    });
    await expect(write).rejects.toThrow("undone");
    expect(await bench.status()).toEqual([]);
  });

  test("loses the reference where it may stay", async () => {
    await bench.query("update cell.note set reviewer_id = 7");
    await bench.finish();
    expect(await bench.query("select reviewer_id from cell.note")).toEqual([{ reviewer_id: null }]);
  });
});

test("a row of a transaction that began before the tombstone and commits long after it goes too", async () => {
  await bench.record(6);
  await bench.finish();
  const runner = bench.database.createQueryRunner();
  try {
    await runner.startTransaction();
    await runner.query("insert into cell.note (id, author_id) values (1, 7)");
    await bench.record(7);
    for (let run = 0; run < 3; run += 1) await bench.cascade();
    // Nothing refers to the user as far as anybody can see, and yet it is not over.
    expect([await noteIds(), (await bench.status()).length]).toEqual([[], 3]);
    await runner.commitTransaction();
  } finally {
    await runner.release();
  }
  await bench.finish();
  expect(await noteIds()).toEqual([]);
});

test("a tombstone that comes again, or after a newer one, changes nothing and is no work", async () => {
  await bench.record(7, 5);
  await bench.finish();
  await bench.record(7, 5);
  await bench.record(7, 2);
  await bench.record(7, 9);
  expect(await bench.status()).toEqual([]);
  expect(await bench.query("select object_id, version from cell.tombstone")).toEqual([
    { object_id: "7", version: "5" },
  ]);
});

test("an id that nothing ever referred to touches nothing", async () => {
  await writeNotes([1, 2], 8, 9);
  await bench.record(7);
  await bench.finish();
  expect(await bench.query("select id, reviewer_id from cell.note order by id")).toEqual([
    { id: "1", reviewer_id: "9" },
    { id: "2", reviewer_id: "9" },
  ]);
});

test("what fails is told with its reason, holds up nothing else, and is done once it can be", async () => {
  await writeNotes([1], 6);
  await writeNotes([2], 7);
  await bench.query("insert into cell.pin values (1)");
  await bench.record(6);
  await bench.record(7);
  await bench.cascade();
  expect(await noteIds()).toEqual([1]);
  expect(await bench.status()).toContainEqual(
    expect.objectContaining({ reference: "note.author_id", failing: 1, error: "23503" }),
  );
  expect(await bench.metrics.value("cellway_tombstone_failing", { reference: "note.author_id" })).toBe(1);
  await bench.query("delete from cell.pin");
  await bench.finish();
  expect(await noteIds()).toEqual([]);
}, 30_000);

test("work of a reference that this version of the code does not know is left to one that does", async () => {
  await bench.query(
    "insert into cell.tombstone_cascade (table_name, column_name, target, object_id) values ('later', 'user_id', 'control.user', 7)",
  );
  await bench.cascade();
  expect(await bench.status()).toEqual([
    expect.objectContaining({ reference: "later.user_id", pending: 1, failing: 0 }),
  ]);
});
