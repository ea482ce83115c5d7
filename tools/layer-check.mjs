// Holds the order of the house: `cli → services → packages → gen`, down the list, never sideways, never up; what is
// imported is declared; the environment is read in one place; old words do not come back. The rules, with a sentence
// for each, are in tools/layers.json.
//   node tools/layer-check.mjs [root]      prints each fault as file:line, exits 1 if there is one
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { checkImport, checkManifest } from "./layer-check/dependencies.mjs";
import { matchesAny } from "./layer-check/glob.mjs";
import { isPlaced } from "./layer-check/layers.mjs";
import { readSource } from "./layer-check/source.mjs";
import { checkWords } from "./layer-check/words.mjs";
import { findUnlistedFolders, listFiles, readJson, readWorkspaces } from "./layer-check/workspaces.mjs";

/** @typedef {import("./layer-check/dependencies.mjs").Fault} Fault */
/** @typedef {import("./layer-check/dependencies.mjs").Tree} Tree */
/** @typedef {import("./layer-check/workspaces.mjs").Workspace} Workspace */

/**
 * Every fault of a tree, by file and line. Reads files and nothing else.
 * @param {string} root
 * @param {import("./layer-check/layers.mjs").Layers} [layers] tools/layers.json beside this file, unless given.
 * @returns {Fault[]}
 */
export function findLayerFaults(root, layers = readLayers()) {
  /** @type {Tree} */
  const tree = { root, layers, workspaces: readWorkspaces(root), manifest: readJson(join(root, "package.json")) };
  const faults = [
    ...checkPlaces(tree),
    ...tree.workspaces.flatMap((workspace) => checkManifest(tree, workspace)),
    ...tree.workspaces.flatMap((workspace) => checkSources(tree, workspace)),
    ...listFiles(root, "", [".ts", ".proto", ".sql", ".md"]).flatMap((file) =>
      checkWords(layers, file, readFileSync(join(root, file), "utf8")),
    ),
  ];
  return faults.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

/**
 * @param {Tree} tree
 * @param {Workspace} workspace
 * @returns {Fault[]}
 */
function checkSources(tree, workspace) {
  return listFiles(tree.root, workspace.folder, [".ts"]).flatMap((file) => {
    const source = readSource(file, readFileSync(join(tree.root, file), "utf8"));
    const faults = source.imports.flatMap((found) => checkImport(tree, workspace, { file, ...found }));
    const { allowed, because, instead } = tree.layers.environment;
    if (!matchesAny(allowed, file)) {
      const what = "reads the environment of the process";
      faults.push(...source.environmentLines.map((line) => ({ file, line, what, because, instead })));
    }
    return faults;
  });
}

/**
 * Workspaces that nobody has placed: not in the order of layers, not in the root package.json, not in the build.
 * @param {Tree} tree
 * @returns {Fault[]}
 */
function checkPlaces(tree) {
  const unlisted = findUnlistedFolders(tree.root, tree.workspaces).map((folder) => ({
    file: `${folder}/package.json`,
    line: 1,
    what: "is no workspace",
    because: "npm links, and this check reads, what the root package.json lists.",
    instead: `Add "${folder}" to "workspaces" in the root package.json.`,
  }));
  const unplaced = tree.workspaces
    .filter((workspace) => !isPlaced(tree.layers, workspace.folder))
    .map((workspace) => ({
      file: `${workspace.folder}/package.json`,
      line: 1,
      what: "stands in no layer",
      because: "A workspace has a place in the order of imports.",
      instead: `Say in tools/layers.json where "${workspace.folder}" stands.`,
    }));
  return [...unlisted, ...unplaced, ...checkBuild(tree)];
}

/**
 * @param {Tree} tree
 * @returns {Fault[]}
 */
function checkBuild(tree) {
  if (!existsSync(join(tree.root, "tsconfig.json"))) return [];
  const references = /** @type {{path: string}[]} */ (readJson(join(tree.root, "tsconfig.json")).references ?? []);
  const built = new Set(references.map((reference) => reference.path.replace(/^\.\/|\/$/g, "")));
  return tree.workspaces
    .filter(({ folder }) => existsSync(join(tree.root, folder, "tsconfig.json")) && !built.has(folder))
    .map(({ folder }) => ({
      file: "tsconfig.json",
      line: 1,
      what: `does not reference "${folder}"`,
      because: "`npm run build` compiles what the root tsconfig.json references.",
      instead: `Add {"path": "${folder}"} to "references".`,
    }));
}

/** @param {Fault} fault */
export function formatFault({ file, line, what, because, instead }) {
  return `${file}:${line}: ${what}\n    rule: ${because}\n    do:   ${instead}`;
}

function readLayers() {
  const path = join(dirname(fileURLToPath(import.meta.url)), "layers.json");
  return /** @type {import("./layer-check/layers.mjs").Layers} */ (readJson(path));
}

function main() {
  const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), ".."));
  const faults = findLayerFaults(root);
  for (const fault of faults) console.log(formatFault(fault));
  console.log(faults.length === 0 ? "The layers hold." : `${faults.length} faults.`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
