import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { CommandContext } from "../context.js";
import { CommandError, EXIT_OK, UsageError } from "../errors.js";
import { addRelease, CONTRACT_INPUTS, imageOf, readReleases } from "../releases.js";

/** How long git or buf may take. */
const PROGRAM_TIMEOUT_MS = 60_000;
const OUTPUT_MAX_BYTES = 16 * 1024 * 1024;

/** What writes down what a release uses of its databases. */
const SCHEMA_TOOL = "tools/release-schema.mjs";

/** Options of `cellway release cut`. */
export interface ReleaseCutOptions {
  /** Default: HEAD, with nothing of proto/ left to commit. */
  readonly commit?: string;
  readonly json?: boolean;
}

/**
 * Keeps the contracts of a commit as those of a release: from now on every change has to be safe beside them. Works in
 * a source checkout, which has git and buf.
 */
export async function runReleaseCut(options: ReleaseCutOptions, ctx: CommandContext): Promise<number> {
  const root = await findCheckout(ctx.process.cwd);
  const commit = await findCommit(root, options.commit);
  const version = await readVersionOf(root, commit);
  const known = readReleases(root).find((release) => release.version === version);
  if (known !== undefined) {
    throw new CommandError(
      `${version} was cut already, from ${known.commit.slice(0, 12)}: raise "version" in cli/package.json, commit, and cut that.`,
    );
  }
  addRelease(root, { version, commit }, await buildImage(root, commit));
  const image = imageOf(version);
  const hasSchema = await writeSchema(root, { version, commit });
  if (options.json === true) {
    ctx.terminal.out(JSON.stringify({ version, commit, image, hasSchema }));
    return EXIT_OK;
  }
  ctx.terminal.out(`Cut ${version} from ${commit.slice(0, 12)}: ${image}`);
  ctx.terminal.out("Next:");
  if (!hasSchema) {
    const command = `node ${SCHEMA_TOOL} ${version}`;
    ctx.terminal.out(
      `  0. in a checkout of ${commit.slice(0, 12)}, after npm ci: ${command}, and copy what it writes here`,
    );
  }
  ctx.terminal.out(`  1. raise "version" in cli/package.json: what comes from now on is no longer ${version}`);
  ctx.terminal.out(`  2. git add cli/package.json proto/releases && git commit -m "release: Cut ${version}"`);
  ctx.terminal.out(`  3. git tag v${version} ${commit}`);
  return EXIT_OK;
}

/** The root of the checkout that a folder is in. @throws CommandError outside of one */
async function findCheckout(cwd: string): Promise<string> {
  const root = await git(cwd, ["rev-parse", "--show-toplevel"]).catch(() => undefined);
  if (root !== undefined && existsSync(join(root, "cli/package.json")) && existsSync(join(root, "proto"))) {
    if (existsSync(bufOf(root))) return root;
    throw new CommandError(`release cut: ${bufOf(root)} is missing; run npm ci.`);
  }
  throw new CommandError("release cut works in a source checkout of Cellway only: it needs git, buf and proto/.");
}

async function findCommit(root: string, wanted: string | undefined): Promise<string> {
  if (wanted === undefined) {
    const changes = await git(root, ["status", "--porcelain", "--", "proto", ":(exclude)proto/releases"]);
    if (changes !== "") {
      throw new CommandError(
        "release cut: proto/ has changes that are not committed; commit them, or say which commit is released with --commit.",
      );
    }
  }
  const ref = wanted ?? "HEAD";
  const commit = await git(root, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`]).catch(
    () => undefined,
  );
  if (commit === undefined) throw new UsageError(`--commit ${ref}: there is no such commit.`);
  return commit;
}

async function readVersionOf(root: string, commit: string): Promise<string> {
  const text = await git(root, ["show", `${commit}:cli/package.json`]).catch(() => "{}");
  const { version } = JSON.parse(text) as { version?: unknown };
  if (typeof version === "string") return version;
  throw new CommandError(`release cut: ${commit.slice(0, 12)} has no "version" in cli/package.json.`);
}

/** The image of the contracts of a commit, without comments, as buf builds it. */
async function buildImage(root: string, commit: string): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "cellway-release-"));
  try {
    const archive = join(folder, "tree.tar");
    const image = join(folder, "image.binpb");
    const names = (await git(root, ["ls-tree", "--name-only", commit, "--", ...CONTRACT_INPUTS])).split("\n");
    if (!names.includes("proto")) throw new CommandError(`release cut: ${commit.slice(0, 12)} has no proto/.`);
    await git(root, ["archive", "--format=tar", "-o", archive, commit, "--", ...names]);
    await runProgram(bufOf(root), ["build", `${archive}#subdir=proto`, "--exclude-source-info", "-o", image], folder);
    return readFileSync(image);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Keeps what the release uses of its databases. Its entities have to be loaded for that, so the sources in the checkout must
 * be those of the commit.
 *
 * @returns false when they are not.
 */
async function writeSchema(root: string, { version, commit }: { version: string; commit: string }): Promise<boolean> {
  if (!existsSync(join(root, SCHEMA_TOOL))) return false;
  const changes = await git(root, ["diff", "--name-only", commit, "--", "cli/src", "packages", "services"]);
  if (changes !== "") return false;
  await runProgram(join(root, "node_modules/.bin/tsc"), ["-b"], root);
  await runProgram(process.execPath, [SCHEMA_TOOL, version], root);
  return true;
}

function bufOf(root: string): string {
  return join(root, "node_modules/.bin/buf");
}

async function git(cwd: string, args: readonly string[]): Promise<string> {
  return (await runProgram("git", args, cwd)).trim();
}

/** What a program prints. @throws CommandError with what it says against it */
async function runProgram(program: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const options = { cwd, timeout: PROGRAM_TIMEOUT_MS, maxBuffer: OUTPUT_MAX_BYTES };
    return (await promisify(execFile)(program, args, options)).stdout;
  } catch (error) {
    const { stderr, stdout, message } = error as Error & { stderr?: string; stdout?: string };
    const why = stderr?.trim() || stdout?.trim() || message;
    throw new CommandError(`${program} ${args[0] ?? ""} failed: ${why}`, { cause: error });
  }
}
