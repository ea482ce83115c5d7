import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readReleases, schemaFileOf } from "../../cli/dist/releases.js";
import { matchesAny } from "../layer-check/glob.mjs";
import { listFiles, readJson } from "../layer-check/workspaces.mjs";
import { readCatalog } from "./catalog.mjs";
import { parseMigration, readMigrationFiles } from "./files.mjs";

/** @typedef {import("./files.mjs").MigrationFile} MigrationFile */
/** @typedef {import("./catalog.mjs").Catalog} Catalog */
/** @typedef {import("./lint.mjs").UsedSchema} UsedSchema */
/** @typedef {UsedSchema & {migrations: Record<string, string[]>}} ReleaseSchema */
/** @typedef {{workspace: string, words: Set<string>}} Text */
/** @typedef {{columns: {databaseName: string, propertyName: string}[], schema?: string, tableName: string}} EntityMetadata */
/** @typedef {{kind: string, old: string, current: string}} Alias */

/** Where SQL is written by hand. */
const SOURCES = ["services/*/*/src/**/*.ts", "packages/*/src/**/*.ts"];
const NO_SOURCES = ["**/*.test.ts", "**/test-support.ts", "packages/testing/**"];
const SIDES = ["control", "cell"];

/**
 * The schemas of the releases of which a process may still run: those of proto/releases/releases.json.
 * @param {string} root
 * @returns {ReleaseSchema[]}
 */
export function readReleaseSchemas(root) {
  return readReleases(root).map(({ version }) => {
    const file = join(root, schemaFileOf(version));
    if (existsSync(file)) return /** @type {ReleaseSchema} */ (readJson(file));
    throw new Error(`${file} is missing: at the commit of the release, node tools/release-schema.mjs ${version}`);
  });
}

/**
 * What the code of this tree uses, and the migrations that it brings. The tree is built.
 *
 * A table is used when an entity maps it or anything names it. Of its columns those are used that an entity maps, that
 * stand in a source of the service or package that owns the table, or in a source or SQL function that names the table:
 * raw SQL cannot use a column without naming it. Too much is found that way rather than too little.
 * @param {string} root
 * @param {string} version
 * @param {{hasContracted?: boolean}} [options] `hasContracted`: what contract steps drop is gone, and an entity that maps
 *   it is an error; else it is there, so that its uses are found. Default true.
 * @returns {Promise<ReleaseSchema>}
 */
export async function readCurrentSchema(root, version, { hasContracted = true } = {}) {
  const all = (await readMigrationFiles(root)).filter(({ phase }) => hasContracted || phase === "expand");
  const files = (await Promise.all(all.map(forEachSide))).flat();
  const catalog = readCatalog(files);
  const texts = readTexts(root, catalog);
  const entities = await readEntities(root);
  /** @type {[string, string[]][]} */
  const tables = [...catalog.tables].flatMap(([table, columns]) => {
    const near = texts.filter(({ words }) => words.has(baseName(table)));
    const mapped = entities.get(table) ?? new Set();
    if (near.length === 0 && mapped.size === 0) return [];
    const owner = workspaceOf(catalog.owners.get(table) ?? "");
    const sources = [...near, ...texts.filter(({ workspace }) => workspace === owner)];
    const used = [...columns].filter((column) => mapped.has(column) || sources.some(({ words }) => words.has(column)));
    return [[table, used.sort()]];
  });
  const used = new Map(tables);
  const unknown = [...entities].flatMap(([table, columns]) =>
    [...columns].filter((column) => !used.get(table)?.includes(column)).map((column) => `${table}.${column}`),
  );
  if (unknown.length > 0) throw new Error(`Entities map what no migration makes: ${unknown.join(", ")}`);
  const objects = [...catalog.functions.keys(), ...catalog.sequences].filter((name) => isNamed(name, catalog, texts));
  return {
    version,
    migrations: await readMigrationNames(root),
    tables: Object.fromEntries([...used].sort(([a], [b]) => a.localeCompare(b, "en"))),
    objects: objects.sort(),
  };
}

/**
 * A template is there for both sides.
 * @param {MigrationFile} file
 */
async function forEachSide(file) {
  if (!file.sql.includes("__schema__")) return [file];
  return await Promise.all(SIDES.map((side) => parseMigration(file.file, file.sql.replaceAll("__schema__", side))));
}

/**
 * The words of each source file, of each SQL function with the tables that call it, and of each call of a helper.
 * @param {string} root
 * @param {Catalog} catalog
 * @returns {Text[]}
 */
function readTexts(root, catalog) {
  const sources = listFiles(root, "", [".ts"])
    .filter((file) => matchesAny(SOURCES, file) && !matchesAny(NO_SOURCES, file))
    .map((file) => ({ workspace: workspaceOf(file), text: readFileSync(join(root, file), "utf8") }));
  const functions = [...catalog.functions].map(([name, body]) =>
    [body, ...(catalog.callers.get(name) ?? [])].join("\n"),
  );
  const others = [...functions, ...catalog.calls].map((text) => ({ workspace: "", text }));
  return [...sources, ...others].map(({ workspace, text }) => ({ workspace, words: new Set(text.match(/\w+/g)) }));
}

/**
 * `services/cell/organization` of a file in it.
 * @param {string} file
 */
function workspaceOf(file) {
  const parts = file.split("/");
  return parts.slice(0, parts[0] === "services" ? 3 : 2).join("/");
}

/**
 * @param {string} name
 * @param {Catalog} catalog
 * @param {readonly Text[]} texts
 */
function isNamed(name, catalog, texts) {
  return catalog.callers.has(name) || texts.some(({ words }) => words.has(baseName(name)));
}

/** @param {string} name */
function baseName(name) {
  return name.split(".").at(-1) ?? "";
}

/**
 * What is wrong with columns that the alias table says keep an old name: `schema.table.old_name` behind a new property.
 * @param {readonly Alias[]} aliases
 * @param {readonly EntityMetadata[]} entities
 * @returns {string[]} A sentence for each.
 */
export function findColumnFaults(aliases, entities) {
  return aliases
    .filter(({ kind }) => kind === "COLUMN")
    .filter(
      ({ old, current }) =>
        !entities.some(({ schema, tableName, columns }) =>
          columns.some(
            ({ databaseName, propertyName }) =>
              `${schema}.${tableName}.${databaseName}` === old && propertyName === current,
          ),
        ),
    )
    .map(({ old, current }) => `no entity maps ${old} as ${current}: @Column({ name: "${baseName(old)}" }) ${current}`);
}

/**
 * Faults of this tree's alias table; see {@link findColumnFaults}. The tree is built.
 * @param {string} root
 */
export async function readColumnFaults(root) {
  const { ALIASES } = await importBuilt(root, "packages/silo/dist/index.js");
  return findColumnFaults(ALIASES, await readMetadata(root));
}

/**
 * The columns that entities map, by table.
 * @param {string} root
 * @returns {Promise<Map<string, Set<string>>>}
 */
async function readEntities(root) {
  return new Map(
    (await readMetadata(root)).map(({ schema, tableName, columns }) => [
      `${schema}.${tableName}`,
      new Set(columns.map((column) => column.databaseName)),
    ]),
  );
}

/**
 * @param {string} root
 * @returns {Promise<EntityMetadata[]>}
 */
async function readMetadata(root) {
  const { MODULES } = await importBuilt(root, "cli/dist/modules.js");
  const { DataSource } = createRequire(join(root, "packages/database/package.json"))("typeorm");
  const entities = MODULES.flatMap((/** @type {{entities: unknown[]}} */ module) => module.entities);
  const source = new DataSource({ type: "postgres", entities });
  await source.buildMetadatas();
  return /** @type {EntityMetadata[]} */ (source.entityMetadatas);
}

/**
 * The migrations that `cellway migrate` would apply to a monolith, by side and service.
 * @param {string} root
 */
async function readMigrationNames(root) {
  const { MODULES } = await importBuilt(root, "cli/dist/modules.js");
  const { migrationSetsOf } = await importBuilt(root, "packages/host/dist/index.js");
  const { withBuiltInSets } = await importBuilt(root, "packages/database/dist/migrations.js");
  const sets = await withBuiltInSets(await migrationSetsOf(MODULES));
  /** @type {[string, string[]][]} */
  const names = sets.map((/** @type {{localMode: string, service: string, migrations: {name: string}[]}} */ set) => [
    `${set.localMode.toLowerCase()}/${set.service}`,
    set.migrations.map(({ name }) => name),
  ]);
  return Object.fromEntries(names.sort(([a], [b]) => a.localeCompare(b, "en")));
}

/**
 * @param {string} root
 * @param {string} path
 */
async function importBuilt(root, path) {
  return await import(pathToFileURL(join(root, path)).href);
}
