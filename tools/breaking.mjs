// `buf breaking` against every release of which a process may still run (proto/releases, which `cellway release cut`
// fills), and against what is on main: old and new run side by side, so a contract only ever grows.
//   node tools/breaking.mjs [root] [--base <ref>]
// Without --base: on a branch the merge base with origin/main or main; on main HEAD, where proto/ has changes that are
// not committed, and the commit before it otherwise. Compares with a `git archive` of that commit: no clone, no network.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CONTRACT_INPUTS, imageOf, readReleases } from "../cli/dist/releases.js";
import { runCommand } from "./run-command.mjs";

/** The exit code of buf when it compared and found something; others say that it could not. */
const FOUND = 100;

/**
 * The commit to compare with, or the sentence that says why there is none.
 * @param {string} root
 * @param {string} [wanted] A ref to take the merge base with, in place of main.
 * @returns {Promise<{base: string} | {skipped: string} | {failed: string}>}
 */
export async function findBase(root, wanted) {
  if ((await git(root, ["rev-parse", "--is-inside-work-tree"])) !== "true")
    return { skipped: "this is no git work tree" };
  if ((await git(root, ["rev-parse", "--show-prefix"])) !== "")
    return { skipped: "this tree is no git repository of its own" };
  const head = await git(root, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
  if (head === undefined) return { skipped: "there is no commit yet" };
  const isShallow = (await git(root, ["rev-parse", "--is-shallow-repository"])) === "true";
  const fork = await findFork(root, wanted === undefined ? ["origin/main", "main"] : [wanted, `origin/${wanted}`]);
  if (fork === undefined && isShallow) return { skipped: "this clone is shallow and does not hold the base commit" };
  if (fork === undefined && wanted !== undefined) return { failed: `no commit is shared with "${wanted}"` };
  const base = fork === undefined || fork === head ? await beforeHead(root, head) : fork;
  if (base === undefined) {
    return {
      skipped: isShallow
        ? "this clone is shallow and holds one commit"
        : "there is one commit and proto/ is as it was in it",
    };
  }
  const hasProto = (await git(root, ["ls-tree", "--name-only", base, "--", "proto"])) === "proto";
  return hasProto ? { base } : { skipped: `${base.slice(0, 12)} has no proto/ folder` };
}

/**
 * Compares the tree with a commit.
 * @param {string} root
 * @param {string} base
 * @param {string} [bin] Where buf is, if not in the root's node_modules.
 * @returns {Promise<import("./run-command.mjs").Result>}
 */
export async function compareWith(root, base, bin) {
  const folder = mkdtempSync(join(tmpdir(), "cellway-breaking-"));
  try {
    const names = await git(root, ["ls-tree", "--name-only", base, "--", ...CONTRACT_INPUTS]);
    const archive = join(folder, "base.tar");
    const made = await runGit(root, [
      "archive",
      "--format=tar",
      "-o",
      archive,
      base,
      "--",
      ...(names ?? "").split("\n"),
    ]);
    if (made.code !== 0) return made;
    const options = bin === undefined ? { root } : { root, bin };
    return await runCommand(["buf", "breaking", "proto", "--against", `${archive}#subdir=proto`], options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Compares the tree with a release.
 * @param {string} root
 * @param {string} version
 * @returns {Promise<import("./run-command.mjs").Result>}
 */
async function compareWithRelease(root, version) {
  const compared = await runCommand(["buf", "breaking", "proto", "--against", imageOf(version)], { root });
  if (compared.code === 0 || compared.code === FOUND) return compared;
  const { commit } = readReleases(root).find((release) => release.version === version) ?? {};
  const remedy = `If ${imageOf(version)} cannot be read: remove ${version} from releases.json, and cut it again with cellway release cut --commit ${commit}`;
  return { ...compared, output: `${compared.output}${remedy}\n` };
}

/**
 * @param {string} root
 * @param {readonly string[]} refs
 */
async function findFork(root, refs) {
  for (const ref of refs) {
    const fork = await git(root, ["merge-base", "HEAD", ref]);
    if (fork !== undefined) return fork;
  }
  return undefined;
}

/**
 * @param {string} root
 * @param {string} head
 */
async function beforeHead(root, head) {
  const changes = await git(root, ["status", "--porcelain", "--untracked-files=all", "--", "proto"]);
  return changes === "" ? await git(root, ["rev-parse", "--verify", "--quiet", "HEAD~1^{commit}"]) : head;
}

/**
 * @param {string} root
 * @param {readonly string[]} args
 * @returns {Promise<string | undefined>} What git said, or undefined where it failed or is not installed.
 */
async function git(root, args) {
  const { code, output } = await runGit(root, args);
  return code === 0 ? output.trim() : undefined;
}

/**
 * A tree that another user owns (a container that runs as root) is still ours to read.
 * @param {string} root
 * @param {readonly string[]} args
 */
function runGit(root, args) {
  return runCommand(["git", "-c", "safe.directory=*", "--no-optional-locks", ...args], { root });
}

async function main() {
  const { values, positionals } = parseArgs({ options: { base: { type: "string" } }, allowPositionals: true });
  const root = resolve(positionals[0] ?? join(dirname(fileURLToPath(import.meta.url)), ".."));
  const codes = [await checkReleases(root), await checkBase(root, values.base)];
  process.exitCode = codes.find((code) => code !== 0) ?? 0;
}

/**
 * @param {string} root
 * @returns {Promise<number>} 0 where nothing breaks.
 */
async function checkReleases(root) {
  try {
    const codes = [];
    for (const { version } of readReleases(root)) {
      codes.push(report(await compareWithRelease(root, version), `release ${version}`));
    }
    return codes.find((code) => code !== 0) ?? 0;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "ReleasesError") throw error;
    console.log(`buf breaking: ${error.message}`);
    return 1;
  }
}

/**
 * @param {string} root
 * @param {string} [wanted]
 * @returns {Promise<number>} 0 where nothing breaks, or where there is nothing to compare with.
 */
async function checkBase(root, wanted) {
  const found = existsSync(join(root, "proto"))
    ? await findBase(root, wanted)
    : { failed: "there is no proto/ folder" };
  if ("base" in found) return report(await compareWith(root, found.base), found.base.slice(0, 12));
  if ("skipped" in found) {
    console.log(`Not compared with an older contract: ${found.skipped}.`);
    return 0;
  }
  console.log(`buf breaking: ${found.failed}.`);
  return 1;
}

/**
 * @param {import("./run-command.mjs").Result} result
 * @param {string} against
 */
function report({ code, output }, against) {
  process.stdout.write(output);
  const verdict = code === 0 ? "Nothing breaks" : "Something breaks, or could not be compared,";
  console.log(`${verdict} against ${against}.`);
  return code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
