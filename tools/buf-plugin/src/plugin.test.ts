import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { formatAnswers } from "./answers.js";
import { contractOf, ROOT, run, withContracts, writeContracts } from "./test-support.js";

const FILE = "cellway/case/v1/thing.proto";
/** A dozen starts of npx, each up to 2 s on a busy machine. */
const TIMEOUT_MS = 180_000;
const IDENTITY = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"];

/** Lends a repository whose branch main holds a contract, in which a person can type `npx buf …`. */
async function withRepository(use: (root: string) => Promise<void>): Promise<void> {
  await withContracts({ [FILE]: contractOf("case", 1) }, async (root) => {
    symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
    writeFileSync(join(root, "package.json"), "{}");
    writeFileSync(join(root, ".gitignore"), "node_modules\n");
    for (const args of [
      ["init", "-q", "-b", "main"],
      ["add", "-A"],
      ["commit", "-q", "-m", "a: B"],
    ]) {
      expect(await run("git", [...IDENTITY, ...args], root)).toMatchObject({ code: 0 });
    }
    await use(root);
  });
}

test.each(Object.entries(formatAnswers()))(
  "answers/%s is what the rules say; if not: node tools/buf-plugin/dist/write-answers.js",
  (file, answer) => {
    const written = readFileSync(join(ROOT, "tools/buf-plugin/answers", file));
    expect(written.equals(answer)).toBe(true);
  },
);

test.each([
  ["the root", "", ["--against", ".git#branch=main"], ["proto", "--against", "old.binpb"]],
  ["proto/", "proto", ["--against", "../.git#branch=main,subdir=proto"], ["--against", "../old.binpb"]],
])(
  "npx buf lint and npx buf breaking work as a person types them, from %s",
  async (_where, folder, branch, image) => {
    await withRepository(async (root) => {
      const cwd = join(root, folder);
      expect(await run("npx", ["buf", "build", "proto", "-o", "old.binpb"], root)).toMatchObject({ code: 0 });
      expect(await run("npx", ["buf", "lint"], cwd)).toMatchObject({
        output: expect.not.stringContaining("buf-plugin"),
      });
      for (const against of [branch, image]) {
        expect(await run("npx", ["buf", "breaking", ...against], cwd)).toEqual({ code: 0, output: "" });
      }
      writeContracts(root, {
        [FILE]: contractOf("case", 1, [
          ["timeout: {seconds: 10}", "timeout: {seconds: 1}"],
          ["option idempotency_level = NO_SIDE_EFFECTS;\n", ""],
        ]),
      });
      const linted = await run("npx", ["buf", "lint"], cwd);
      expect(linted).toMatchObject({
        code: 100,
        output: expect.stringContaining("does not state its idempotency_level"),
      });
      for (const against of [branch, image]) {
        const broken = await run("npx", ["buf", "breaking", ...against], cwd);
        expect(broken).toMatchObject({ code: 100, output: expect.stringContaining("shrank from 10000 ms to 1000 ms") });
      }
    });
  },
  TIMEOUT_MS,
);

test("a question that is none of the plugin's is an error, not an answer", async () => {
  const { code, output } = await run("buf-plugin-cellway", ["/nowhere"], ROOT);
  expect(code).not.toBe(0);
  expect(output).toContain("there is no procedure /nowhere");
});
