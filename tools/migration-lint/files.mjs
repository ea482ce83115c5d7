import { readFileSync } from "node:fs";
import { parse } from "libpg-query";
import { matchesAny } from "../layer-check/glob.mjs";
import { listFiles } from "../layer-check/workspaces.mjs";

/** Migrations of services, and the templates of packages, in which `__schema__` stands for `control` and for `cell`. */
const FOLDERS = ["services/*/*/migrations/*.sql", "packages/*/migrations/*.sql"];

/** @typedef {Record<string, any>} Node A node of PostgreSQL's syntax tree, as libpg_query writes it. */
/** @typedef {{kind: string, node: Node, line: number}} Statement */
/**
 * @typedef {object} MigrationFile
 * @property {string} file From the root.
 * @property {"expand" | "contract"} phase
 * @property {boolean} isTransactional
 * @property {string | undefined} needs The release that every process must run before it is applied.
 * @property {string} sql
 * @property {Statement[]} statements Empty when it cannot be parsed.
 * @property {{line: number, message: string} | undefined} syntaxError
 */

/** @typedef {{stmts?: {stmt: Record<string, Node>, stmt_location?: number}[]}} SyntaxTree */
/** @typedef {{message: string, sqlDetails?: {cursorPosition?: number}}} ParseError */
/**
 * Every migration of the tree, by folder and number.
 * @param {string} root
 * @returns {Promise<MigrationFile[]>}
 */
export async function readMigrationFiles(root) {
  const names = listFiles(root, "", [".sql"]).filter((file) => matchesAny(FOLDERS, file));
  return await Promise.all(
    names.sort().map((file) => parseMigration(file, readFileSync(`${root}/${file}`, "utf8").replaceAll("\r\n", "\n"))),
  );
}

/**
 * @param {string} file
 * @param {string} sql
 * @returns {Promise<MigrationFile>}
 */
export async function parseMigration(file, sql) {
  const marks = [...sql.matchAll(/^--\s*cellway:\s*(\S+)(?:\s+(\S+))?\s*$/gm)];
  const head = {
    file,
    sql,
    phase: /\.contract\.[^/]*$/.test(file) ? /** @type {const} */ ("contract") : /** @type {const} */ ("expand"),
    isTransactional: !/^\s*--\s*cellway:\s*no-transaction\s*?(\n|$)/.test(sql),
    needs: marks.find(([, word]) => word === "needs")?.[2],
  };
  try {
    return { ...head, statements: await parseStatements(sql), syntaxError: undefined };
  } catch (error) {
    const { message, sqlDetails } = /** @type {ParseError} */ (error);
    return { ...head, statements: [], syntaxError: { message, line: lineAt(sql, sqlDetails?.cursorPosition ?? 0) } };
  }
}

/** @param {string} sql */
async function parseStatements(sql) {
  const bytes = Buffer.from(sql);
  const { stmts = [] } = /** @type {SyntaxTree} */ (await parse(sql));
  return stmts.flatMap(({ stmt, stmt_location: start = 0 }) =>
    Object.entries(stmt).map(([kind, node]) => {
      const before = bytes.subarray(0, start).toString().length;
      const gap = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(sql.slice(before))?.[0].length ?? 0;
      return { kind, node, line: lineAt(sql, before + gap) };
    }),
  );
}

/**
 * @param {string} text
 * @param {number} position
 */
function lineAt(text, position) {
  return text.slice(0, position).split("\n").length;
}
