export { DEFAULT_ROUTE_LIMITS, type Gate, type OrganizationPlace, type RouteLimits } from "./gate.js";
export type { AnswerBeginning, AnswerMemory } from "./idempotency.js";
export { createOpenApiDocument } from "./openapi.js";
export { pageQuery, toPageRequest } from "./paging.js";
export { createNotFoundProblem, ProblemError, toProblem } from "./problem-error.js";
export {
  defineRoute,
  hasScope,
  type InternalRoute,
  isAtLeast,
  MEMBER_ROLES,
  type MemberRoleName,
  ORGANIZATION_PARAMETER,
  type Principal,
  type PublicRoute,
  type RouteAccess,
  type RouteAnswer,
  type RouteCall,
  type RouteLimit,
  type RouteOrganization,
  type RouteSpec,
} from "./route.js";
export { idParameter, slugSchema, userIdOf } from "./schemas.js";
export { type HttpServerOptions, type Mounted, startHttpServer } from "./server.js";
export { SESSION_COOKIE, type SessionCookieOptions } from "./session-cookie.js";
export type { RequestTrust } from "./trust.js";
