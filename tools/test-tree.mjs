import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/**
 * Lends a test a folder with the given files, and removes it afterwards. Objects are written as JSON.
 * @template T
 * @param {Record<string, string | object>} files
 * @param {(root: string) => Promise<T> | T} use
 * @returns {Promise<T>}
 */
export async function withTree(files, use) {
  const root = mkdtempSync(join(tmpdir(), "cellway-tools-"));
  try {
    writeTree(root, files);
    return await use(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/**
 * @param {string} root
 * @param {Record<string, string | object>} files
 */
export function writeTree(root, files) {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), typeof content === "string" ? content : JSON.stringify(content));
  }
}
