import type { RouteMemory } from "@cellway/locator";

/** What `/readyz` says of the routes that requests are decided by. */
export interface RoutesReport {
  readonly routes: number;
  /** Whether all are known. */
  readonly loaded: boolean;
  /** How long ago everything was known that control knew; null before the first time. */
  readonly ageMs: number | null;
}

/** Reports the routes in memory. */
export function reportRoutes(memory: RouteMemory, nowMs: number): RoutesReport {
  return { routes: memory.table.count, loaded: memory.isComplete, ageMs: ageOf(memory, nowMs) };
}

/** How long ago everything was known that control knew, in milliseconds; null before the first time. */
export function ageOf({ completeUntilMs }: RouteMemory, nowMs: number): number | null {
  return completeUntilMs === undefined ? null : Math.max(0, nowMs - completeUntilMs);
}
