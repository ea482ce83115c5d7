import { describe, expect, test } from "@jest/globals";
import { applyExceptions } from "./migration-lint/exceptions.mjs";
import { parseMigration } from "./migration-lint/files.mjs";
import { lintFile } from "./migration-lint/lint.mjs";
import { RULES } from "./migration-lint/rules.mjs";
import { findColumnFaults } from "./migration-lint/used-schema.mjs";
import { findMigrationFaults, formatFinding } from "./migration-lint.mjs";
import { withTree } from "./test-tree.mjs";

const NOTHING = { version: "0.3.0", tables: {}, objects: [] };
const KNOWN = { version: "0.3.0", releases: [], current: NOTHING };

test("every rule says why, and the safe way", async () => {
  for (const [rule, { because, instead }] of Object.entries(RULES)) {
    const text = formatFinding({ file: "f.sql", line: 3, rule, on: "cell.t.a" });
    expect(text).toBe(`f.sql:3: ${rule} on cell.t.a\n    because: ${because}\n    instead: ${instead}`);
    expect(Math.min(because.length, instead.length)).toBeGreaterThan(20);
  }
});

test("a finding names the line of its statement, whatever stands above it", async () => {
  const sql =
    "-- ä; not a statement;\ncreate table cell.n (id int);\n\n/* a; */ -- b\n  create index i on cell.t (a);\n";
  const file = await parseMigration("services/cell/x/migrations/0002.expand.x.sql", sql);
  expect(lintFile(file, KNOWN).map(({ line }) => line)).toEqual([5]);
});

describe("an exception", () => {
  const finding = { file: "f.sql", line: 3, rule: "rename", on: "cell.t" };
  const because = "nobody has ever read this table";

  test("covers what it names, and nothing else", () => {
    const other = { ...finding, on: "cell.u" };
    expect(applyExceptions([finding, other], [{ file: "f.sql", rule: "rename", on: ["cell.t"], because }])).toEqual([
      other,
    ]);
  });

  test("that nothing needs is a fault itself", () => {
    const [fault] = applyExceptions([], [{ file: "f.sql", rule: "rename", on: ["cell.t"], because }]);
    expect(fault).toMatchObject({ file: "f.sql", rule: "exception", detail: expect.stringContaining("take it out") });
  });

  test("without a reason is a fault", () => {
    const faults = applyExceptions([finding], [{ file: "f.sql", rule: "rename", on: ["cell.t"], because: "ok" }]);
    expect(faults).toMatchObject([{ rule: "exception", detail: "the exception for rename says no reason" }]);
  });
});

test("a column that keeps its old name is mapped by an entity under the new one", () => {
  const alias = { kind: "COLUMN", old: "cell.visit.place_name", current: "cellName" };
  const columns = [{ databaseName: "place_name", propertyName: "cellName" }];
  const entity = { schema: "cell", tableName: "visit", columns };
  expect(findColumnFaults([alias], [entity])).toEqual([]);
  const fault = 'no entity maps cell.visit.place_name as cellName: @Column({ name: "place_name" }) cellName';
  expect(findColumnFaults([alias], [{ ...entity, schema: "control" }])).toEqual([fault]);
  const renamed = [{ databaseName: "cell_name", propertyName: "cellName" }];
  expect(findColumnFaults([alias], [{ ...entity, columns: renamed }])).toEqual([fault]);
  expect(findColumnFaults([{ ...alias, kind: "SETTING" }], [])).toEqual([]);
});

test("squawk is asked too, of files with and without a transaction, and its findings can be excepted", async () => {
  const files = {
    "services/cell/x/migrations/0001.expand.a.sql": "create table cell.n (id bigint primary key, a char(4));\n",
    "services/cell/x/migrations/0002.expand.b.sql": `-- cellway: no-transaction\ndrop index concurrently if exists cell.i;\ncreate index concurrently i on cell.n (a);\n`,
    "packages/y/migrations/0001.expand.c.sql": "create table __schema__.m (id bigint primary key, at timestamp);\n",
  };
  const rules = await withTree(files, async (root) =>
    (await findMigrationFaults(root, KNOWN)).map(({ file, rule }) => `${file} ${rule}`),
  );
  expect(rules).toEqual([
    "packages/y/migrations/0001.expand.c.sql squawk/prefer-timestamp-tz",
    "services/cell/x/migrations/0001.expand.a.sql squawk/ban-char-field",
  ]);
});
