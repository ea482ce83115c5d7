import { existsSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, normalize, relative } from "node:path";
import { matchesAny } from "./glob.mjs";
import { brokenRule } from "./layers.mjs";
import { readJson } from "./workspaces.mjs";

/** @typedef {import("./layers.mjs").Layers} Layers */
/** @typedef {import("./workspaces.mjs").Workspace} Workspace */

/**
 * @typedef {object} Fault
 * @property {string} file
 * @property {number} line
 * @property {string} what
 * @property {string} because
 * @property {string} instead
 */

/**
 * What the checks of one tree share.
 * @typedef {object} Tree
 * @property {string} root
 * @property {Layers} layers
 * @property {Workspace[]} workspaces
 * @property {Record<string, any>} manifest The root package.json.
 */

const LEAVES = {
  because: "A relative path stays inside its workspace: the package's name is the only door.",
  instead: "Import the package by its name, and export what you need from its src/index.ts.",
};
const ITSELF = {
  because: "A workspace does not import itself by name: that reads the last build, and makes a cycle.",
  instead: "Import the file by its relative path.",
};

/**
 * Faults of one import of one file.
 * @param {Tree} tree
 * @param {Workspace} workspace The one that holds the file.
 * @param {{file: string, line: number, specifier: string}} found
 * @returns {Fault[]}
 */
export function checkImport(tree, workspace, { file, line, specifier }) {
  const at = { file, line, what: `imports "${specifier}"` };
  if (specifier.startsWith(".")) {
    const target = normalize(join(dirname(file), specifier)).replaceAll("\\", "/");
    if (!target.startsWith(`${workspace.folder}/`)) return [{ ...at, ...LEAVES }];
    const isProduction = !isTestFile(tree, workspace, file);
    const { files, because, instead } = tree.layers.tests;
    return isProduction && matchesAny(files, target.replace(/\.js$/, ".ts")) ? [{ ...at, because, instead }] : [];
  }
  const name = packageName(specifier);
  if (name === undefined) return [];
  if (name === workspace.name) return [{ ...at, ...ITSELF }];
  const isTest = isTestFile(tree, workspace, file);
  const faults = [];
  const target = tree.workspaces.find((each) => each.name === name);
  const rule = target && brokenRule(tree.layers, { from: workspace.folder, to: target.folder, isTest });
  if (rule !== undefined) faults.push({ ...at, because: rule.because, instead: rule.instead });
  const missing = undeclared(tree, workspace, { name, isTest });
  if (missing !== undefined) faults.push({ ...at, ...missing });
  return faults;
}

/**
 * Faults of what a workspace declares: dependencies that its layer may not have, and build order that is not said.
 * @param {Tree} tree
 * @param {Workspace} workspace
 * @returns {Fault[]}
 */
export function checkManifest(tree, workspace) {
  const file = `${workspace.folder}/package.json`;
  const faults = [];
  for (const kind of ["dependencies", "optionalDependencies", "peerDependencies", "devDependencies"]) {
    for (const name of Object.keys(workspace.manifest[kind] ?? {})) {
      const target = tree.workspaces.find((each) => each.name === name);
      if (target === undefined && !name.startsWith("@cellway/")) continue;
      const at = { file, line: 1, what: `declares "${name}" in ${kind}` };
      if (target === undefined) {
        faults.push({ ...at, because: "No workspace has that name.", instead: "Remove it, or list its workspace." });
        continue;
      }
      const isTest = kind === "devDependencies";
      const rule = brokenRule(tree.layers, { from: workspace.folder, to: target.folder, isTest });
      if (rule !== undefined) faults.push({ ...at, because: rule.because, instead: rule.instead });
      faults.push(...checkReference(tree, workspace, target));
    }
  }
  return faults;
}

/**
 * @param {Tree} tree
 * @param {Workspace} workspace
 * @param {Workspace} target
 * @returns {Fault[]}
 */
function checkReference(tree, workspace, target) {
  const file = `${workspace.folder}/tsconfig.json`;
  const isCompiled = existsSync(join(tree.root, target.folder, "tsconfig.json"));
  if (!isCompiled || !existsSync(join(tree.root, file))) return [];
  const path = relative(workspace.folder, target.folder).replaceAll("\\", "/");
  const references = /** @type {{path: string}[]} */ (readJson(join(tree.root, file)).references ?? []);
  if (references.some((reference) => normalize(reference.path).replace(/\/$/, "") === path)) return [];
  return [
    {
      file,
      line: 1,
      what: `does not reference "${path}"`,
      because: "tsc -b builds in the order of the references: a declared workspace is a referenced one.",
      instead: `Add {"path": "${path}"} to "references", or drop "${target.name}" from package.json.`,
    },
  ];
}

/**
 * @param {Tree} tree
 * @param {Workspace} workspace
 * @param {{name: string, isTest: boolean}} imported
 */
function undeclared(tree, workspace, { name, isTest }) {
  const { dependencies, optionalDependencies, peerDependencies, devDependencies } = workspace.manifest;
  if (name in { ...dependencies, ...optionalDependencies, ...peerDependencies }) return undefined;
  const because =
    "npm hoists every workspace, so an undeclared import runs here and breaks where it is installed alone.";
  if (name in { ...devDependencies }) {
    if (isTest) return undefined;
    const instead = `Move "${name}" from devDependencies to dependencies of ${workspace.folder}/package.json.`;
    return { because, instead };
  }
  if (isTest && name in { ...tree.manifest["devDependencies"] }) return undefined;
  return { because, instead: `Declare "${name}" in ${workspace.folder}/package.json, or do without it.` };
}

/**
 * The npm package of a specifier; undefined for what Node brings and for `#` imports.
 * @param {string} specifier
 */
function packageName(specifier) {
  if (specifier.startsWith("#") || specifier.includes(":") || specifier.startsWith("/")) return undefined;
  const parts = specifier.split("/");
  const name = specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
  return builtinModules.includes(name) ? undefined : name;
}

/**
 * Whether a file is a test or helps one; all that tests and bench hold does.
 * @param {Tree} tree
 * @param {Workspace} workspace
 * @param {string} file
 */
function isTestFile(tree, workspace, file) {
  return tree.layers.free.includes(workspace.folder) || matchesAny(tree.layers.tests.files, file);
}
