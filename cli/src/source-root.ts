import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The root of the source tree that `cwd` is in: where `proto/releases` is. Undefined outside of one. */
export function findSourceRoot(cwd: string): string | undefined {
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "proto/releases/releases.json"))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}
