/** Prefixes of paths to cells: `/api/0/legacy/` to `us1`. The longest that fits holds. */
export type StaticRoutes = ReadonlyMap<string, string>;

/** The static route of a path. */
export function findStaticRoute(
  routes: StaticRoutes,
  path: string,
): { readonly prefix: string; readonly cell: string } | undefined {
  let found: { prefix: string; cell: string } | undefined;
  for (const [prefix, cell] of routes) {
    if (path.startsWith(prefix) && prefix.length > (found?.prefix.length ?? 0)) found = { prefix, cell };
  }
  return found;
}
