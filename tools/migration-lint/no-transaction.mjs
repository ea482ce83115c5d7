import { findNodes } from "./names.mjs";

/** @typedef {import("./files.mjs").Statement} Statement */
/** @typedef {import("./lint.mjs").Scope} Scope */

/**
 * A file without a transaction holds only what cannot be half done, or does not block.
 * @param {Scope} scope
 */
export function checkConcurrency(scope) {
  if (scope.file.isTransactional) return;
  for (const statement of scope.file.statements) {
    if (!isConcurrent(statement)) {
      const { file } = scope.file;
      scope.findings.push({ file, line: statement.line, rule: "no-transaction-mixed", on: statement.kind });
    }
  }
}

/** @param {Statement} statement */
function isConcurrent({ kind, node }) {
  if (kind === "IndexStmt" || kind === "DropStmt") return node["concurrent"] === true;
  if (kind !== "AlterTableStmt") return false;
  return findNodes(node["cmds"], "AlterTableCmd").every((cmd) => cmd["subtype"] === "AT_ValidateConstraint");
}
