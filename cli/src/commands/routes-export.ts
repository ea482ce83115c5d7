import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as pauseFor } from "node:timers/promises";
import { type RouteMemory, type RunningLocator, startLocator } from "@cellway/locator";
import { createLogger, createMetrics } from "@cellway/telemetry";
import type { CommandContext } from "../context.js";
import { CommandError, EXIT_OK, UsageError } from "../errors.js";
import { findFleet } from "../fleet-target.js";
import { followMaps } from "../haproxy/follow-maps.js";
import {
  buildRouteMaps,
  formatBackends,
  formatMap,
  isMapToken,
  MAP_NAMES,
  type RouteMaps,
  replaceFile,
} from "../haproxy/route-maps.js";
import { MapSynchronizer } from "../haproxy/sync-maps.js";
import { withOperator } from "../operator.js";

/** How long control may take to tell all routes. */
const COMPLETE_TIMEOUT_MS = 60_000;

/** Silence after which the feed counts as broken: longer than it takes to build maps of millions of keys, which is at a stretch. */
const SILENCE_MAX_MS = 30_000;

/** Options of `cellway routes export`. */
export interface RoutesExportOptions {
  readonly format: "haproxy" | "json";
  readonly locality: readonly string[];
  /** `us1=10.0.0.1:8000`. */
  readonly server: readonly string[];
  readonly out?: string;
  readonly follow?: boolean;
  readonly socket?: string;
  readonly dataDir?: string;
}

/** Writes the routes of a fleet for routers that are not ours, once or for as long as the command runs. */
export async function runRoutesExport(options: RoutesExportOptions, ctx: CommandContext): Promise<number> {
  const { format, out, follow = false, socket, locality } = options;
  if (format === "haproxy" && out === undefined) throw new UsageError("--format haproxy needs --out: it writes files.");
  if (socket !== undefined && (format !== "haproxy" || !follow))
    throw new UsageError("--socket needs --follow and --format haproxy.");
  if (follow && out === undefined) throw new UsageError("--follow needs --out.");
  const servers = readServers(options.server);
  const folder = out === undefined ? undefined : resolve(ctx.process.cwd, out);
  return withOperator(findFleet(options.dataDir, ctx), {}, ctx, async ({ runtime }) => {
    const stream = { write: (line: string) => ctx.terminal.err(line.trimEnd()) };
    const logger = createLogger({ silo: "operator", level: follow ? "info" : "error", stream });
    const metrics = createMetrics({ silo: "operator" });
    const silenceMaxMs = SILENCE_MAX_MS;
    const running = await startLocator({ rpc: runtime, metrics, logger, localities: locality, silenceMaxMs });
    try {
      await waitUntilComplete(running);
      const { memory } = running.locator;
      const write = (maps: RouteMaps) =>
        writeFiles(maps, { format, folder, memory, localities: locality, servers, ctx });
      if (!follow) {
        await write(buildRouteMaps(memory));
        return EXIT_OK;
      }
      const stopping = new AbortController();
      const unfollow = ctx.process.onSignal(["SIGTERM", "SIGINT"], () => stopping.abort());
      const synchronizer = socket === undefined ? undefined : new MapSynchronizer(resolve(ctx.process.cwd, socket));
      await followMaps({ memory, synchronizer, writeFiles: write, logger, signal: stopping.signal });
      unfollow();
      return EXIT_OK;
    } finally {
      await running.stop();
    }
  });
}

async function waitUntilComplete({ following }: RunningLocator): Promise<void> {
  const giveUp = new AbortController();
  const late = pauseFor(COMPLETE_TIMEOUT_MS, "late", { signal: giveUp.signal }).catch(() => "late");
  const outcome = await Promise.race([following.whenComplete, late]);
  giveUp.abort();
  if (outcome === "late")
    throw new CommandError(
      `control did not tell all routes within ${COMPLETE_TIMEOUT_MS / 1_000} s; nothing was written.`,
    );
}

interface Writing {
  readonly format: RoutesExportOptions["format"];
  readonly folder: string | undefined;
  readonly memory: RouteMemory;
  readonly localities: readonly string[];
  readonly servers: ReadonlyMap<string, string>;
  readonly ctx: CommandContext;
}

async function writeFiles(
  { maps }: RouteMaps,
  { format, folder, memory, localities, servers, ctx }: Writing,
): Promise<void> {
  const asOf = new Date(memory.completeUntilMs ?? Date.now()).toISOString();
  const isHere = (locality: string) => localities.length === 0 || localities.includes(locality);
  const cells = memory.listCells().filter(({ isDeleted, locality }) => !isDeleted && isHere(locality));
  if (format === "json") {
    const [organizations, projectKeys] = [maps.organizations, maps["project-keys"]].map(toSortedObject);
    const cellLocalities = toSortedObject(new Map(cells.map(({ name, locality }) => [name, locality])));
    const text = `${JSON.stringify({ asOf, cells: cellLocalities, organizations, projectKeys })}\n`;
    if (folder === undefined) return ctx.terminal.out(text.trimEnd());
    await mkdir(folder, { recursive: true });
    return replaceFile(join(folder, "routes.json"), text);
  }
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true });
  for (const name of MAP_NAMES) await replaceFile(join(folder, `${name}.map`), formatMap(name, maps[name], asOf));
  const names = cells.map(({ name }) => name).filter(isMapToken);
  await replaceFile(join(folder, "backends.cfg"), formatBackends(names, servers));
}

function toSortedObject(map: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries([...map].sort(([one], [other]) => (one < other ? -1 : 1)));
}

function readServers(texts: readonly string[]): Map<string, string> {
  return new Map(
    texts.map((text) => {
      const [, cell, server] = /^([a-z0-9-]{1,50})=([A-Za-z0-9.-]+:\d{1,5}|\[[0-9a-f:]+\]:\d{1,5})$/.exec(text) ?? [];
      if (cell === undefined || server === undefined)
        throw new UsageError(
          `--server ${text}: must be a cell and where its HTTP is reached, such as us1=10.0.0.1:8000.`,
        );
      return [cell, server];
    }),
  );
}
