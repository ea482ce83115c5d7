import { droppedNames, findNodes, nameOf, wordsOf } from "./names.mjs";

/** @typedef {import("./files.mjs").MigrationFile} MigrationFile */
/** @typedef {import("./files.mjs").Node} Node */
/**
 * What the migrations make, as far as their text says it.
 * @typedef {object} Catalog
 * @property {Map<string, Set<string>>} tables The columns of `schema.table`.
 * @property {Map<string, string>} owners The migration that makes each table.
 * @property {Map<string, string>} functions Their bodies. Of overloaded ones the last.
 * @property {Set<string>} sequences
 * @property {Map<string, Set<string>>} callers Of each function the tables whose triggers call it.
 * @property {string[]} calls Every call that a migration makes, as its words: what a helper was told of a table.
 */

/**
 * @param {readonly MigrationFile[]} files In the order in which they are applied.
 * @returns {Catalog}
 */
export function readCatalog(files) {
  /** @type {Catalog} */
  const catalog = {
    tables: new Map(),
    owners: new Map(),
    functions: new Map(),
    sequences: new Set(),
    callers: new Map(),
    calls: [],
  };
  for (const { file, statements } of files) {
    for (const { kind, node } of statements) READERS[kind]?.(catalog, node, file);
  }
  return catalog;
}

/** @type {Record<string, (catalog: Catalog, node: Node, file: string) => void>} */
const READERS = {
  CreateStmt: ({ tables, owners }, node, file) => {
    owners.set(nameOf(node["relation"]), file);
    const columns = findNodes(node["tableElts"], "ColumnDef").map((column) => column["colname"]);
    tables.set(nameOf(node["relation"]), new Set(columns));
  },
  AlterTableStmt: ({ tables }, node) => {
    const columns = tables.get(nameOf(node["relation"]));
    for (const cmd of findNodes(node["cmds"], "AlterTableCmd")) {
      if (cmd["subtype"] === "AT_AddColumn") columns?.add(cmd["def"].ColumnDef.colname);
      if (cmd["subtype"] === "AT_DropColumn") columns?.delete(cmd["name"]);
    }
  },
  CreateSeqStmt: ({ sequences }, node) => void sequences.add(nameOf(node["sequence"])),
  CreateFunctionStmt: ({ functions }, node) => {
    const body = /** @type {Node[]} */ (node["options"]).find((option) => option["DefElem"].defname === "as");
    functions.set(wordsOf(node["funcname"]).join("."), wordsOf(body?.["DefElem"].arg.List.items ?? []).join("\n"));
  },
  CreateTrigStmt: ({ callers }, node) => {
    const name = wordsOf(node["funcname"]).join(".");
    callers.set(name, (callers.get(name) ?? new Set()).add(nameOf(node["relation"])));
  },
  SelectStmt: ({ calls }, node) => {
    for (const call of findNodes(node, "FuncCall")) {
      calls.push([...wordsOf(call["funcname"]), ...findNodes(call, "sval").map((value) => value["sval"])].join(" "));
    }
  },
  DropStmt: ({ tables, functions, sequences }, node) => {
    for (const name of droppedNames(node)) {
      if (node["removeType"] === "OBJECT_TABLE") tables.delete(name);
      if (node["removeType"] === "OBJECT_FUNCTION") functions.delete(name);
      if (node["removeType"] === "OBJECT_SEQUENCE") sequences.delete(name);
    }
  },
};
