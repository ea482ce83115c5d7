import { isOlder, nameOf, wordsOf } from "./names.mjs";
import { checkConcurrency } from "./no-transaction.mjs";
import { STATEMENTS } from "./statements.mjs";

/** @typedef {import("./files.mjs").MigrationFile} MigrationFile */
/** @typedef {import("./files.mjs").Statement} Statement */
/** @typedef {{file: string, line: number, rule: string, on: string, detail?: string}} Finding */
/**
 * What the code of a release uses: the columns of each table, and functions, sequences and indexes by name.
 * @typedef {{version: string, tables: Record<string, string[]>, objects: string[]}} UsedSchema
 */
/** @typedef {{version: string, releases: readonly UsedSchema[], current: UsedSchema}} Known */

/** What is known of a file while its statements are looked at, one after the other. */
export class Scope {
  /** @type {Finding[]} */
  findings = [];
  #created = new Set();
  #dropped = new Set();
  #blocks = 0;
  #at = 0;

  /**
   * @param {MigrationFile} file
   * @param {Known} known
   */
  constructor(file, known) {
    this.file = file;
    this.known = known;
    this.phase = file.phase;
  }

  /**
   * @param {number} index
   * @param {Statement} statement
   */
  look(index, { kind, node }) {
    this.#at = index;
    const check = STATEMENTS[kind];
    if (check === undefined) this.report("statement-not-known", kind);
    else check(this, node);
  }

  /**
   * @param {string} rule
   * @param {string} on What the finding is about: `control.cell.weight`.
   */
  report(rule, on) {
    this.findings.push({ file: this.file.file, line: this.file.statements[this.#at]?.line ?? 1, rule, on });
  }

  /** @param {string} name Of a table, function or constraint that this file makes. */
  create(name) {
    this.#created.add(name);
  }

  /** @param {string} name `schema.table.column` that this file adds to a table that was there. */
  addColumn(name) {
    this.#created.add(name);
  }

  /**
   * Whether the file itself has made it, so that nobody else can use it yet.
   * @param {string} name
   */
  isNew(name) {
    return this.#created.has(name);
  }

  /**
   * @param {string} kind
   * @param {string} name
   */
  drop(kind, name) {
    this.#dropped.add(`${kind} ${name}`);
  }

  /**
   * Whether the file has dropped one of this name before.
   * @param {string} kind
   * @param {string} name
   */
  isDropped(kind, name) {
    return this.#dropped.has(`${kind} ${name}`);
  }

  countBlock() {
    return (this.#blocks += 1);
  }

  /**
   * Whether a statement further down makes one of this name.
   * @param {string} kind
   * @param {string} name
   */
  isMadeBelow(kind, name) {
    return this.file.statements.slice(this.#at + 1).some((statement) => madeBy(statement) === `${kind} ${name}`);
  }

  /**
   * Whether a live release uses this column, so that it may write it without knowing of this file.
   * @param {string} column `schema.table.column`
   */
  isWrittenByOldCode(column) {
    return !this.isNew(column) && this.known.releases.some((release) => uses(release, column));
  }

  /**
   * Whether a live release, or the code of this tree, uses a table, column, function or sequence.
   * @param {string} name
   */
  isUsed(name) {
    return [...this.known.releases, this.known.current].some((schema) => uses(schema, name));
  }
}

/** @param {Statement} statement */
function madeBy({ kind, node }) {
  if (kind === "CreateTrigStmt") return `trigger ${nameOf(node["relation"])}.${node["trigname"]}`;
  if (kind === "CreateFunctionStmt") return `function ${wordsOf(node["funcname"]).join(".")}`;
  if (kind === "IndexStmt") return `index ${node["relation"]["schemaname"]}.${node["idxname"]}`;
  return undefined;
}

/**
 * @param {UsedSchema} schema
 * @param {string} name A template's `__schema__` stands for both sides.
 */
function uses(schema, name) {
  const names = name.startsWith("__schema__.") ? ["control", "cell"].map((side) => side + name.slice(10)) : [name];
  return names.some((one) => {
    const [side = "", table = "", column] = one.split(".");
    if (schema.objects.includes(one)) return true;
    const columns = schema.tables[`${side}.${table}`];
    return columns !== undefined && (column === undefined || columns.includes(column));
  });
}

/**
 * What is wrong with one file, but for what squawk says.
 * @param {MigrationFile} file
 * @param {Known} known
 * @returns {Finding[]}
 */
export function lintFile(file, known) {
  if (file.syntaxError !== undefined) {
    const { line, message } = file.syntaxError;
    return [{ file: file.file, line, rule: "syntax", on: "", detail: message }];
  }
  const scope = new Scope(file, known);
  checkNeeds(scope);
  checkConcurrency(scope);
  file.statements.forEach((statement, index) => scope.look(index, statement));
  return scope.findings;
}

/** @param {Scope} scope */
function checkNeeds(scope) {
  const { phase, needs } = scope.file;
  const isRelease = needs !== undefined && /^\d+\.\d+\.\d+$/.test(needs);
  if (phase === "expand" ? needs !== undefined : !isRelease) scope.report("contract-needs-release", needs ?? "");
  else if (isRelease && isOlder(scope.known.version, needs)) scope.report("contract-needs-release", needs);
}
