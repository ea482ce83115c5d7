// Removes from dist/ what no file of src/ compiles to any more, so that the test of a deleted file does not run.
//   node tools/prune-dist.mjs [root]
import { existsSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const WORKSPACES = ["packages", "services", "cli", "tools", "tests", "bench"];
const COMPILED = /(?:\.js|\.js\.map|\.d\.ts|\.d\.ts\.map)$/;

/**
 * Removes orphans and returns their paths.
 * @param {string} root
 * @returns {string[]}
 */
export function pruneDist(root) {
  const orphans = WORKSPACES.flatMap((folder) => findDist(join(root, folder))).flatMap(findOrphans);
  for (const orphan of orphans) rmSync(orphan);
  return orphans;
}

/**
 * @param {string} folder
 * @returns {string[]} The dist folders in it, at most three levels down.
 */
function findDist(folder, depth = 0) {
  if (depth > 3 || !existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (!entry.isDirectory() || entry.name === "node_modules" || entry.name === "src") return [];
    const path = join(folder, entry.name);
    return entry.name === "dist" ? [path] : findDist(path, depth + 1);
  });
}

/** @param {string} dist */
function findOrphans(dist) {
  return readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((file) => COMPILED.test(file) && !existsSync(join(dist, "..", "src", file.replace(COMPILED, ".ts"))))
    .map((file) => join(dist, file));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const orphan of pruneDist(resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "..")))) {
    console.log(`removed ${orphan}: its source is gone`);
  }
}
