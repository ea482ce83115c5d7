import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deriveCellKey, formatKeys, parseKeys } from "@cellway/rpc";
import { generateKey } from "../commands/keys.js";

/** The files that the silos of a fleet read their keys from. */
export interface KeyFiles {
  /** The master keys: control's, and an operator's. */
  readonly masterFile: string;
  /** The file of one silo: for a cell its derived keys, else the master keys. */
  fileOf(silo: { readonly kind: string; readonly name: string }): string;
  /** Writes the files of the cells from the text of the master file. @throws ConfigError when it holds no keys */
  deriveFrom(masterText: string): void;
}

/** Opens the keys in `keysDir`: generates a master key when there is none, and derives those of `cells`. */
export function openKeyFiles(keysDir: string, cells: readonly string[]): KeyFiles {
  const masterFile = join(keysDir, "master.keys");
  const cellFile = (cell: string) => join(keysDir, `${cell}.keys`);
  if (!existsSync(masterFile)) writeSecret(masterFile, formatKeys([generateKey()]));
  const deriveFrom = (masterText: string) => {
    const masters = parseKeys(masterText, masterFile);
    for (const cell of cells)
      writeSecret(cellFile(cell), formatKeys(masters.map((master) => deriveCellKey(master, cell))));
  };
  deriveFrom(readFileSync(masterFile, "utf8"));
  return { masterFile, fileOf: (silo) => (silo.kind === "cell" ? cellFile(silo.name) : masterFile), deriveFrom };
}

/** In one step, so that nobody reads half a key. */
function writeSecret(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${text}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}
