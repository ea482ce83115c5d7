// Holds "not called before it is everywhere": code that calls a method, or sets a request's field, which a release that may
// still run (proto/releases) does not have, fails, unless it has asked `peerSupports` before.
//   node tools/new-calls.mjs [root]      prints each use as file:line, exits 1 if there is one
// It looks by name at all code in services/ and packages/: a method that is called through anything whose service cannot be
// told counts; `// not an RPC: why` on the line, or above it, says that a name is something else. Not looked at: tests; cli/,
// whose operator may be ahead of the fleet and is told PEER_TOO_OLD; code of the side that the method runs in, which is
// built with it. Of requests it sees what is written in the file that makes the call; a field that another file sets on a
// message that is not a request is not seen.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { imageOf, readReleases } from "../cli/dist/releases.js";
import { matchesAny } from "./layer-check/glob.mjs";
import { listFiles, readJson } from "./layer-check/workspaces.mjs";
import { findNews, readImage } from "./new-calls/contract.mjs";
import { scanSource } from "./new-calls/scan.mjs";
import { runCommandOrThrow } from "./run-command.mjs";

/** @typedef {import("./new-calls/contract.mjs").News} News */
/** @typedef {import("./new-calls/scan.mjs").Finding} Finding */

/**
 * By which peers say what they have: asked of whoever answers that it knows the question, so that it needs no other.
 * @type {readonly string[]}
 */
const ASKS = ["ControlPeerService", "CellPeerService"];

/** @type {string[]} */
const TESTS = readJson(join(dirname(fileURLToPath(import.meta.url)), "layers.json"))["tests"].files;

/**
 * Every use in a tree. Reads files and nothing else.
 * @param {string} root
 * @param {News} news
 * @returns {Finding[]}
 */
export function findNewCalls(root, news) {
  const methods = news.methods.filter(({ service }) => !ASKS.includes(service));
  const files = ["services", "packages"].flatMap((folder) => listFiles(root, folder, [".ts"]));
  return files
    .filter((file) => !matchesAny([...TESTS, "packages/testing/**"], file))
    .flatMap((file) => scanSource(file, readFileSync(join(root, file), "utf8"), { ...news, methods }, sideOf(file)));
}

/**
 * @param {string} file
 * @returns {"CONTROL" | "CELL" | undefined}
 */
function sideOf(file) {
  if (file.startsWith("services/control/")) return "CONTROL";
  return file.startsWith("services/cell/") ? "CELL" : undefined;
}

/**
 * @param {string} root
 * @returns {Promise<News>} What the tree's contract has and some release that may still run does not.
 */
async function readNews(root) {
  const releases = new Map(
    readReleases(root).map(({ version }) => [version, readImage(readFileSync(join(root, imageOf(version))))]),
  );
  const built = mkdtempSync(join(tmpdir(), "cellway-new-calls-"));
  try {
    const image = join(built, "current.binpb");
    await runCommandOrThrow(["buf", "build", "proto", "--exclude-source-info", "-o", image], { root });
    return findNews(readImage(readFileSync(image)), releases);
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}

/** @param {Finding} finding */
export function formatFinding({ file, line, what, guard, lacking }) {
  const releases = `release ${lacking.join(" and ")}`;
  return [
    `${file}:${line}: ${what}, which ${releases} does not have`,
    `    rule: Old and new processes run side by side: one of ${releases} answers PEER_TOO_OLD, or ignores the field.`,
    `    do:   Do it in the next deploy, when no process of ${releases} is left (\`cellway release retire\`); or only`,
    `          behind \`if (await rpc.peerSupports(${guard}))\`. A name that is no RPC's: \`// not an RPC: why\`.`,
  ].join("\n");
}

async function main() {
  const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), ".."));
  const news = await readNews(root);
  const findings = findNewCalls(root, news);
  for (const finding of findings) console.log(formatFinding(finding));
  const count = `${news.methods.length} methods and ${news.fields.length} fields are not in every release that may run`;
  console.log(findings.length === 0 ? `${count}; none is used.` : `${count}; ${findings.length} uses.`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
