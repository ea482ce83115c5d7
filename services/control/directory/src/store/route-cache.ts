import type { SiloDatabase } from "@cellway/database";
import type { Destination } from "@cellway/rpc";
import { LRUCache } from "lru-cache";

/** How long an answer may be used again in a process that did not make the change itself. */
const ROUTE_MAX_AGE_MS = 5_000;
/** The most answers kept, about 200 bytes each. */
const ROUTES_MAX = 100_000;

const caches = new WeakMap<SiloDatabase, LRUCache<string, Destination>>();

/** The recent routes of a database, shared by all code of its silo in this process. */
export function routeCacheOf(database: SiloDatabase): LRUCache<string, Destination> {
  let cache = caches.get(database);
  if (cache === undefined) {
    cache = new LRUCache<string, Destination>({ max: ROUTES_MAX, ttl: ROUTE_MAX_AGE_MS });
    caches.set(database, cache);
  }
  return cache;
}

/** Forgets the routes of an organization that came, went or moved. */
export function forgetRoutes(database: SiloDatabase, organization: { organizationId: string; slug: string }): void {
  const cache = routeCacheOf(database);
  cache.delete(`id:${organization.organizationId}`);
  cache.delete(`slug:${organization.slug}`);
}

/** Forgets every route, for a cell that moved or went. */
export function forgetAllRoutes(database: SiloDatabase): void {
  routeCacheOf(database).clear();
}
