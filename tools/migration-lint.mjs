// Holds migrations to what old code survives: `expand` adds beside what is there, `contract` drops what no live release
// uses, and neither makes anybody wait. Rules: tools/migration-lint/rules.mjs; and those of squawk.
//   node tools/migration-lint.mjs [root]      prints each fault as file:line, exits 1 if there is one; the tree is built
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readJson } from "./layer-check/workspaces.mjs";
import { applyExceptions } from "./migration-lint/exceptions.mjs";
import { readMigrationFiles } from "./migration-lint/files.mjs";
import { lintFile } from "./migration-lint/lint.mjs";
import { RULES } from "./migration-lint/rules.mjs";
import { runSquawk } from "./migration-lint/squawk.mjs";
import { readColumnFaults, readCurrentSchema, readReleaseSchemas } from "./migration-lint/used-schema.mjs";

/** @typedef {import("./migration-lint/lint.mjs").Finding} Finding */
/** @typedef {import("./migration-lint/lint.mjs").Known} Known */

const EXCEPTIONS = "tools/migration-lint/exceptions.json";

/**
 * Every fault of the migrations of a tree.
 * @param {string} root
 * @param {Known} known
 * @returns {Promise<Finding[]>}
 */
export async function findMigrationFaults(root, known) {
  const files = await readMigrationFiles(root);
  const parsed = files.filter((file) => file.syntaxError === undefined);
  const findings = [...files.flatMap((file) => lintFile(file, known)), ...(await runSquawk(root, parsed))];
  const path = join(root, EXCEPTIONS);
  const exceptions = existsSync(path) ? /** @type {any} */ (readJson(path)) : [];
  const faults = applyExceptions(findings, exceptions);
  return faults.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

/** @param {Finding} finding */
export function formatFinding({ file, line, rule, on, detail }) {
  const text = RULES[rule];
  const head = `${file}:${line}: ${rule}${on === "" ? "" : ` on ${on}`}${detail === undefined ? "" : `: ${detail}`}`;
  return text === undefined ? head : `${head}\n    because: ${text.because}\n    instead: ${text.instead}`;
}

/**
 * @param {string} root
 * @returns {Promise<Known>}
 */
async function readKnown(root) {
  const { version } = readJson(join(root, "cli/package.json"));
  return {
    version,
    releases: readReleaseSchemas(root),
    current: await readCurrentSchema(root, version, { hasContracted: false }),
  };
}

async function main() {
  const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), ".."));
  const columnFaults = (await readColumnFaults(root)).map((detail) => ({
    file: "packages/silo/src/aliases.ts",
    line: 1,
    rule: "alias",
    on: "",
    detail,
  }));
  const faults = [...(await findMigrationFaults(root, await readKnown(root))), ...columnFaults];
  for (const fault of faults) console.log(formatFinding(fault));
  console.log(faults.length === 0 ? "The migrations are safe beside old code." : `${faults.length} faults.`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
