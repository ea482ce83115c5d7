import { readFileSync } from "node:fs";

/** The map that the peers in node look organizations up in: slug to origin, from a file of {@link writeMapFile}. */
export function readSlugMap(path: string): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const line of readFileSync(path, "latin1").split("\n")) {
    const [slug, origin] = line.split(" ", 2);
    if (slug !== undefined && origin !== undefined) map.set(slug, origin);
  }
  return map;
}

const ORGANIZATION = /^\/api\/0\/organizations\/([^/?]+)/;

/** The origin of the cell that a path leads to. */
export function findOrigin(map: ReadonlyMap<string, string>, path: string): string | undefined {
  return map.get(ORGANIZATION.exec(path)?.[1] ?? "");
}
