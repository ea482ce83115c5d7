import { describe, expect, test } from "@jest/globals";
import { parseMigration } from "./files.mjs";
import { lintFile } from "./lint.mjs";

/** @param {Record<string, string[]>} tables */
const schema = (version = "0.1.0", tables = {}, objects = [""]) => ({ version, tables, objects });

/** A live release that writes cell.t (id, a, b), and a tree of 0.3.0 that no longer uses b, nor cell.old. */
const KNOWN = {
  version: "0.3.0",
  releases: [schema("0.2.0", { "cell.t": ["a", "b", "id"] }, ["cell.f"])],
  current: schema("0.3.0", { "cell.t": ["a", "id"] }),
};

/**
 * @param {"expand" | "contract"} phase
 * @param {string} sql
 */
async function rulesOf(phase, sql) {
  const text = phase === "contract" && !sql.includes("needs") ? `-- cellway: needs 0.3.0\n${sql}` : sql;
  const file = await parseMigration(`services/cell/x/migrations/0002.${phase}.x.sql`, text);
  return lintFile(file, KNOWN).map(({ rule }) => rule);
}

const CONCURRENTLY = "-- cellway: no-transaction\ndrop index concurrently if exists cell.i;\n";

describe("an expand step may", () => {
  test.each([
    [
      "create a table with everything",
      "create table cell.n (id bigint primary key, a text not null check (a <> ''), unique (a)); create index on cell.n (a); alter table cell.n add column b int not null, drop column a;",
    ],
    [
      "create a table whose rows go with those of another",
      "create table cell.n (id bigint references cell.t (id) on delete cascade, t bigint references cell.t on delete set null);",
    ],
    [
      "create a table for both sides",
      "create table __schema__.n (id bigint primary key); create index i on __schema__.n (id);",
    ],
    ["add a nullable column", "alter table cell.t add column c text;"],
    [
      "add a column with a constant default",
      "alter table cell.t add column c text not null default 'x', add column d int[] default '{}', add column e timestamptz not null default now();",
    ],
    ["build an index concurrently, again after a failure", `${CONCURRENTLY}create index concurrently i on cell.t (a);`],
    [
      "add a check of a column that no live release writes",
      "alter table cell.t add column c text; alter table cell.t add constraint k check (c <> '') not valid;",
    ],
    ["validate what an earlier file has added", "alter table cell.t validate constraint k;"],
    ["validate without a transaction", "-- cellway: no-transaction\nalter table cell.t validate constraint k;"],
    ["make a column nullable, so that new code need not write it", "alter table cell.t alter column a drop not null;"],
    [
      "make functions, and triggers of new tables",
      "create function cell.g() returns trigger language plpgsql as $$begin return null; end$$; create table cell.n (id int); create trigger g after insert on cell.n for each row execute function cell.g();",
    ],
    [
      "replace a trigger by one of the same name where it says why",
      "drop trigger t on cell.t; create trigger t after insert on cell.t for each row execute function cell.g();",
      ["trigger-on-existing-table"],
    ],
    ["track a table with the outbox", "select cell.outbox_track('t', 1, 1, 'id', 'id', 'array[''control'']');"],
    ["refer to what the other side deletes", "select cell.tombstone_reference('t', 'a', 'control.user');"],
    [
      "write rows of its own tables",
      "create table cell.n (id int); insert into cell.n select id from cell.t; update cell.n set id = 1; delete from cell.n;",
    ],
    ["set a sequence", "create sequence cell.s; select setval('cell.s', (select max(id) from cell.t));"],
  ])("%s", async (_name, sql, rules = []) => {
    expect(await rulesOf("expand", sql)).toEqual(rules);
  });
});

describe("an expand step may not", () => {
  test.each([
    ["be no SQL", "create tabel x (a int);", ["syntax"]],
    ["build an index while writers wait", "create index i on cell.t (a);", ["index-locks-writers"]],
    ["build an index of a template while writers wait", "create index i on __schema__.t (a);", ["index-locks-writers"]],
    [
      "build an index that a failure leaves in the way",
      "-- cellway: no-transaction\ncreate index concurrently i on cell.t (a);",
      ["index-not-repeatable"],
    ],
    [
      "build a unique index",
      `${CONCURRENTLY}create unique index concurrently i on cell.t (a);`,
      ["unique-refuses-old-writes"],
    ],
    ["add a unique constraint", "alter table cell.t add constraint k unique (a);", ["unique-refuses-old-writes"]],
    ["add a required column", "alter table cell.t add column c text not null;", ["column-required"]],
    [
      "add a required column with the default null",
      "alter table cell.t add column c text not null default null;",
      ["column-required"],
    ],
    [
      "add a column with a volatile default",
      "alter table cell.t add column c uuid default gen_random_uuid();",
      ["column-rewrites-table"],
    ],
    [
      "add an identity column",
      "alter table cell.t add column c bigint generated always as identity;",
      ["column-rewrites-table"],
    ],
    ["add a serial column", "alter table cell.t add column c bigserial;", ["column-rewrites-table"]],
    [
      "add a generated column",
      "alter table cell.t add column c int generated always as (id + 1) stored;",
      ["column-rewrites-table"],
    ],
    [
      "add a column with a check",
      "alter table cell.t add column c text check (c <> '');",
      ["column-brings-constraint"],
    ],
    [
      "add a column with a foreign key",
      "alter table cell.t add column c bigint references cell.u (id);",
      ["column-brings-constraint"],
    ],
    [
      "add a check that reads all rows",
      "alter table cell.t add column c text; alter table cell.t add constraint k check (c <> '');",
      ["constraint-checks-all-rows"],
    ],
    [
      "add a check of what old code writes",
      "alter table cell.t add constraint k check (a <> '') not valid;",
      ["constraint-refuses-old-writes"],
    ],
    [
      "add a foreign key of what old code writes",
      "alter table cell.t add constraint k foreign key (a) references cell.u (id) not valid;",
      ["constraint-refuses-old-writes"],
    ],
    [
      "validate in the transaction that added",
      "alter table cell.t add column c text; alter table cell.t add constraint k check (c <> '') not valid; alter table cell.t validate constraint k;",
      ["validate-in-own-file"],
    ],
    ["set not null", "alter table cell.t alter column a set not null;", ["not-null-on-existing"]],
    ["change a type", "alter table cell.t alter column a type varchar(20);", ["type-change"]],
    ["rename a column", "alter table cell.t rename column a to c;", ["rename"]],
    ["rename a table", "alter table cell.t rename to u;", ["rename"]],
    ["drop a column", "alter table cell.t drop column zz;", ["drop-in-expand"]],
    ["drop a constraint", "alter table cell.t drop constraint k;", ["drop-in-expand"]],
    ["drop a table", "drop table cell.zz;", ["drop-in-expand"]],
    ["drop an index", "-- cellway: no-transaction\ndrop index concurrently cell.i;", ["drop-in-expand"]],
    ["drop a function", "drop function cell.g(int);", ["drop-in-expand"]],
    ["drop a trigger", "drop trigger g on cell.t;", ["drop-in-expand"]],
    [
      "replace a function unseen",
      "create or replace function cell.f() returns int language sql as 'select 2';",
      ["function-replaced"],
    ],
    [
      "drop and make a function anew unseen",
      "drop function cell.f(); create function cell.f() returns int language sql as 'select 2';",
      ["function-replaced"],
    ],
    [
      "drop a default of a column that old code may leave out",
      "alter table cell.t alter column a drop default;",
      ["default-dropped"],
    ],
    [
      "put a trigger into old writes",
      "create trigger g before insert on cell.t for each row execute function cell.g();",
      ["trigger-on-existing-table"],
    ],
    [
      "hold back old deletions",
      "create table cell.n (id bigint references cell.t (id));",
      ["foreign-key-refuses-old-deletes"],
    ],
    [
      "hold back old deletions by two columns",
      "create table cell.n (a bigint, b bigint, foreign key (a, b) references cell.t (a, b));",
      ["foreign-key-refuses-old-deletes"],
    ],
    ["change rows of others", "update cell.t set a = 1;", ["data-of-existing-table"]],
    ["delete rows of others", "delete from cell.t;", ["data-of-existing-table"]],
    ["add rows to others' tables", "insert into cell.t (id) values (1);", ["data-of-existing-table"]],
    ["hide in a block", "do $$ begin perform 1; end $$;", ["block-is-opaque"]],
    ["call what is not known", "select cell.rebuild_all();", ["call-not-known"]],
    ["lock a table", "lock table cell.t;", ["explicit-lock"]],
    ["lock rows", "select id from cell.t for update;", ["explicit-lock"]],
    ["set its own time limits", "set local lock_timeout = '1min';", ["timeouts-belong-to-migrate"]],
    ["end its transaction", "begin; commit;", ["transaction-in-file", "transaction-in-file"]],
    [
      "mix what is half done with what is not",
      "-- cellway: no-transaction\nalter table cell.t add column c text;",
      ["no-transaction-mixed"],
    ],
    ["cluster a table", "cluster cell.t using i;", ["statement-not-known"]],
    ["truncate a table", "truncate cell.t;", ["statement-not-known"]],
    ["attach a partition", "alter table cell.t attach partition cell.p for values in (1);", ["statement-not-known"]],
    ["switch triggers off", "alter table cell.t disable trigger all;", ["statement-not-known"]],
    ["ask for a release", "-- cellway: needs 0.2.0\ncreate table cell.n (id int);", ["contract-needs-release"]],
  ])("%s", async (_name, sql, rules) => {
    expect(await rulesOf("expand", sql)).toEqual(rules);
  });
});

describe("a contract step may", () => {
  test.each([
    ["drop a column that nobody uses", "alter table cell.t drop column c;"],
    ["drop a table that nobody uses", "drop table cell.old;"],
    [
      "drop an index concurrently",
      "-- cellway: no-transaction\n-- cellway: needs 0.3.0\ndrop index concurrently cell.i;",
    ],
    ["drop a constraint", "alter table cell.t drop constraint k;"],
    ["drop a default", "alter table cell.t alter column a drop default;"],
    ["set not null", "alter table cell.t alter column a set not null;"],
    ["add a check of what the new code keeps", "alter table cell.t add constraint k check (a <> '') not valid;"],
    [
      "build a unique index",
      `-- cellway: no-transaction\n-- cellway: needs 0.3.0\ndrop index concurrently if exists cell.i;\ncreate unique index concurrently i on cell.t (a);`,
    ],
  ])("%s", async (_name, sql) => {
    expect(await rulesOf("contract", sql)).toEqual([]);
  });
});

describe("a contract step may not", () => {
  test.each([
    ["drop a column that a live release maps", "alter table cell.t drop column b;", ["still-mapped"]],
    ["drop a column that this tree maps", "alter table cell.t drop column a;", ["still-mapped"]],
    ["drop a table that a live release maps", "drop table cell.t;", ["still-mapped"]],
    [
      "drop, on both sides, a column that a live release maps on one",
      "alter table __schema__.t drop column b;",
      ["still-mapped"],
    ],
    ["drop a function that a live release calls", "drop function cell.f();", ["still-mapped"]],
    [
      "keep silent about the release it needs",
      "-- no needs\nalter table cell.t drop column c;",
      ["contract-needs-release"],
    ],
    [
      "need a release that is not there yet",
      "-- cellway: needs 0.4.0\nalter table cell.t drop column c;",
      ["contract-needs-release"],
    ],
    [
      "need what is no release",
      "-- cellway: needs soon\nalter table cell.t drop column c;",
      ["contract-needs-release"],
    ],
    ["drop an index while readers wait", "drop index cell.i;", ["index-locks-writers"]],
    ["rename", "alter table cell.t rename column c to d;", ["rename"]],
    ["change a type", "alter table cell.t alter column c type int;", ["type-change"]],
    ["build an index while writers wait", "create index i on cell.t (a);", ["index-locks-writers"]],
    ["change rows of others", "update cell.t set a = 1;", ["data-of-existing-table"]],
  ])("%s", async (_name, sql, rules) => {
    expect(await rulesOf("contract", sql)).toEqual(rules);
  });
});
