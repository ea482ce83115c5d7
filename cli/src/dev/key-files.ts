import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deriveCellKey, deriveEdgeKey, formatKeys, parseKeys } from "@cellway/rpc";
import { createEdgeIdentity } from "@cellway/silo";
import { generateKey } from "../commands/keys.js";

/** The files that the silos of a fleet read their keys from. */
export interface KeyFiles {
  /** The master keys: control's, and an operator's. */
  readonly masterFile: string;
  /** The file of one silo: for a cell its derived keys, else the master keys. */
  fileOf(silo: { readonly kind: string; readonly name: string }): string;
  /** The file of a router's derived keys. */
  fileOfEdge(edge: string): string;
  /** The secret by which routers and the gateway explain themselves. */
  readonly operatorToken: string;
  /** Where that is, for people. */
  readonly operatorTokenFile: string;
  /** Writes the files of the cells and routers from the text of the master file. @throws ConfigError when it holds no keys */
  deriveFrom(masterText: string): void;
}

/** Opens the keys in `keysDir`: generates what is missing, and derives those of `cells` and of the routers `edges`. */
export function openKeyFiles(keysDir: string, cells: readonly string[], edges: readonly string[] = []): KeyFiles {
  const masterFile = join(keysDir, "master.keys");
  const operatorTokenFile = join(keysDir, "operator.token");
  if (!existsSync(operatorTokenFile)) writeSecret(operatorTokenFile, randomBytes(32).toString("base64url"));
  const edgeFile = (edge: string) => join(keysDir, `edge-${edge}.keys`);
  const cellFile = (cell: string) => join(keysDir, `${cell}.keys`);
  if (!existsSync(masterFile)) writeSecret(masterFile, formatKeys([generateKey()]));
  const deriveFrom = (masterText: string) => {
    const masters = parseKeys(masterText, masterFile);
    for (const cell of cells)
      writeSecret(cellFile(cell), formatKeys(masters.map((master) => deriveCellKey(master, cell))));
    for (const edge of edges) {
      const { name } = createEdgeIdentity(edge);
      writeSecret(edgeFile(edge), formatKeys(masters.map((master) => deriveEdgeKey(master, name))));
    }
  };
  deriveFrom(readFileSync(masterFile, "utf8"));
  return {
    masterFile,
    fileOf: (silo) => (silo.kind === "cell" ? cellFile(silo.name) : masterFile),
    fileOfEdge: edgeFile,
    operatorToken: readFileSync(operatorTokenFile, "utf8").trim(),
    operatorTokenFile,
    deriveFrom,
  };
}

/** In one step, so that nobody reads half a key. */
export function writeSecret(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${text}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}
