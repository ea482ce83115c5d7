import type { Problem } from "../problem.js";

/** What a client waits before it asks again, in seconds. */
const RETRY_AFTER_S = "1";

/** Refusals of edges: of what leads nowhere. The codes are stable. */
export type EdgeProblemCode =
  | "HOST_UNKNOWN"
  | "HOST_AMBIGUOUS"
  | "PATH_AMBIGUOUS"
  | "PATH_UNKNOWN"
  | "ORGANIZATION_MISSING"
  | "ORGANIZATION_NOT_FOUND"
  | "PROJECT_KEY_MISSING"
  | "PROJECT_KEY_MALFORMED"
  | "PROJECT_KEY_NOT_FOUND"
  | "WRONG_LOCALITY"
  | "DIRECTORY_NOT_LOADED"
  | "ROUTE_UNKNOWN"
  | "ROUTE_CHANGED"
  | "CELL_WITHOUT_ADDRESS";

const TABLE: Readonly<Record<EdgeProblemCode, readonly [status: number, title: string]>> = {
  HOST_AMBIGUOUS: [400, "Ambiguous host"],
  HOST_UNKNOWN: [404, "Unknown host"],
  PATH_AMBIGUOUS: [400, "Ambiguous path"],
  PATH_UNKNOWN: [404, "Not found"],
  ORGANIZATION_MISSING: [400, "Organization missing"],
  ORGANIZATION_NOT_FOUND: [404, "Organization not found"],
  PROJECT_KEY_MISSING: [401, "Project key missing"],
  PROJECT_KEY_MALFORMED: [401, "Project key malformed"],
  PROJECT_KEY_NOT_FOUND: [404, "Project key not found"],
  WRONG_LOCALITY: [421, "Wrong locality"],
  DIRECTORY_NOT_LOADED: [503, "Routes not loaded"],
  ROUTE_UNKNOWN: [503, "Route not known"],
  ROUTE_CHANGED: [503, "Route changed"],
  CELL_WITHOUT_ADDRESS: [503, "Cell without address"],
};

/** The problem of a code, with a sentence of its own. */
export function createEdgeProblem(
  code: EdgeProblemCode,
  detail: string,
  extensions?: NonNullable<Problem["extensions"]>,
): Problem {
  const [status, title] = TABLE[code];
  return {
    status,
    code,
    title,
    detail,
    ...(extensions !== undefined && { extensions }),
    ...(status === 503 && { headers: { "retry-after": RETRY_AFTER_S } }),
  };
}
