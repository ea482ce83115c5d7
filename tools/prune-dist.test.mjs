import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { pruneDist } from "./prune-dist.mjs";
import { withTree } from "./test-tree.mjs";

test("what no source compiles to is removed, and nothing else", async () => {
  const kept = ["src/a.ts", "dist/a.js", "dist/a.js.map", "dist/a.d.ts", "dist/.tsbuildinfo", "dist/in/data.json"];
  const orphans = ["dist/b.test.js", "dist/b.test.js.map", "dist/b.test.d.ts", "dist/in/c.js"];
  const folder = "services/cell/organization";
  const files = Object.fromEntries([...kept, ...orphans].map((file) => [`${folder}/${file}`, ""]));
  await withTree({ ...files, "packages/gone/dist/a.test.js": "" }, (root) => {
    const removed = pruneDist(root);
    expect(removed).toHaveLength(orphans.length + 1);
    for (const file of kept) expect(existsSync(join(root, folder, file))).toBe(true);
    for (const file of orphans) expect(existsSync(join(root, folder, file))).toBe(false);
    expect(existsSync(join(root, "packages/gone/dist/a.test.js"))).toBe(false);
  });
});
