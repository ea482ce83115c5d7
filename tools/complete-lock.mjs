// Completes package-lock.json with the optional platform packages that npm left out because the registry at hand did not
// hold them: without an entry, `npm ci` refuses the lock file on every machine ("Missing: … from lock file").
// An added entry has a version and the platforms of its name, and no integrity, since nobody here has seen the file.
//   node tools/complete-lock.mjs [root]           after a dependency has changed
//   node tools/complete-lock.mjs [root] --check   prints what is missing, changes nothing, exits 1 if something is
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** @typedef {{version?: string, dev?: boolean, optionalDependencies?: Record<string, string>}} Entry */

const SYSTEMS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const PROCESSORS = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64", "wasm32"];

/**
 * The entries that a lock file lacks, by their path in it.
 * @param {{packages: Record<string, Entry>}} lock
 * @returns {Map<string, object>}
 */
export function findMissing(lock) {
  const missing = new Map();
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isHeld(lock, path, name)) continue;
      const platform = readPlatform(name);
      const dev = entry.dev === true ? { dev: true } : {};
      const version = range.replace(/^[\^~]/, "");
      missing.set(`node_modules/${name}`, { version, ...platform, ...dev, optional: true });
    }
  }
  return missing;
}

/**
 * Whether a package that stands at `path` would find `name`: beside itself, or in a folder above.
 * @param {{packages: Record<string, Entry>}} lock
 * @param {string} path
 * @param {string} name
 */
function isHeld(lock, path, name) {
  const folders = [path];
  for (let at = path.lastIndexOf("node_modules/"); at > 0; at = path.lastIndexOf("node_modules/", at - 1)) {
    folders.push(path.slice(0, at - 1));
  }
  return [...folders, ""].some((folder) => `${folder === "" ? "" : `${folder}/`}node_modules/${name}` in lock.packages);
}

/**
 * What npm matches against the machine, read from the name: `@oxlint/binding-linux-x64-musl`. Throws for a name that
 * says nothing, since an entry without it would be installed everywhere.
 * @param {string} name
 */
function readPlatform(name) {
  const words = name.split(/[^a-z0-9]+/);
  const has = (/** @type {string} */ word) => words.includes(word);
  const cpu = PROCESSORS.filter(has);
  const os = SYSTEMS.filter(has);
  if (cpu.length === 0 || os.length === 0) throw new Error(`"${name}" does not say its platform: install it elsewhere`);
  if (words.some((word) => word.startsWith("musl"))) return { cpu, os, libc: ["musl"] };
  return words.some((word) => word.startsWith("gnu")) ? { cpu, os, libc: ["glibc"] } : { cpu, os };
}

function main() {
  const args = process.argv.slice(2);
  const root = resolve(
    args.find((arg) => !arg.startsWith("--")) ?? join(dirname(fileURLToPath(import.meta.url)), ".."),
  );
  const path = join(root, "package-lock.json");
  const lock = JSON.parse(readFileSync(path, "utf8"));
  const missing = findMissing(lock);
  for (const entry of missing.keys()) console.log(`${entry} has no entry`);
  if (missing.size === 0) {
    console.log("The lock file is complete.");
  } else if (args.includes("--check")) {
    console.log("`npm ci` refuses this lock file; run `node tools/complete-lock.mjs`.");
    process.exitCode = 1;
  } else {
    const sorted = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) });
    sorted.sort(([a], [b]) => a.localeCompare(b, "en"));
    writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
    console.log(`Added ${missing.size} entries to package-lock.json.`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
