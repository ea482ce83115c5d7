import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { addRelease, readReleases, removeRelease } from "cellway/dist/releases.js";

const run = promisify(execFile);

/** This work tree. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Where trees are built: a folder that goes with the run, or the one that CELLWAY_SKEW_DIR names, where they are kept
 * and found again. Not inside this work tree: nothing of it may be found from there.
 */
const KEPT = process.env["CELLWAY_SKEW_DIR"];
const BUILDS = KEPT ?? mkdtempSync(join(tmpdir(), "cellway-skew-trees-"));

/** Removes what was built, unless it is to be kept. */
export async function removeTrees(): Promise<void> {
  if (KEPT === undefined) await rm(BUILDS, { recursive: true, force: true });
}

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const BUILD_TIMEOUT_MS = 300_000;

/** A source tree that is built: a fleet's processes can be started from it. */
export interface Tree {
  /** For people: `0.1.0`, `this tree`. */
  readonly name: string;
  readonly root: string;
}

/** This work tree, which `tsc -b` has built. */
export const THIS_TREE: Tree = { name: "this tree", root: ROOT };

/** The release that was cut last: the one that most processes run when this tree is deployed. */
export async function buildPreviousRelease(): Promise<Tree> {
  const release = readReleases(ROOT).at(-1);
  if (release === undefined) throw new Error("proto/releases/releases.json names no release");
  return buildCommit(release.version, release.commit);
}

/** The tree of a commit, with the dependencies of its own lock file. */
async function buildCommit(version: string, commit: string): Promise<Tree> {
  const root = join(BUILDS, `release-${commit.slice(0, 12)}`);
  const tree = { name: version, root };
  if (existsSync(join(root, BUILT))) return tree;
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  await extractCommit(version, commit, root);
  await step(root, "npm", ["ci", "--no-audit", "--no-fund"]);
  await writeFile(join(root, BUILT), "");
  return tree;
}

/** Says that a tree is whole. */
const BUILT = ".built";

async function extractCommit(version: string, commit: string, root: string): Promise<void> {
  const archive = `${root}.tar`;
  try {
    await run("git", ["-c", "safe.directory=*", "archive", "--format=tar", "-o", archive, commit], { cwd: ROOT });
  } catch (error) {
    throw new Error(
      `Release ${version} cannot be built: this repository lacks its commit ${commit}. Fetch the whole history (git fetch --unshallow).`,
      { cause: error },
    );
  }
  await run("tar", ["-xf", archive, "-C", root]);
  await rm(archive);
}

/** What a variant is made of. */
export interface VariantOptions {
  readonly name: string;
  /** Unified diffs, applied one after the other. */
  readonly patches: readonly string[];
  /** The one release that it has to be safe beside. Default those of this work tree. */
  readonly baseline?: Tree;
}

/**
 * This work tree with changes, generated and built anew.
 *
 * @throws Error that holds what git, buf or tsc said.
 */
export async function buildVariant({ name, patches, baseline }: VariantOptions): Promise<Tree> {
  const files = await listFiles();
  const digest = await digestOf(files, [...patches, baseline?.root ?? ""]);
  const root = join(BUILDS, `variant-${digest}`);
  const tree = { name, root };
  if (existsSync(join(root, BUILT))) return tree;
  await rm(root, { recursive: true, force: true });
  for (const file of files) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await cp(join(ROOT, file), join(root, file), { preserveTimestamps: true });
  }
  await linkDependencies(root);
  await copyOutputs(root);
  for (const patch of patches) await applyPatch(root, patch);
  if (baseline !== undefined) await replaceReleases(root, baseline);
  await step(root, process.execPath, ["tools/generate.mjs"]);
  await step(root, join(root, "node_modules", ".bin", "tsc"), ["-b", "cli"]);
  await writeFile(join(root, BUILT), "");
  return tree;
}

/** Makes another tree the only release of which a process may still run. */
async function replaceReleases(root: string, { root: baseline }: Tree): Promise<void> {
  const image = `${root}.binpb`;
  await step(baseline, join(baseline, "node_modules", ".bin", "buf"), [
    "build",
    "proto",
    "--exclude-source-info",
    "-o",
    image,
  ]);
  for (const { version } of readReleases(root)) removeRelease(root, version);
  addRelease(root, { version: "0.0.1", commit: "0".repeat(40) }, await readFile(image));
  await rm(image);
}

/** What a check of `npm run check` says of a tree: its exit code and its output. */
export async function checkTree(tree: Tree, tool: string): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await run(process.execPath, [join("tools", tool)], { cwd: tree.root });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: code ?? 1, output: `${stdout ?? ""}${stderr ?? ""}` };
  }
}

/** What is compiled here, so that only what the patches change is compiled anew. */
async function copyOutputs(root: string): Promise<void> {
  for (const [, folder] of await findWorkspaces(root)) {
    const output = join(relative(root, folder), "dist");
    if (existsSync(join(ROOT, output)))
      await cp(join(ROOT, output), join(root, output), { recursive: true, preserveTimestamps: true });
  }
}

/** Everything that git knows of here or would add, but for tests: a variant is run, not tested. */
async function listFiles(): Promise<string[]> {
  const { stdout } = await run(
    "git",
    ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    { cwd: ROOT, maxBuffer: OUTPUT_BYTES_MAX },
  );
  return [...new Set(stdout.split("\0"))]
    .filter((file) => file !== "" && !file.endsWith(".test.ts") && existsSync(join(ROOT, file)))
    .sort();
}

async function digestOf(files: readonly string[], patches: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files)
    hash
      .update(file)
      .update("\0")
      .update(await readFile(join(ROOT, file)));
  for (const patch of patches) hash.update("\0").update(patch);
  return hash.digest("hex").slice(0, 16);
}

/** The installed dependencies, but the workspaces' own: those are the variant's. */
async function linkDependencies(root: string): Promise<void> {
  const installed = join(ROOT, "node_modules");
  const own = join(root, "node_modules");
  await mkdir(join(own, "@cellway"), { recursive: true });
  for (const entry of await readdir(installed)) {
    if (entry === "@cellway" || entry === "cellway") continue;
    await symlink(join(installed, entry), join(own, entry));
  }
  for (const [name, folder] of await findWorkspaces(root)) await symlink(folder, join(own, name));
}

/** Package name to folder of the workspaces. */
async function findWorkspaces(root: string): Promise<[string, string][]> {
  const { workspaces } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { workspaces: string[] };
  const found: [string, string][] = [];
  for (const workspace of workspaces) {
    const parent = workspace.endsWith("/*") ? workspace.slice(0, -2) : dirname(workspace);
    const names = workspace.endsWith("/*") ? await readdir(join(root, parent)) : [workspace.slice(parent.length + 1)];
    for (const folder of workspace.endsWith("/*")
      ? names.map((name) => join(root, parent, name))
      : [join(root, workspace)]) {
      const text = await readFile(join(folder, "package.json"), "utf8").catch(() => undefined);
      const name = text === undefined ? "" : (JSON.parse(text) as { name: string }).name;
      if (name !== "") found.push([name, folder]);
    }
  }
  return found;
}

async function applyPatch(root: string, patch: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // The variant is no repository: without this git would look for one around it, and skip every file.
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(root) };
    const child = spawn("git", ["apply", "--whitespace=nowarn", "-"], {
      cwd: root,
      env,
      stdio: ["pipe", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`a patch does not apply to this tree:\n${said}\n${patch}`)),
    );
    child.stdin.end(patch);
  });
}

/** Runs a program to its end. @throws Error with what it said */
async function step(root: string, program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, args, { cwd: root, timeout: BUILD_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")} failed in ${root}:\n${stdout ?? ""}${stderr ?? ""}`, {
      cause: error,
    });
  }
}
