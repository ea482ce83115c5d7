/** Paths without an organization that lead to one cell, for as long as somebody still asks for them. */
export interface PinnedRoute {
  /**
   * A path of words between slashes that ends with one; an asterisk in place of a word is for any one, two at the end are for
   * any number. Its name in metrics too.
   */
  readonly pattern: string;
  readonly cell: string;
}

const SEGMENT = "(?:\\*|[A-Za-z0-9._~-]+)";
const PATTERN = new RegExp(`^/(?:${SEGMENT}/)+(?:\\*\\*)?$`);
/** The longest pattern, in characters. */
const PATTERN_LENGTH_MAX = 200;

/** Reads a pinned route; undefined when the pattern breaks the rules of {@link PinnedRoute.pattern}. */
export function parsePinnedRoute(pattern: string, cell: string): PinnedRoute | undefined {
  return pattern.length <= PATTERN_LENGTH_MAX && PATTERN.test(pattern) ? { pattern, cell } : undefined;
}

/** Finds the first of the routes that is for a path; a slash at its end makes no difference. */
export function createPinnedFinder(routes: readonly PinnedRoute[]): (path: string) => PinnedRoute | undefined {
  const compiled = routes.map((route) => ({ route, expression: compile(route.pattern) }));
  return (path) => compiled.find(({ expression }) => expression.test(path))?.route;
}

/** Linear in the length of the path: segments cannot contain what ends them. */
function compile(pattern: string): RegExp {
  const isOpen = pattern.endsWith("/**");
  const segments = pattern.split("/").filter((segment) => segment !== "" && segment !== "**");
  const source = segments.map((segment) => (segment === "*" ? "[^/]+" : segment.replaceAll(".", "\\.")));
  return new RegExp(`^/${source.join("/")}${isOpen ? "/" : "/?$"}`);
}
