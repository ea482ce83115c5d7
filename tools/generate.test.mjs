import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { runCommand } from "./run-command.mjs";
import { withTree, writeTree } from "./test-tree.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const NODE_MODULES = join(HERE, "..", "node_modules");

const PROTO = 'syntax = "proto3";\n\npackage a.v1;\n\nmessage A {\n  string name = 1;\n}\n';

const FILES = {
  "buf.yaml": "version: v2\nmodules:\n  - path: proto\n",
  "buf.gen.yaml": [
    "version: v2",
    "plugins:",
    "  - local: node_modules/.bin/protoc-gen-es",
    "    out: gen",
    "    opt: [target=js+dts, import_extension=js]",
    "inputs:",
    "  - directory: proto",
    "",
  ].join("\n"),
  "proto/a/v1/a.proto": PROTO,
  "gen/package.json": { name: "@cellway/gen", type: "module" },
  "package.json": { type: "module" },
  "packages/telemetry/package.json": { type: "module" },
  "packages/telemetry/tsconfig.json": {
    compilerOptions: { composite: true, module: "nodenext", rootDir: "src", outDir: "dist", types: [] },
    include: ["src"],
  },
  "packages/telemetry/src/index.ts":
    'export const METRIC_DEFINITIONS = { cellway_a_total: { type: "counter", help: "Counts a|b.", labels: ["x", "y"] } };\n',
};

/** @param {(tree: {root: string, run: (...args: string[]) => Promise<{code: number, output: string}>}) => Promise<void>} use */
async function withGeneratedTree(use) {
  await withTree(FILES, async (root) => {
    symlinkSync(NODE_MODULES, join(root, "node_modules"));
    // The tool runs from a copy: its root is where it stands.
    mkdirSync(join(root, "tools"));
    for (const name of ["generate.mjs", "run-command.mjs"]) cpSync(join(HERE, name), join(root, "tools", name));
    await use({ root, run: (...args) => runCommand(["node", "tools/generate.mjs", ...args], { root }) });
  });
}

describe("npm run generate", () => {
  test("writes contracts and METRICS.md, and the check agrees", async () => {
    await withGeneratedTree(async ({ root, run }) => {
      expect(await run()).toMatchObject({ code: 0 });
      expect(existsSync(join(root, "gen/a/v1/a_pb.js"))).toBe(true);
      expect(readFileSync(join(root, "METRICS.md"), "utf8")).toContain(
        "| `cellway_a_total` | counter | `x` `y` | Counts a\\|b. |",
      );
      expect(await run("--check")).toMatchObject({ code: 0 });
    });
  });

  test("removes what nothing generates any more and leaves what is written by hand", async () => {
    await withGeneratedTree(async ({ root, run }) => {
      writeTree(root, { "gen/old/v1/old_pb.js": "", "gen/README.md": "by hand" });
      await run();
      expect(existsSync(join(root, "gen/old"))).toBe(false);
      expect(existsSync(join(root, "gen/README.md"))).toBe(true);
      expect(existsSync(join(root, "gen/package.json"))).toBe(true);
    });
  });

  test("formats contracts", async () => {
    await withGeneratedTree(async ({ root, run }) => {
      writeTree(root, { "proto/a/v1/a.proto": PROTO.replace("  string", "      string") });
      await run();
      expect(readFileSync(join(root, "proto/a/v1/a.proto"), "utf8")).toBe(PROTO);
    });
  });

  test("--check names every stale file and touches nothing", async () => {
    await withGeneratedTree(async ({ root, run }) => {
      await run();
      writeTree(root, {
        "proto/a/v1/a.proto": PROTO.replace("name", "title"),
        "gen/old/v1/old_pb.js": "",
        "METRICS.md": "edited",
      });
      rmSync(join(root, "gen/a/v1/a_pb.js"));
      const { code, output } = await run("--check");
      expect(code).toBe(1);
      expect(output.match(/^ {2}\S+$/gm)).toEqual([
        "  METRICS.md",
        "  gen/a/v1/a_pb.d.ts",
        "  gen/a/v1/a_pb.js",
        "  gen/old/v1/old_pb.js",
      ]);
      expect(readFileSync(join(root, "METRICS.md"), "utf8")).toBe("edited");
      expect(existsSync(join(root, "gen/a/v1/a_pb.js"))).toBe(false);
    });
  });

  test("--check fails on a contract that does not compile", async () => {
    await withGeneratedTree(async ({ root, run }) => {
      writeTree(root, { "proto/a/v1/b.proto": "nonsense" });
      expect(await run("--check")).toMatchObject({ code: 1, output: expect.stringContaining("b.proto") });
    });
  });
});
