// Writes what is generated: gen/ from proto/ and third_party/proto/, METRICS.md from the definitions of
// packages/telemetry; formats proto/. Works with no network.
//   node tools/generate.mjs           writes only files that differ, and removes those that nothing generates any more
//   node tools/generate.mjs --check   writes nothing of the tree, prints the names of stale files, exits 1 if there are
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runCommandOrThrow } from "./run-command.mjs";

/** @typedef {{old: string, current: string, until: string}} OldName */

/** What in gen/ is written by hand. */
const HAND_WRITTEN = new Set(["package.json", "README.md"]);

/**
 * Brings what is generated up to date.
 * @param {string} root
 * @returns {Promise<string[]>} The files that were written or removed, from the root.
 */
export async function generate(root) {
  if (existsSync(join(root, "proto"))) await runCommandOrThrow(["buf", "format", "proto", "--write"], { root });
  return await withGenerated(root, (wanted) => {
    const stale = staleFiles(root, wanted);
    for (const file of stale) {
      const content = wanted.get(file);
      if (content === undefined) {
        rmSync(join(root, file));
      } else {
        mkdirSync(dirname(join(root, file)), { recursive: true });
        writeFileSync(join(root, file), content);
      }
    }
    removeEmptyFolders(join(root, "gen"));
    return stale;
  });
}

/**
 * The generated files that are missing, differ, or that nothing generates any more. Changes nothing but build output.
 * @param {string} root
 * @returns {Promise<string[]>}
 */
export async function findStale(root) {
  return await withGenerated(root, (wanted) => staleFiles(root, wanted));
}

/**
 * @template T
 * @param {string} root
 * @param {(wanted: Map<string, Buffer>) => T} use Given the content of every generated file by its path from the root.
 * @returns {Promise<T>}
 */
async function withGenerated(root, use) {
  const folder = mkdtempSync(join(tmpdir(), "cellway-generate-"));
  try {
    await runCommandOrThrow(["buf", "generate", "--output", folder], { root });
    const wanted = new Map(
      listFiles(folder, "gen").map((file) => /** @type {const} */ ([file, readFileSync(join(folder, file))])),
    );
    wanted.set("METRICS.md", Buffer.from(formatMetrics(await readMetricDefinitions(root), await readOldNames(root))));
    return use(wanted);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} root
 * @param {Map<string, Buffer>} wanted
 */
function staleFiles(root, wanted) {
  const unwanted = listFiles(root, "gen").filter((file) => !wanted.has(file) && !HAND_WRITTEN.has(file.slice(4)));
  const changed = [...wanted].filter(([file, content]) => {
    const path = join(root, file);
    return !existsSync(path) || !readFileSync(path).equals(content);
  });
  return [...unwanted, ...changed.map(([file]) => file)].sort();
}

/**
 * @param {string} root
 * @returns {Promise<Record<string, {type: string, help: string, labels: readonly string[], buckets?: readonly number[]}>>}
 */
async function readMetricDefinitions(root) {
  await runCommandOrThrow(["tsc", "-b", "packages/telemetry"], { root });
  const module = await import(pathToFileURL(join(root, "packages/telemetry/dist/index.js")).href);
  return module.METRIC_DEFINITIONS;
}

/**
 * Metrics that had another name, from the alias table.
 * @param {string} root
 * @returns {Promise<OldName[]>}
 */
async function readOldNames(root) {
  const path = join(root, "packages/silo/dist/index.js");
  if (!existsSync(path)) return [];
  const { ALIASES } = await import(pathToFileURL(path).href);
  return ALIASES.filter((/** @type {{kind: string}} */ { kind }) => kind === "METRIC");
}

/**
 * METRICS.md: every metric with its type, labels and meaning, in the order of the definitions.
 * @param {Awaited<ReturnType<typeof readMetricDefinitions>>} definitions
 * @param {readonly OldName[]} oldNames
 */
export function formatMetrics(definitions, oldNames = []) {
  const rows = Object.entries(definitions).map(([name, { type, help, labels, buckets }]) => {
    const labelCell = labels.length === 0 ? "–" : labels.map((label) => `\`${label}\``).join(" ");
    const bucketText = buckets === undefined ? "" : ` Buckets: ${buckets.join(", ")}.`;
    return `| \`${name}\` | ${type} | ${labelCell} | ${`${help}${bucketText}`.replaceAll("|", "\\|")} |`;
  });
  return [
    "# Metrics",
    "",
    "Every metric that a silo exposes. Written by `npm run generate` from `packages/telemetry`; do not edit.",
    "",
    "| name | type | labels | meaning |",
    "|---|---|---|---|",
    ...rows,
    ...formatOldNames(oldNames),
    "",
  ].join("\n");
}

/** @param {readonly OldName[]} oldNames */
function formatOldNames(oldNames) {
  if (oldNames.length === 0) return [];
  const rows = oldNames.map(({ old, current, until }) => `| \`${old}\` | \`${current}\` | ${until} |`);
  return [
    "",
    "Emitted under an old name too (`cellway aliases`):",
    "",
    "| old name | name | until |",
    "|---|---|---|",
    ...rows,
  ];
}

/**
 * @param {string} root
 * @param {string} folder
 * @returns {string[]} Every file under the folder, from the root, with forward slashes.
 */
function listFiles(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === "node_modules") return [];
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? listFiles(root, path) : [path];
  });
}

/** @param {string} folder */
function removeEmptyFolders(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    removeEmptyFolders(path);
    if (readdirSync(path).length === 0) rmSync(path, { recursive: true });
  }
}

async function main() {
  const args = process.argv.slice(2);
  const root = resolve(
    args.find((arg) => !arg.startsWith("--")) ?? join(dirname(fileURLToPath(import.meta.url)), ".."),
  );
  if (!args.includes("--check")) {
    const written = await generate(root);
    console.log(written.length === 0 ? "Nothing to do: all that is generated is current." : written.join("\n"));
    return;
  }
  const stale = await findStale(root);
  if (stale.length === 0) {
    console.log("All that is generated is current.");
  } else {
    console.log(`Stale; run \`npm run generate\`:\n  ${stale.join("\n  ")}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
