import { columnsOf, constraintsOf, findNodes, nameOf, wordsOf } from "./names.mjs";

/** @typedef {import("./files.mjs").Node} Node */
/** @typedef {import("./lint.mjs").Scope} Scope */
/** @typedef {{scope: Scope, table: string, cmd: Node}} Change */

/** Functions whose value a new column takes over once, for all rows: PostgreSQL computes them when the column is added. */
const STABLE = new Set(["now", "transaction_timestamp", "statement_timestamp", "current_timestamp"]);

/**
 * What to look at in each part of an `alter table`. A part that is not here is refused.
 * @type {Record<string, (change: Change) => void>}
 */
const PARTS = {
  AT_AddColumn: checkAddColumn,
  AT_AddConstraint: checkAddConstraint,
  AT_ValidateConstraint: checkValidate,
  AT_SetNotNull: checkSetNotNull,
  AT_DropNotNull: () => {},
  AT_ColumnDefault: checkDefault,
  AT_AlterColumnType: ({ scope, table, cmd }) => scope.report("type-change", `${table}.${cmd["name"]}`),
  AT_DropColumn: ({ scope, table, cmd }) => checkDropped(scope, `${table}.${cmd["name"]}`),
  AT_DropConstraint: ({ scope, table, cmd }) => {
    if (scope.phase === "expand") scope.report("drop-in-expand", `${table}.${cmd["name"]}`);
  },
  AT_SetStatistics: () => {},
  AT_SetRelOptions: () => {},
  AT_ResetRelOptions: () => {},
};

/**
 * @param {Scope} scope
 * @param {Node} node
 */
export function checkAlterTable(scope, node) {
  const table = nameOf(node["relation"]);
  if (scope.isNew(table)) return;
  for (const cmd of findNodes(node["cmds"], "AlterTableCmd")) {
    const check = node["objtype"] === "OBJECT_TABLE" ? PARTS[cmd["subtype"]] : undefined;
    if (check === undefined) scope.report("statement-not-known", `${table} ${cmd["subtype"]}`);
    else check({ scope, table, cmd });
  }
}

/** @param {Change} change */
function checkAddColumn({ scope, table, cmd }) {
  const definition = /** @type {Node} */ (cmd["def"]).ColumnDef;
  const on = `${table}.${definition["colname"]}`;
  const constraints = constraintsOf(definition);
  const has = (/** @type {string} */ type) => constraints.some(({ contype }) => contype === type);
  const value = constraints.find(({ contype }) => contype === "CONSTR_DEFAULT")?.["raw_expr"];
  const isSerial = /^(small|big)?serial/.test(wordsOf(definition["typeName"]["names"]).at(-1) ?? "");
  if (isSerial || has("CONSTR_IDENTITY") || has("CONSTR_GENERATED") || (value !== undefined && !isConstant(value))) {
    scope.report("column-rewrites-table", on);
  }
  if (has("CONSTR_NOTNULL") && (value === undefined || value["A_Const"]?.isnull === true)) {
    scope.report("column-required", on);
  }
  if (["CONSTR_CHECK", "CONSTR_FOREIGN", "CONSTR_UNIQUE", "CONSTR_PRIMARY"].some(has)) {
    scope.report("column-brings-constraint", on);
  }
  scope.addColumn(on);
}

/**
 * Whether PostgreSQL can take a default over without writing a row.
 * @param {Node} expression
 */
function isConstant(expression) {
  const calls = findNodes(expression, "FuncCall").map((call) => wordsOf(call["funcname"]).at(-1) ?? "");
  return calls.every((name) => STABLE.has(name)) && findNodes(expression, "SubLink").length === 0;
}

/** @param {Change} change */
function checkAddConstraint({ scope, table, cmd }) {
  const constraint = /** @type {Node} */ (cmd["def"]).Constraint;
  const on = `${table}.${constraint["conname"] ?? "(unnamed)"}`;
  const isRowCheck = ["CONSTR_CHECK", "CONSTR_FOREIGN", "CONSTR_NOTNULL"].includes(constraint["contype"]);
  if (!isRowCheck) {
    if (scope.phase === "expand") scope.report("unique-refuses-old-writes", on);
    else if (constraint["indexname"] === undefined) scope.report("index-locks-writers", on);
    return;
  }
  if (constraint["skip_validation"] !== true) scope.report("constraint-checks-all-rows", on);
  const columns = [
    ...columnsOf(constraint["raw_expr"]),
    ...wordsOf(constraint["fk_attrs"] ?? []),
    ...wordsOf(constraint["keys"] ?? []),
  ];
  if (scope.phase === "expand" && columns.some((column) => scope.isWrittenByOldCode(`${table}.${column}`))) {
    scope.report("constraint-refuses-old-writes", on);
  }
  scope.create(on);
}

/** @param {Change} change */
function checkValidate({ scope, table, cmd }) {
  const on = `${table}.${cmd["name"]}`;
  if (scope.isNew(on)) scope.report("validate-in-own-file", on);
}

/** @param {Change} change */
function checkSetNotNull({ scope, table, cmd }) {
  const on = `${table}.${cmd["name"]}`;
  if (scope.phase === "expand") scope.report("not-null-on-existing", on);
}

/** @param {Change} change */
function checkDefault({ scope, table, cmd }) {
  const on = `${table}.${cmd["name"]}`;
  if (cmd["def"] === undefined && scope.phase === "expand" && scope.isWrittenByOldCode(on)) {
    scope.report("default-dropped", on);
  }
}

/**
 * @param {Scope} scope
 * @param {string} on
 */
function checkDropped(scope, on) {
  if (scope.phase === "expand") scope.report("drop-in-expand", on);
  else if (scope.isUsed(on)) scope.report("still-mapped", on);
}
