import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type WatchRoutesResponse, WatchRoutesResponseSchema } from "@cellway/gen/cellway/directory/v1/route_feed";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { Locator, type LocatorOptions } from "./locator.js";
import type { RouteAnswer, RouteDirectory, RouteKey } from "./route-directory.js";
import type { RouteMemory } from "./route-memory.js";

/** A clock that stands still. */
export const NOW_MS = 1_800_000_000_000;

/** A directory that a test answers for. */
interface TestDirectory extends RouteDirectory {
  /** What was asked so far, as `slug:acme`. */
  readonly asked: string[];
  answer: (key: RouteKey) => Promise<RouteAnswer | undefined> | RouteAnswer | undefined;
}

/** A directory with cells `us1`, `us2` and `de1`, and no organization. */
function createTestDirectory(): TestDirectory {
  const directory: TestDirectory = {
    asked: [],
    answer: () => undefined,
    async findOrganization(key) {
      directory.asked.push(`${key.kind}:${key.value}`);
      return directory.answer(key);
    },
    listCells: async () =>
      ["us1", "us2", "de1"].map((name) => {
        const addresses = { address: `http://${name}.test:1`, httpAddress: `http://${name}.test:2`, ingestAddress: "" };
        return { name, locality: name.slice(0, 2), ...addresses, epoch: 0, isDeleted: false };
      }),
  };
  return directory;
}

/** A locator with that directory, and what it logs and counts. */
export function createTestLocator(options: Partial<LocatorOptions> = {}) {
  const lines: string[] = [];
  const directory = createTestDirectory();
  const metrics = createMetrics({ silo: "edge" });
  const logger = createLogger({ silo: "edge", stream: { write: (line) => void lines.push(line) } });
  const clock = { nowMs: NOW_MS };
  const locator = new Locator({ directory, metrics, now: () => clock.nowMs, ...options });
  return { locator, directory, metrics, logger, lines, clock };
}

/** A message of the feed. */
export function message(
  event: MessageInitShape<typeof WatchRoutesResponseSchema>["event"],
  cursor = "",
): WatchRoutesResponse {
  return create(WatchRoutesResponseSchema, { ...(event === undefined ? {} : { event }), cursor });
}

/**
 * Routes, as `7:acme@us1:12` (id, slug, cell, epoch) and `7-:13` for a delete; their cells with them. `old>7:12` is the
 * alias of an organization, `#abc>7:12` a project key, `old>-:13` a delete of one.
 */
export function routes(texts: readonly string[], { isSnapshot = false, cursor = "" } = {}): WatchRoutesResponse {
  const statements = texts.map((text) => {
    const [, hash, value = "", leadsTo = "", keyEpoch = ""] = /^(#?)([^>@]+)>(\d+|-):(\d+)$/.exec(text) ?? [];
    if (hash !== undefined) return keyRoute(hash === "#", value, leadsTo, keyEpoch);
    const [, id = "", slug = "", cellName = "", epoch = ""] = /^(\d+)(?::([^@]+)@(\w+)|-):(\d+)$/.exec(text) ?? [];
    const key = { case: "organization" as const, value: { organizationId: id, slug } };
    return { key, cellName, epoch, isDeleted: cellName === "" };
  });
  const names = [...new Set(statements.map(({ cellName }) => cellName).filter((name) => name !== ""))];
  const cells = names.map((name) => {
    return { name, locality: name.slice(0, 2), rpcAddress: `http://${name}.test:1`, epoch: "1" };
  });
  return message({ case: "routes", value: { cells, routes: statements, isSnapshot } }, cursor);
}

function keyRoute(isProjectKey: boolean, value: string, leadsTo: string, epoch: string) {
  const isDeleted = leadsTo === "-";
  const organizationId = isDeleted ? "0" : leadsTo;
  const key = isProjectKey
    ? { case: "projectKey" as const, value: { publicKey: value, organizationId } }
    : { case: "slugAlias" as const, value: { slug: value, organizationId } };
  return { key, cellName: "", epoch, isDeleted };
}

/** A whole snapshot. */
export function snapshot(texts: readonly string[], cursor = "c1", feedId = "feed"): WatchRoutesResponse[] {
  return [
    message({ case: "snapshotBegin", value: { reason: "a test", feedId } }),
    routes(texts, { isSnapshot: true }),
    message({ case: "snapshotEnd", value: { completeUntil: timestampFromMs(NOW_MS) } }, cursor),
  ];
}

/** What a memory holds, as `7:acme@us1:12`, `old>7:12` and `#abc>7:12`, ordered. */
export function held(memory: RouteMemory): string[] {
  const { table } = memory;
  const texts: string[] = [];
  table.visit((place) => {
    const [kind, id, text, epoch] = [table.kindAt(place), table.idAt(place), table.textAt(place), table.epochAt(place)];
    const via = table.findSlug(text) === place ? ":" : "!";
    if (kind === "organization") texts.push(`${id}${via}${text}@${memory.cellNameAt(place)}:${epoch}`);
    else texts.push(`${kind === "alias" ? "" : "#"}${text}>${id}:${epoch}`);
  });
  return texts.toSorted();
}

/** Resolves as soon as the condition holds; fails after five seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > giveUpAt) throw new Error("it did not happen");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
