import { checkAlterTable } from "./alter-table.mjs";
import { droppedNames, findNodes, nameOf, wordsOf } from "./names.mjs";
import { SAFE_CALLS } from "./rules.mjs";

/** @typedef {import("./files.mjs").Node} Node */
/** @typedef {import("./lint.mjs").Scope} Scope */

/** Functions of PostgreSQL that a migration may call: they change nothing but a sequence. */
const HARMLESS_CALLS = new Set(["setval", "nextval", "max", "min", "count", "coalesce", "now", "clock_timestamp"]);

/** @type {Record<string, string>} Kinds of `drop` whose object is made anew under the same name by the same file. */
const REPLACEABLE = { OBJECT_TRIGGER: "trigger", OBJECT_FUNCTION: "function", OBJECT_INDEX: "index" };

/**
 * What to look at in each statement. A kind that is not here is refused.
 * @type {Record<string, (scope: Scope, node: Node) => void>}
 */
export const STATEMENTS = {
  CreateStmt: checkCreateTable,
  AlterTableStmt: checkAlterTable,
  IndexStmt: checkIndex,
  DropStmt: checkDrop,
  RenameStmt: checkRename,
  CreateFunctionStmt: checkFunction,
  CreateTrigStmt: checkTrigger,
  SelectStmt: checkCalls,
  DoStmt: (scope) => scope.report("block-is-opaque", `block ${scope.countBlock()}`),
  InsertStmt: checkData,
  UpdateStmt: checkData,
  DeleteStmt: checkData,
  LockStmt: (scope, node) =>
    findNodes(node["relations"], "RangeVar").forEach((range) => scope.report("explicit-lock", nameOf(range))),
  VariableSetStmt: (scope, node) => scope.report("timeouts-belong-to-migrate", node["name"]),
  TransactionStmt: (scope) => scope.report("transaction-in-file", ""),
  CreateSeqStmt: (scope, node) => scope.create(nameOf(node["sequence"])),
  CreateEnumStmt: (scope, node) => scope.create(wordsOf(node["typeName"]).join(".")),
  CreateDomainStmt: (scope, node) => scope.create(wordsOf(node["domainname"]).join(".")),
  ViewStmt: (scope, node) =>
    node["replace"] === true
      ? scope.report("function-replaced", nameOf(node["view"]))
      : scope.create(nameOf(node["view"])),
  CommentStmt: () => {},
};

/**
 * @param {Scope} scope
 * @param {Node} node
 */
function checkCreateTable(scope, node) {
  const table = nameOf(node["relation"]);
  if (node["inhRelations"] !== undefined) scope.report("statement-not-known", table);
  scope.create(table);
  for (const key of findNodes(node["tableElts"], "Constraint").filter(({ contype }) => contype === "CONSTR_FOREIGN")) {
    checkForeignKey(scope, key);
  }
}

/**
 * A new table's foreign key holds back the deletions of the table that it leads to.
 * @param {Scope} scope
 * @param {Node} key
 */
function checkForeignKey(scope, key) {
  const target = nameOf(key["pktable"]);
  const letsGo = ["c", "n", "d"].includes(key["fk_del_action"]);
  if (!letsGo && !scope.isNew(target) && scope.phase === "expand") {
    scope.report("foreign-key-refuses-old-deletes", target);
  }
}

/**
 * @param {Scope} scope
 * @param {Node} node
 */
function checkIndex(scope, node) {
  const table = nameOf(node["relation"]);
  const index = `${node["relation"]["schemaname"]}.${node["idxname"]}`;
  if (scope.isNew(table)) return;
  if (node["unique"] === true && scope.phase === "expand") scope.report("unique-refuses-old-writes", index);
  if (node["concurrent"] !== true) scope.report("index-locks-writers", index);
  else if (!scope.isDropped("index", index)) scope.report("index-not-repeatable", index);
}

/**
 * @param {Scope} scope
 * @param {Node} node
 */
function checkDrop(scope, node) {
  for (const name of droppedNames(node)) {
    const kind = REPLACEABLE[node["removeType"]];
    if (kind !== undefined) scope.drop(kind, name);
    if (scope.isNew(name)) continue;
    const isReplaced = kind !== undefined && scope.isMadeBelow(kind, name);
    if (scope.phase === "expand") {
      if (!isReplaced) scope.report("drop-in-expand", name);
      else if (kind === "function") scope.report("function-replaced", name);
    } else {
      checkContractDrop(scope, node, name);
    }
  }
}

/**
 * @param {Scope} scope
 * @param {Node} node
 * @param {string} name
 */
function checkContractDrop(scope, node, name) {
  if (node["removeType"] === "OBJECT_INDEX" && node["concurrent"] !== true) scope.report("index-locks-writers", name);
  if (scope.isUsed(name)) scope.report("still-mapped", name);
}

/**
 * @param {Scope} scope
 * @param {Node} node
 */
function checkRename(scope, node) {
  const name = node["relation"] === undefined ? node["newname"] : nameOf(node["relation"]);
  if (!scope.isNew(name)) scope.report("rename", node["subname"] === undefined ? name : `${name}.${node["subname"]}`);
}

/**
 * @param {Scope} scope
 * @param {Node} node
 */
function checkFunction(scope, node) {
  const name = wordsOf(node["funcname"]).join(".");
  if (node["replace"] === true && !scope.isNew(name)) scope.report("function-replaced", name);
  scope.create(name);
}

/**
 * @param {Scope} scope
 * @param {Node} node
 */
function checkTrigger(scope, node) {
  const table = nameOf(node["relation"]);
  if (!scope.isNew(table)) scope.report("trigger-on-existing-table", `${table}.${node["trigname"]}`);
}

/**
 * @param {Scope} scope
 * @param {Node} node
 */
function checkCalls(scope, node) {
  if (findNodes(node, "RangeVar").length > 0 && findNodes(node, "lockingClause").length > 0) {
    scope.report("explicit-lock", nameOf(/** @type {Node} */ (findNodes(node, "RangeVar")[0])));
  }
  for (const call of findNodes(node, "FuncCall")) {
    const words = wordsOf(call["funcname"]);
    const name = words.at(-1) ?? "";
    if (words.length === 1 ? HARMLESS_CALLS.has(name) : Object.hasOwn(SAFE_CALLS, name)) continue;
    scope.report("call-not-known", words.join("."));
  }
}

/**
 * @param {Scope} scope
 * @param {Node} node
 */
function checkData(scope, node) {
  const table = nameOf(node["relation"]);
  if (!scope.isNew(table)) scope.report("data-of-existing-table", table);
}
