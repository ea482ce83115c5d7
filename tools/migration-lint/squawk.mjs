import { join } from "node:path";
import { runCommand } from "../run-command.mjs";

/** @typedef {import("./lint.mjs").Finding} Finding */

/**
 * Rules of squawk that are left out.
 * @type {Record<string, string>}
 */
const EXCLUDED = {
  "require-lock-timeout": "`cellway migrate` sets it for every file",
  "require-statement-timeout": "`cellway migrate` sets it for every file",
  "prefer-robust-stmts": "a file is one transaction; where it is not, index-not-repeatable asks for it",
  "prefer-bigint-over-int": "a matter of taste: these columns count attempts and the like",
  "prefer-bigint-over-smallint": "a matter of taste: these columns hold categories and the like",
  "require-concurrent-index-creation": "index-locks-writers says so, and knows the tables that the file makes",
  "require-concurrent-index-deletion": "index-locks-writers says so",
  "ban-drop-table": "drop-in-expand and still-mapped say so",
  "ban-drop-column": "drop-in-expand and still-mapped say so",
  "ban-drop-not-null": "the first step to writing the column no more",
  "renaming-column": "rename says so",
  "renaming-table": "rename says so",
  "changing-column-type": "type-change says so",
  "adding-required-field": "column-required says so",
  "constraint-missing-not-valid": "constraint-checks-all-rows says so",
  "adding-foreign-key-constraint": "constraint-checks-all-rows says so",
  "disallowed-unique-constraint": "unique-refuses-old-writes says so",
};

/**
 * What squawk says of the files. One run for each kind: it judges by whether there is a transaction.
 * @param {string} root
 * @param {readonly {file: string, isTransactional: boolean}[]} files
 * @returns {Promise<Finding[]>}
 */
export async function runSquawk(root, files) {
  const inTransaction = files.filter((file) => file.isTransactional).map(({ file }) => file);
  const outside = files.filter((file) => !file.isTransactional).map(({ file }) => file);
  return [
    ...(await squawk(root, inTransaction, ["--assume-in-transaction"])),
    ...(await squawk(root, outside, ["--no-assume-in-transaction"])),
  ];
}

/**
 * @param {string} root
 * @param {readonly string[]} files
 * @param {readonly string[]} options
 * @returns {Promise<Finding[]>}
 */
async function squawk(root, files, options) {
  if (files.length === 0) return [];
  const rules = Object.keys(EXCLUDED).map((rule) => `--exclude=${rule}`);
  const paths = files.map((file) => join(root, file));
  const bin = new URL("../../node_modules/.bin", import.meta.url).pathname;
  const command = ["squawk", "--reporter=json", "--pg-version=14.0", ...options, ...rules, ...paths];
  const { output } = await runCommand(command, { root, bin });
  /** @type {{file: string, line: number, rule_name: string, message: string, help?: string}[]} */
  let said;
  try {
    said = JSON.parse(output);
  } catch {
    throw new Error(`squawk: ${output}`);
  }
  return said.map(({ file, line, rule_name, message, help }) => ({
    file: files[paths.indexOf(file)] ?? file,
    line: line + 1,
    rule: `squawk/${rule_name}`,
    on: "",
    detail: help === undefined ? message : `${message} ${help}`,
  }));
}
