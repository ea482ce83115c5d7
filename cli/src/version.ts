import { readFileSync } from "node:fs";

/** The release that this is: what package.json says. `cellway --version` prints it, every process reports it. */
export const VERSION: string = readVersion();

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
