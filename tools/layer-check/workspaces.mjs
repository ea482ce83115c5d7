import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {object} Workspace
 * @property {string} folder From the root, with forward slashes: `packages/rpc`.
 * @property {string} name As in its package.json.
 * @property {Record<string, any>} manifest Its package.json.
 */

/** Folders that hold no source of ours. */
const SKIPPED = new Set(["node_modules", "dist", "gen", "third_party", "coverage"]);

/**
 * The workspaces that the root package.json lists. Patterns are folders, or end in `/*`, as npm's do here.
 * @param {string} root
 * @returns {Workspace[]}
 */
export function readWorkspaces(root) {
  const patterns = /** @type {string[]} */ (readJson(join(root, "package.json")).workspaces ?? []);
  const folders = patterns.flatMap((pattern) =>
    pattern.endsWith("/*") ? listFolders(root, pattern.slice(0, -2)) : [pattern],
  );
  return folders
    .filter((folder) => existsSync(join(root, folder, "package.json")))
    .map((folder) => {
      const manifest = readJson(join(root, folder, "package.json"));
      return { folder, name: manifest.name, manifest };
    });
}

/**
 * Folders that look like workspaces and are not listed, so that npm would neither link nor check them.
 * @param {string} root
 * @param {readonly Workspace[]} workspaces
 * @returns {string[]}
 */
export function findUnlistedFolders(root, workspaces) {
  const listed = new Set(workspaces.map((workspace) => workspace.folder));
  const candidates = [
    ...listFolders(root, "packages"),
    ...listFolders(root, "services").flatMap((group) => listFolders(root, group)),
  ];
  return candidates.filter((folder) => existsSync(join(root, folder, "package.json")) && !listed.has(folder));
}

/**
 * Every file under a folder with one of the endings, from the root, sorted; build output and dot folders left out.
 * @param {string} root
 * @param {string} folder `""` for the whole tree.
 * @param {readonly string[]} endings
 * @returns {string[]}
 */
export function listFiles(root, folder, endings) {
  const at = join(root, folder);
  if (!existsSync(at)) return [];
  const files = [];
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name) && !entry.name.startsWith(".")) files.push(...listFiles(root, path, endings));
    } else if (endings.some((ending) => entry.name.endsWith(ending))) {
      files.push(path);
    }
  }
  return files.sort();
}

/**
 * @param {string} path
 * @returns {Record<string, any>}
 */
export function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/**
 * @param {string} root
 * @param {string} folder
 */
function listFolders(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => `${folder}/${entry.name}`)
    .sort();
}
