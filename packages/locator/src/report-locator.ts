import type { Metrics } from "@cellway/telemetry";
import type { RouteMemory } from "./route-memory.js";

const REPORT_INTERVAL_MS = 1_000;

/** Sets the gauges of a locator every second until it is stopped: what it holds, and how old that is. */
export function reportLocator(options: {
  readonly memory: RouteMemory;
  readonly metrics: Metrics;
  readonly now: () => number;
  /** See `DiskCopyKeeper`. Default: there is no copy. */
  readonly diskCompleteUntilMs?: () => number | undefined;
}): { stop(): void } {
  const { memory, metrics, now } = options;
  const report = () => {
    metrics.set("cellway_locator_routes", {}, memory.table.count);
    metrics.set("cellway_locator_keys", { kind: "slug_alias" }, memory.table.countKeys("alias"));
    metrics.set("cellway_locator_keys", { kind: "project_key" }, memory.table.countKeys("projectKey"));
    metrics.set("cellway_locator_memory_bytes", {}, memory.table.bytes);
    reportAge("cellway_locator_age_seconds", memory.completeUntilMs);
    reportAge("cellway_locator_disk_copy_age_seconds", options.diskCompleteUntilMs?.());
  };
  const reportAge = (name: "cellway_locator_age_seconds" | "cellway_locator_disk_copy_age_seconds", atMs?: number) => {
    if (atMs !== undefined) metrics.set(name, {}, Math.max(0, now() - atMs) / 1_000);
  };
  report();
  const timer = setInterval(report, REPORT_INTERVAL_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
