// Keeps what the code of this tree uses of its databases, as proto/releases/<version>.schema.json: until the release is
// retired, no migration may drop any of it, and every newer migration is tried under writes of that release.
//   node tools/release-schema.mjs <version> [root]     part of cutting a release; the tree is built
import { writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { schemaFileOf } from "../cli/dist/releases.js";
import { readCurrentSchema } from "./migration-lint/used-schema.mjs";
import { runCommandOrThrow } from "./run-command.mjs";

const [version, folder] = process.argv.slice(2);
if (version === undefined || !/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(version)) {
  console.log("usage: node tools/release-schema.mjs <version, such as 1.2.3> [root]");
  process.exitCode = 2;
} else {
  const root = resolve(folder ?? join(dirname(fileURLToPath(import.meta.url)), ".."));
  const file = schemaFileOf(version);
  writeFileSync(join(root, file), `${JSON.stringify(await readCurrentSchema(root, version), null, 2)}\n`);
  await runCommandOrThrow(["biome", "format", "--write", file], { root });
  console.log(`Wrote ${file}.`);
}
