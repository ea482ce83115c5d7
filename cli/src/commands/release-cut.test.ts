import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { UsageError } from "../errors.js";
import { imageOf, readReleases } from "../releases.js";
import { createTestContext } from "../test-context.js";
import { runReleaseCut } from "./release-cut.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const IDENTITY = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"];
let root: string;

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "cellway-cut-")));
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  await git("init", "-q", "-b", "main");
  write(".gitignore", "node_modules\n");
  write("buf.yaml", "version: v2\nmodules:\n  - path: proto\n");
  write("cli/package.json", '{"version":"1.0.0"}');
  writeContract("first");
  await commit();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function git(...args: string[]): Promise<string> {
  return (await promisify(execFile)("git", [...IDENTITY, ...args], { cwd: root })).stdout.trim();
}

function write(file: string, content: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), content);
}

function writeContract(field: string): void {
  write(
    "proto/a/v1/a.proto",
    `syntax = "proto3";\npackage a.v1;\n// A comment.\nmessage A {\n  string ${field} = 1;\n}\n`,
  );
}

async function commit(): Promise<string> {
  await git("add", "-A");
  await git("commit", "-q", "--allow-empty", "-m", "a: B");
  return git("rev-parse", "HEAD");
}

/** The one field of the contract of a release, and whether the image holds comments. */
function contractOf(version: string): { field: string | undefined; hasComments: boolean } {
  const { file } = fromBinary(FileDescriptorSetSchema, readFileSync(join(root, imageOf(version))));
  return { field: file[0]?.messageType[0]?.field[0]?.name, hasComments: file[0]?.sourceCodeInfo !== undefined };
}

test("the contracts of HEAD are kept under its version, with its commit, and it is said what comes next", async () => {
  const ctx = createTestContext({ cwd: join(root, "proto") });
  expect(await runReleaseCut({}, ctx)).toBe(0);
  const head = await git("rev-parse", "HEAD");
  expect(readReleases(root)).toMatchObject([{ version: "1.0.0", commit: head }]);
  expect(contractOf("1.0.0")).toEqual({ field: "first", hasComments: false });
  const printed = ctx.printed.out.join("\n");
  expect(printed).toContain('raise "version" in cli/package.json');
  expect(printed).toContain("git commit");
  expect(printed).toContain(`git tag v1.0.0 ${head}`);
});

test("an older commit is cut with its own version and its own contracts, whatever stands in the tree", async () => {
  const first = await git("rev-parse", "HEAD");
  write("cli/package.json", '{"version":"1.1.0"}');
  writeContract("second");
  await commit();
  writeContract("third");
  const ctx = createTestContext({ cwd: root });
  await runReleaseCut({ commit: "HEAD~1", json: true }, ctx);
  await runReleaseCut({ commit: "main" }, ctx);
  expect(JSON.parse(ctx.printed.out[0] ?? "")).toEqual({
    version: "1.0.0",
    commit: first,
    image: imageOf("1.0.0"),
    hasSchema: false,
  });
  expect([contractOf("1.0.0").field, contractOf("1.1.0").field]).toEqual(["first", "second"]);
});

test("what the release uses of its databases is kept when the sources are those of the commit, else it is said how", async () => {
  write("tsconfig.json", '{"compilerOptions":{"noEmit":true,"types":[]},"files":["packages/a.ts"]}');
  write("packages/a.ts", "export const a = 1;\n");
  write(
    "tools/release-schema.mjs",
    'import { writeFileSync } from "node:fs";\nwriteFileSync(`proto/releases/${process.argv[2]}.schema.json`, "{}");\n',
  );
  await commit();
  const ctx = createTestContext({ cwd: root });
  await runReleaseCut({ json: true }, ctx);
  expect(JSON.parse(ctx.printed.out[0] ?? "")).toMatchObject({ hasSchema: true });
  expect(readFileSync(join(root, "proto/releases/1.0.0.schema.json"), "utf8")).toBe("{}");
  write("cli/package.json", '{"version":"1.1.0"}');
  await commit();
  write("packages/a.ts", "export const a = 2;\n");
  await runReleaseCut({}, ctx);
  expect(existsSync(join(root, "proto/releases/1.1.0.schema.json"))).toBe(false);
  expect(ctx.printed.out.join("\n")).toContain("0. in a checkout of");
});

test("a release is cut once", async () => {
  const ctx = createTestContext({ cwd: root });
  await runReleaseCut({}, ctx);
  await commit();
  await expect(runReleaseCut({}, ctx)).rejects.toThrow(/1\.0\.0 was cut already, from .*: raise "version"/);
});

test("what is not committed is not released", async () => {
  writeContract("second");
  await expect(runReleaseCut({}, createTestContext({ cwd: root }))).rejects.toThrow(/proto\/ has changes that are not/);
  expect(readReleases(root)).toEqual([]);
});

test("a commit that is not there is refused", async () => {
  await expect(runReleaseCut({ commit: "v9" }, createTestContext({ cwd: root }))).rejects.toThrow(UsageError);
});

test("a contract that cannot be built is not released, and buf says why", async () => {
  write("proto/a/v1/a.proto", "syntax = nonsense");
  await commit();
  await expect(runReleaseCut({}, createTestContext({ cwd: root }))).rejects.toThrow(/buf build failed: .*a\.proto/);
  expect(readReleases(root)).toEqual([]);
});

test("outside of a source checkout it says that it needs one", async () => {
  await expect(runReleaseCut({}, createTestContext({ cwd: tmpdir() }))).rejects.toThrow(
    /source checkout of Cellway only/,
  );
});
