import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { LocalMode } from "@cellway/silo";
import { snowflakeLockOf } from "./advisory-locks.js";
import { schemaOf } from "./entities.js";
import { isRelease } from "./releases.js";

/** `expand` adds beside what is there and runs before the new code; `contract` removes what no code uses any more. */
export type MigrationPhase = "expand" | "contract";

/** One SQL file. Never edited once released. */
export interface Migration {
  /** The file's name: `0001.expand.create-organization.sql`. */
  readonly name: string;
  readonly phase: MigrationPhase;
  /** Of a contract step: the first release that does without what is dropped. No older one may run when it is applied. */
  readonly needs?: string;
  readonly sql: string;
  /** SHA-256 of the text in hexadecimal, the same for both conventions of line ends. */
  readonly checksum: string;
}

/** The migrations of one service. */
export interface MigrationSet {
  /** Unique within a side. `database` is taken by this package. */
  readonly service: string;
  readonly localMode: LocalMode;
  readonly migrations: readonly Migration[];
}

/** A migration file is wrong, or the database and the files contradict each other. The message names the file. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

/** The service name of the migrations that this package brings. */
const BUILT_IN_SERVICE = "database";

const NAME_RULE = "NNNN.expand.what-it-does.sql or NNNN.contract.what-it-does.sql";
const NAME_PATTERN = /^(\d{4})\.(expand|contract)\.[a-z0-9]+(?:-[a-z0-9]+)*\.sql$/;

/**
 * Reads a folder of migrations, sorted by number. A README.md beside them is ignored.
 *
 * @throws MigrationError when the folder cannot be read, or naming a file that is misnamed, repeats a number, or is a
 * contract step that does not say which release it needs.
 */
export async function readMigrations(directory: URL | string): Promise<Migration[]> {
  const base = directory instanceof URL ? directory : pathToFileURL(directory);
  const folder = new URL(base.href.endsWith("/") ? base.href : `${base.href}/`);
  const names = await listFolder(folder);
  const byNumber = new Map<number, string>();
  for (const name of names) {
    if (!NAME_PATTERN.test(name))
      throw new MigrationError(
        `The migration ${fileURLToPath(new URL(name, folder))} is misnamed: it must be ${NAME_RULE}.`,
      );
    const twin = byNumber.get(numberOfMigration(name));
    if (twin !== undefined)
      throw new MigrationError(`The migrations ${twin} and ${name} in ${fileURLToPath(folder)} have the same number.`);
    byNumber.set(numberOfMigration(name), name);
  }
  return Promise.all(names.map(async (name) => createMigration(name, await readFile(new URL(name, folder), "utf8"))));
}

/** The number that orders the migrations of a service. */
export function numberOfMigration(name: string): number {
  return Number(name.slice(0, 4));
}

/** Whether the file runs in a transaction: unless its first line is `-- cellway: no-transaction`. */
export function isTransactional(migration: Migration): boolean {
  return !/^\s*--\s*cellway:\s*no-transaction\s*?(\n|$)/.test(migration.sql);
}

/** The given sets after the built-in set of every side among them. @throws MigrationError on a repeated service. */
export async function withBuiltInSets(sets: readonly MigrationSet[]): Promise<MigrationSet[]> {
  const seen = new Set<string>();
  for (const { service, localMode } of sets) {
    const key = `${schemaOf(localMode)}.${service}`;
    if (service === BUILT_IN_SERVICE)
      throw new MigrationError(`The service name ${BUILT_IN_SERVICE} is taken by @cellway/database.`);
    if (seen.has(key)) throw new MigrationError(`The migrations of ${key} are given twice.`);
    seen.add(key);
  }
  const localModes = [...new Set(sets.map((set) => set.localMode))];
  const builtIn = localModes.map((localMode) =>
    readTemplateSet(new URL("../migrations/", import.meta.url), {
      service: BUILT_IN_SERVICE,
      localMode,
      lock: snowflakeLockOf(localMode),
    }),
  );
  return [...(await Promise.all(builtIn)), ...sets];
}

/**
 * Reads the migrations of a package that has the same tables on both sides: in each file `__schema__` stands for the
 * side's schema and `__lock__` for `lock`.
 */
export async function readTemplateSet(
  directory: URL,
  set: { service: string; localMode: LocalMode; lock: string },
): Promise<MigrationSet> {
  const { service, localMode, lock } = set;
  const templates = await readMigrations(directory);
  const migrations = templates.map(({ name, sql }) =>
    createMigration(name, sql.replaceAll("__schema__", schemaOf(localMode)).replaceAll("__lock__", lock)),
  );
  return { service, localMode, migrations };
}

function createMigration(name: string, text: string): Migration {
  const sql = text.replaceAll("\r\n", "\n");
  const checksum = createHash("sha256").update(sql).digest("hex");
  if (NAME_PATTERN.exec(name)?.[2] !== "contract") return { name, phase: "expand", sql, checksum };
  const needs = /^--\s*cellway:\s*needs\s+(\S+)\s*$/m.exec(sql)?.[1] ?? "";
  if (!isRelease(needs))
    throw new MigrationError(
      `The contract step ${name} must say, in a line "-- cellway: needs 1.2.3", the first release that does without what it drops.`,
    );
  return { name, phase: "contract", needs, sql, checksum };
}

async function listFolder(folder: URL): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name !== "README.md").sort();
  } catch (error) {
    throw new MigrationError(`The migrations folder ${fileURLToPath(folder)} cannot be read.`, { cause: error });
  }
}
