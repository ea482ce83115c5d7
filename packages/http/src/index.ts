export * from "./api/index.js";
export { CELL_HEADER, ROUTE_EPOCH_HEADER } from "./cell-headers.js";
export * from "./edge/index.js";
export { type OrganizationKey, parseOrganizationKey } from "./organization-key.js";
export {
  createMetricsPage,
  type HttpServer,
  type OperatorPage,
  type PageAnswer,
  startPageServer,
  toJsonAnswer,
} from "./pages.js";
export { PROBLEM_TYPE, type Problem, sendProblem } from "./problem.js";
export {
  AnswerTimeoutError,
  askUpstream,
  type UpstreamAnswer,
  type UpstreamQuestion,
} from "./proxy/ask-upstream.js";
export type { ClientAnswer, ClientRequest } from "./proxy/client-exchange.js";
export {
  type EdgeHandlers,
  type EdgeServer,
  type EdgeServerLimits,
  startEdgeServer,
} from "./proxy/edge-server.js";
export { findHeader } from "./proxy/headers.js";
export { isAmbiguousRequest } from "./proxy/http1-front.js";
export { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "./proxy/limits.js";
export {
  type Misdirection,
  type ProxyOptions,
  type ProxyResult,
  type ProxyTarget,
  proxyRequest,
} from "./proxy/proxy-request.js";
export { createUpgradeResponse, proxyUpgrade, type UpgradeRequest } from "./proxy/proxy-upgrade.js";
export { Upstream, type UpstreamListener } from "./proxy/upstream.js";
export { parseTrustedProxies } from "./trusted-proxies.js";
