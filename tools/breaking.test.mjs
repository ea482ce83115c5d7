import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { addRelease, imageOf } from "../cli/dist/releases.js";
import { runCommand, runCommandOrThrow } from "./run-command.mjs";
import { withTree, writeTree } from "./test-tree.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const BUF_YAML = "version: v2\nmodules:\n  - path: proto\n    breaking:\n      use: [FILE]\n";
const IDENTITY = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"];

/** @param {readonly string[]} fields */
function contract(...fields) {
  const lines = fields.map((field, index) => `  string ${field} = ${index + 1};\n`);
  return {
    "buf.yaml": BUF_YAML,
    "proto/a/v1/a.proto": `syntax = "proto3";\npackage a.v1;\nmessage A {\n${lines.join("")}}\n`,
  };
}

/**
 * @param {string} root
 * @param {readonly string[]} args
 */
async function git(root, ...args) {
  await runCommandOrThrow(["git", ...IDENTITY, ...args], { root });
}

/**
 * @param {string} root
 * @param {Record<string, string>} files
 */
async function commit(root, files) {
  writeTree(root, files);
  await git(root, "add", "-A");
  await git(root, "commit", "-q", "--allow-empty", "-m", "a: B");
}

/**
 * @param {string} root
 * @param {readonly string[]} args
 */
async function breaking(root, ...args) {
  return await runCommand(["node", join(HERE, "breaking.mjs"), root, ...args], { root });
}

/**
 * Lends a repository on main whose first commit holds the contract {first, second}.
 * @param {(root: string) => Promise<void>} use
 */
async function withRepository(use) {
  await withTree({ ".gitignore": "node_modules\n" }, async (root) => {
    symlinkSync(join(HERE, "..", "node_modules"), join(root, "node_modules"));
    await git(root, "init", "-q", "-b", "main");
    await commit(root, contract("first", "second"));
    await use(root);
  });
}

describe("buf breaking", () => {
  test("passes what is added beside and fails what is removed, before it is committed", async () => {
    await withRepository(async (root) => {
      writeTree(root, contract("first", "second", "third"));
      expect(await breaking(root)).toMatchObject({ code: 0, output: expect.stringContaining("Nothing breaks") });
      writeTree(root, contract("first"));
      expect(await breaking(root)).toMatchObject({ code: 100, output: expect.stringContaining("second") });
    });
  });

  test("on main, compares a clean tree with the commit before", async () => {
    await withRepository(async (root) => {
      await commit(root, contract("first"));
      expect(await breaking(root)).toMatchObject({ code: 100 });
      await commit(root, {});
      expect(await breaking(root)).toMatchObject({ code: 0 });
    });
  });

  test("on a branch, compares with where it left main, however many commits ago", async () => {
    await withRepository(async (root) => {
      await git(root, "switch", "-q", "-c", "topic");
      await commit(root, contract("first"));
      await commit(root, { "other.txt": "" });
      expect(await breaking(root)).toMatchObject({ code: 100 });
    });
  });

  test("compares with the base it is given, and fails where there is no such base", async () => {
    await withRepository(async (root) => {
      await git(root, "branch", "release");
      await commit(root, contract("first"));
      await commit(root, {});
      expect(await breaking(root, "--base", "release")).toMatchObject({ code: 100 });
      expect(await breaking(root, "--base", "nowhere")).toMatchObject({
        code: 1,
        output: expect.stringContaining("nowhere"),
      });
    });
  });

  test("fails a contract that is gone as a whole", async () => {
    await withRepository(async (root) => {
      rmSync(join(root, "proto/a/v1/a.proto"));
      writeTree(root, { "proto/b/v1/b.proto": 'syntax = "proto3";\npackage b.v1;\n' });
      expect((await breaking(root)).code).not.toBe(0);
      rmSync(join(root, "proto"), { recursive: true });
      expect((await breaking(root)).code).not.toBe(0);
    });
  });

  test("says why it is skipped: no repository, no commit, one commit, no proto/ then, a shallow clone", async () => {
    await withTree(contract("first"), async (root) => {
      symlinkSync(join(HERE, "..", "node_modules"), join(root, "node_modules"));
      writeTree(root, { ".gitignore": "node_modules\n" });
      expect(await breaking(root)).toMatchObject({ code: 0, output: expect.stringContaining("no git work tree") });
      await git(root, "init", "-q", "-b", "main");
      expect(await breaking(root)).toMatchObject({ code: 0, output: expect.stringContaining("no commit yet") });
      await git(root, "commit", "-q", "--allow-empty", "-m", "a: Empty");
      expect(await breaking(root)).toMatchObject({ code: 0, output: expect.stringContaining("no proto/ folder") });
      await commit(root, {});
      expect(await breaking(root)).toMatchObject({ code: 0, output: expect.stringContaining("no proto/ folder") });
    });
    await withRepository(async (root) => {
      expect(await breaking(root)).toMatchObject({ code: 0, output: expect.stringContaining("there is one commit") });
      await commit(root, contract("first"));
      await withTree({}, async (folder) => {
        await git(folder, "clone", "-q", "--depth", "1", `file://${root}`, "clone");
        const clone = join(folder, "clone");
        symlinkSync(join(HERE, "..", "node_modules"), join(clone, "node_modules"));
        expect(await breaking(clone)).toMatchObject({ code: 0, output: expect.stringContaining("shallow") });
      });
    });
  });

  test("compares with every release that may still run, however old, and says which one would break", async () => {
    await withRepository(async (root) => {
      await release(root, "0.1.0", contract("first", "second", "third"));
      await release(root, "0.2.0", contract("first", "second"));
      await commit(root, {});
      await commit(root, {});
      const { code, output } = await breaking(root);
      expect(code).toBe(100);
      expect(output).toContain("third");
      expect(output).toMatch(/Something breaks.* against release 0\.1\.0\./);
      expect(output).toContain("Nothing breaks against release 0.2.0.");
      writeTree(root, contract("first", "second", "third"));
      expect(await breaking(root)).toMatchObject({ code: 0 });
    });
  });

  test("fails with the remedy where an image is missing, not listed, changed, or no image at all", async () => {
    await withRepository(async (root) => {
      const image = join(root, imageOf("0.1.0"));
      await release(root, "0.1.0", contract("first", "second"));
      const bytes = readFileSync(image);
      rmSync(image);
      await expectFailure(root, /0\.1\.0\.binpb is missing, and .*releases\.json lists it: take it from git/);
      writeFileSync(image, bytes.subarray(0, 100));
      await expectFailure(root, /is not the image that was cut.*cellway release cut --commit 0{40}/);
      writeFileSync(join(root, "proto/releases/releases.json"), "{}");
      await expectFailure(root, /0\.1\.0\.binpb is not listed in .*releases\.json: take both from git/);
      rmSync(image);
      addRelease(root, { version: "0.1.0", commit: COMMIT }, Buffer.from("no image"));
      await expectFailure(
        root,
        /If .*0\.1\.0\.binpb cannot be read: remove 0\.1\.0 from releases\.json, and cut it again/,
      );
    });
  });
});

const COMMIT = "0".repeat(40);

/**
 * Keeps a contract as that of a release; the tree stays as it is.
 * @param {string} root
 * @param {string} version
 * @param {Record<string, string>} files
 */
async function release(root, version, files) {
  await withTree(files, async (folder) => {
    await runCommandOrThrow(["buf", "build", "proto", "-o", "image.binpb"], {
      root: folder,
      bin: join(HERE, "../node_modules/.bin"),
    });
    addRelease(root, { version, commit: COMMIT }, readFileSync(join(folder, "image.binpb")));
  });
}

/**
 * @param {string} root
 * @param {RegExp} says
 */
async function expectFailure(root, says) {
  expect(await breaking(root)).toMatchObject({ code: expect.any(Number), output: expect.stringMatching(says) });
  expect((await breaking(root)).code).not.toBe(0);
}
