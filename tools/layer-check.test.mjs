import { describe, expect, test } from "@jest/globals";
import { findLayerFaults, formatFault } from "./layer-check.mjs";
import { withTree } from "./test-tree.mjs";

const WORKSPACES = ["gen", "packages/*", "services/control/*", "services/cell/*", "cli", "tests", "bench"];

/**
 * @param {string} name
 * @param {Record<string, object>} [rest]
 */
function manifest(name, rest = {}) {
  return { name, ...rest };
}

/** A tree without faults, in which every workspace may import what it declares. */
const SOUND = {
  "package.json": { workspaces: WORKSPACES, devDependencies: { "@jest/globals": "1" } },
  "gen/package.json": manifest("@cellway/gen"),
  "packages/silo/package.json": manifest("@cellway/silo", { dependencies: { zod: "1" } }),
  "packages/silo/src/index.ts":
    'import { z } from "zod";\nimport { join } from "node:path";\nexport const a = [z, join];\n',
  "packages/database/package.json": manifest("@cellway/database", { dependencies: { "@cellway/silo": "1" } }),
  "packages/database/src/index.ts": 'export * from "@cellway/silo";\n',
  "packages/rpc/package.json": manifest("@cellway/rpc", {
    dependencies: { "@cellway/silo": "1", "@cellway/gen": "1" },
  }),
  "packages/rpc/src/index.ts": 'import "./inner/a.js";\n',
  "packages/rpc/src/inner/a.ts": 'import { a } from "../index.js";\nexport const b = a;\n',
  "packages/host/package.json": manifest("@cellway/host", { dependencies: { "@cellway/rpc": "1" } }),
  "packages/testing/package.json": manifest("@cellway/testing", { dependencies: { "@cellway/host": "1" } }),
  "packages/testing/src/index.ts": "export const url = process.env.URL;\n",
  "services/control/user/package.json": manifest("@cellway/user", {
    dependencies: { "@cellway/host": "1", "@cellway/gen": "1" },
    devDependencies: { "@cellway/testing": "1" },
  }),
  "services/control/user/src/index.ts": 'import { x } from "@cellway/gen/cellway/user/v1/user";\nexport const y = x;\n',
  "services/control/user/src/user.test.ts":
    'import "@cellway/testing";\nimport { test } from "@jest/globals";\ntest;\n',
  "services/cell/organization/package.json": manifest("@cellway/organization"),
  "cli/package.json": manifest("cellway", { dependencies: { "@cellway/user": "1" } }),
  "cli/src/main.ts": 'import "@cellway/user";\nexport const env = process.env;\n',
  "tests/package.json": manifest("@cellway/tests", { dependencies: { "@cellway/testing": "1", "@cellway/user": "1" } }),
  "tests/src/fleet.test.ts": 'import "@cellway/testing";\nimport "@cellway/user";\n',
};

/**
 * The faults of the sound tree with some files put in or replaced, as `file:line: what`.
 * @param {Record<string, string | object>} planted
 */
async function faultsWith(planted) {
  return await withTree({ ...SOUND, ...planted }, (root) =>
    findLayerFaults(root).map(({ file, line, what }) => `${file}:${line}: ${what}`),
  );
}

describe("the layer check", () => {
  test("finds nothing in a tree that keeps the order", async () => {
    expect(await faultsWith({})).toEqual([]);
  });

  test("finds a sideways import between services, and says what to do instead", async () => {
    const planted = {
      "services/control/user/package.json": manifest("@cellway/user", {
        dependencies: { "@cellway/organization": "1" },
      }),
      "services/control/user/src/index.ts": '\nimport { z } from "@cellway/organization";\nexport { z };\n',
      "services/control/user/src/user.test.ts": "",
    };
    const faults = await withTree({ ...SOUND, ...planted }, (root) => findLayerFaults(root));
    expect(faults.map(({ file, line }) => `${file}:${line}`)).toEqual([
      "services/control/user/package.json:1",
      "services/control/user/src/index.ts:2",
    ]);
    expect(faults.map(formatFault).join("\n")).toContain("do:   Call it through its generated client");
  });

  test.each([
    ["a package that imports a service", "packages/host/src/a.ts", "@cellway/user"],
    ["a package that imports one that stands later", "packages/database/src/a.ts", "@cellway/rpc"],
    ["anything of ours in silo", "packages/silo/src/a.ts", "@cellway/gen/cellway/x"],
    ["database in rpc", "packages/rpc/src/a.ts", "@cellway/database"],
    ["a service that imports cli", "services/control/user/src/a.ts", "cellway"],
    ["production code that imports packages/testing", "services/control/user/src/a.ts", "@cellway/testing"],
    ["cli that imports packages/testing", "cli/src/a.ts", "@cellway/testing"],
    ["anything that imports tests", "cli/src/a.ts", "@cellway/tests"],
    ["a workspace that imports itself by name", "packages/rpc/src/a.ts", "@cellway/rpc"],
    ["a relative path into another workspace", "packages/rpc/src/a.ts", "../../silo/src/index.js"],
  ])("finds %s", async (_, file, specifier) => {
    const faults = await faultsWith({ [file]: `import "${specifier}";\n` });
    expect(faults).toContain(`${file}:1: imports "${specifier}"`);
  });

  test.each([
    ["import type", 'import type { A } from "@cellway/database";'],
    ["a re-export", 'export { a } from "@cellway/database";'],
    ["a star re-export", 'export * from "@cellway/database";'],
    ["a dynamic import", 'await import("@cellway/database");'],
    ["a dynamic import of a template", "await import(`@cellway/database`);"],
    ["the type of an import", 'export type A = import("@cellway/database").A;'],
    ["import.meta.resolve", 'import.meta.resolve("@cellway/database");'],
    ["require", 'require("@cellway/database");'],
  ])("finds a banned import written as %s", async (_, text) => {
    const faults = await faultsWith({ "packages/rpc/src/a.ts": `${text}\n` });
    expect(faults).toContain('packages/rpc/src/a.ts:1: imports "@cellway/database"');
  });

  test("is not misled by what only looks like an import", async () => {
    const text = 'const a = "import x from \'pg\'"; // import "pg"\nconst b = /import "pg"/;\nexport { a, b };\n';
    expect(await faultsWith({ "packages/rpc/src/a.ts": text })).toEqual([]);
  });

  test("finds an undeclared dependency, ours or not", async () => {
    const faults = await faultsWith({ "packages/host/src/a.ts": 'import "pg";\nimport "@cellway/silo";\n' });
    expect(faults).toEqual([
      'packages/host/src/a.ts:1: imports "pg"',
      'packages/host/src/a.ts:2: imports "@cellway/silo"',
    ]);
  });

  test("takes a devDependency for tests only, and the root's tools for tests only", async () => {
    const text = 'import "pg";\nimport "@jest/globals";\n';
    const faults = await faultsWith({
      "packages/host/package.json": manifest("@cellway/host", { devDependencies: { pg: "1" } }),
      "packages/host/src/a.ts": text,
      "packages/host/src/a.test.ts": text,
    });
    expect(faults).toEqual([
      'packages/host/src/a.ts:1: imports "pg"',
      'packages/host/src/a.ts:2: imports "@jest/globals"',
    ]);
  });

  test("takes test-support.ts for a test, and finds production code that imports it", async () => {
    const faults = await faultsWith({
      "packages/host/src/test-support.ts": 'import "@jest/globals";\n',
      "packages/host/src/a.test.ts": 'import "./test-support.js";\n',
      "packages/host/src/a.ts": 'import "./test-support.js";\n',
    });
    expect(faults).toEqual(['packages/host/src/a.ts:1: imports "./test-support.js"']);
  });

  test("finds a declared dependency that the layer may not have", async () => {
    const dependencies = { "@cellway/silo": "1", "@cellway/database": "1", "@cellway/gen": "1" };
    expect(await faultsWith({ "packages/rpc/package.json": manifest("@cellway/rpc", { dependencies }) })).toEqual([
      'packages/rpc/package.json:1: declares "@cellway/database" in dependencies',
    ]);
  });

  test("finds a workspace that nobody placed, listed or builds", async () => {
    const faults = await faultsWith({
      "packages/common/package.json": manifest("@cellway/common"),
      "services/edge/router/package.json": manifest("@cellway/router"),
      "packages/silo/tsconfig.json": {},
      "packages/database/tsconfig.json": { references: [] },
      "tsconfig.json": { references: [{ path: "packages/database" }] },
    });
    expect(faults).toEqual([
      "packages/common/package.json:1: stands in no layer",
      'packages/database/tsconfig.json:1: does not reference "../silo"',
      "services/edge/router/package.json:1: is no workspace",
      'tsconfig.json:1: does not reference "packages/silo"',
    ]);
  });

  test("finds every way to read the environment outside of cli", async () => {
    const lines = [
      "process.env.A;",
      'process["env"];',
      "const { env } = process;",
      'import { env as e } from "node:process";',
    ];
    const faults = await faultsWith({ "packages/rpc/src/a.ts": `${lines.join("\n")}\n// process.env\n` });
    expect(faults).toEqual(
      [1, 2, 3, 4].map((line) => `packages/rpc/src/a.ts:${line}: reads the environment of the process`),
    );
  });

  test("lets markers stand in their own forms only", async () => {
    const comments = ["// @TODO say", "// TODO(cells): old", "// @NOTE so", "// TODO later", "// FIXME", "// TODO(me)"];
    const faults = await faultsWith({ "packages/rpc/src/a.ts": comments.join("\n") });
    expect(faults.map((fault) => fault.split(":")[1])).toEqual(["4", "5", "6"]);
  });
});

describe("the old word for cell", () => {
  test.each(["const homeRegion = 1;", "const region_name = 1;", "// the regions", 'const a = "CELLWAY_REGION";'])(
    "is found in `%s`",
    async (text) => {
      expect(await faultsWith({ "packages/rpc/src/a.ts": text })).toHaveLength(1);
    },
  );

  test("is found in contracts, statements and documents", async () => {
    const planted = { "proto/a.proto": "// a region\n", "deploy/a.sql": "-- region\n", "README.md": "One region.\n" };
    expect(await faultsWith(planted)).toHaveLength(3);
  });

  test("may stand on a marked line, below a marker, quoted in a document and in the alias table", async () => {
    const faults = await faultsWith({
      "packages/rpc/src/a.ts": "const region = 1; // TODO(cells)\n// TODO(cells): the old key\nconst regions = 1;\n",
      "packages/silo/src/aliases.ts": 'export const OLD = "CELLWAY_REGION";\n',
      "README.md": 'A multi-region backend; "region" is the old word, `region_id` the old column.\n',
      "docs/regional.md": "A regional office.\n",
    });
    expect(faults).toEqual([]);
  });
});
