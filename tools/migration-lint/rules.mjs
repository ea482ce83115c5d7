/**
 * What a migration must not do, why, and the safe way. Old code runs on while an expand step is applied and after it;
 * everybody writes while either kind is applied.
 * @type {Record<string, {because: string, instead: string}>}
 */
export const RULES = {
  syntax: { because: "PostgreSQL does not understand it.", instead: "Correct the statement." },
  "index-locks-writers": {
    because: "Until the index is built nobody can write to the table.",
    instead:
      "A file of its own that begins with `-- cellway: no-transaction`: `drop index concurrently if exists s.i;` and `create index concurrently i on s.t (…);`.",
  },
  "index-not-repeatable": {
    because: "A concurrent build that fails leaves an invalid index behind, and the next attempt stops at it.",
    instead: "Put `drop index concurrently if exists s.i;` before it.",
  },
  "unique-refuses-old-writes": {
    because: "Rows that are there, or that old code still writes, may be equal; then the build or the old code fails.",
    instead:
      "Expand: a new column or table with the unique key, written by the new code. Or build the unique index in a contract step.",
  },
  "column-rewrites-table": {
    because: "Every row is written anew while nobody can read or write the table.",
    instead:
      "Add the column with no default or a constant one, fill it in batches from code, and let code or a trigger write it.",
  },
  "column-required": {
    because: "Old code does not name the column, so its inserts fail.",
    instead:
      "Let it be nullable or give it a constant default; make it not null in a contract step, once all code writes it.",
  },
  "column-brings-constraint": {
    because: "The constraint is checked against every row while nobody can read or write the table.",
    instead:
      "Add the column alone; then `add constraint … not valid`; then, in another file, `validate constraint`. A unique key is an index built concurrently.",
  },
  "constraint-checks-all-rows": {
    because: "Every row is checked while nobody can write to the table.",
    instead: "`add constraint … not valid` here, and `validate constraint` in a later file.",
  },
  "constraint-refuses-old-writes": {
    because: "It concerns a column that a live release writes, and knows nothing of the constraint.",
    instead: "Let the new code keep it first; add the constraint in a contract step, once no older release runs.",
  },
  "validate-in-own-file": {
    because: "The lock that adding the constraint took is held until all rows are checked: it is the same transaction.",
    instead: "Validate in a later file.",
  },
  "not-null-on-existing": {
    because: "Old code may still write nulls; and all rows are checked while nobody can read or write the table.",
    instead:
      "Expand: `add constraint c check (x is not null) not valid` once all code writes it; contract: validate it, then in the next file set not null and drop the check.",
  },
  "type-change": {
    because: "The table is rewritten or its readers get another type than they read.",
    instead: "Add a column of the new type, write both, move the readers, and drop the old one in a contract step.",
  },
  rename: {
    because: "Old code uses the old name, new code the new one, and both run.",
    instead:
      'Keep the name in the database: `@Column({name: "old_name"})`. Or add beside it, write both, and drop the old one in a contract step.',
  },
  "drop-in-expand": {
    because: "Old code may still use it.",
    instead: "A contract step, NNNN.contract.what.sql, after the release that no longer uses it.",
  },
  "default-dropped": {
    because: "Inserts of old code that leave the column out would fail, or write null.",
    instead: "A contract step, once no live release inserts without the column.",
  },
  "trigger-on-existing-table": {
    because: "It runs inside the writes of old code and can make them fail or wait.",
    instead:
      "Use outbox_track or tombstone_…, which are known to be safe; else say in tools/migration-lint/exceptions.json why old writes survive it.",
  },
  "function-replaced": {
    because: "Old code, or a trigger below it, gets the new behaviour at once.",
    instead:
      "A function of a new name; or say in tools/migration-lint/exceptions.json why the old callers get what they expect.",
  },
  "foreign-key-refuses-old-deletes": {
    because: "Old code deletes rows of that table and knows nothing of these.",
    instead: "`on delete cascade` or `on delete set null`.",
  },
  "data-of-existing-table": {
    because: "The rows stay locked until the file is through, and old code may be writing them.",
    instead:
      "Fill in batches from code (a task, or outbox_backfill); or say in tools/migration-lint/exceptions.json why few rows are held shortly.",
  },
  "block-is-opaque": {
    because: "What it does is decided while it runs, so nothing can be checked here.",
    instead: "Plain statements; or say in tools/migration-lint/exceptions.json what it does and why that is safe.",
  },
  "call-not-known": {
    because: "What the function does cannot be seen here.",
    instead: "Plain statements; or say in tools/migration-lint/exceptions.json why the call is safe.",
  },
  "explicit-lock": {
    because: "Everybody waits for it until the file is through.",
    instead: "Do without; or say in tools/migration-lint/exceptions.json why it is needed and short.",
  },
  "timeouts-belong-to-migrate": {
    because: "`cellway migrate` sets lock_timeout and statement_timeout for every file, and nothing else may last.",
    instead:
      "Leave it out. Where a statement needs longer, `set local statement_timeout` with a reason in tools/migration-lint/exceptions.json.",
  },
  "transaction-in-file": {
    because: "A file is one transaction, in which it is also recorded as applied.",
    instead: "Leave out begin, commit and rollback; split the file.",
  },
  "no-transaction-mixed": {
    because: "What fails half-way in such a file stays half done.",
    instead: "Only `concurrently` and `validate constraint` stand there; everything else in a file of its own.",
  },
  "statement-not-known": {
    because: "Nobody has thought about whether old code survives it.",
    instead: "Another statement; or teach tools/migration-lint/statements.mjs this one, with a test.",
  },
  "contract-needs-release": {
    because: "`cellway migrate` waits until no process runs an older release than the step needs.",
    instead:
      "One line at the top of each contract step, and of no other: `-- cellway: needs 1.2.3`, the first release that does without what is dropped; not newer than this tree's.",
  },
  "still-mapped": {
    because: "A live release, or this tree, still uses it.",
    instead:
      "First release code that does not; drop it once `cellway release retire` has dropped the releases that do.",
  },
};

/**
 * Functions of ours that may be called for a table that others use, and why old code survives it.
 * @type {Record<string, string>}
 */
export const SAFE_CALLS = {
  outbox_track:
    "adds a trigger that runs after a write and only adds rows to the outbox; the trigger's body names columns that cannot be dropped before it",
  tombstone_tell: "adds a trigger that runs after a deletion and only adds a row to the outbox",
  tombstone_mirror: "adds a trigger that runs after a deletion and only adds a tombstone, or nothing",
  tombstone_reference:
    "adds a trigger that runs after a write and only adds rows to tombstone_cascade; existing rows are not read",
};
