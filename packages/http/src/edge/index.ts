export { startAdminServer } from "./admin-server.js";
export {
  type CellListener,
  createOrganizationNotFound,
  type Decision,
  type DecisionContext,
  decideByKey,
  decideByRule,
  type LocalityRule,
  type RouteFinder,
} from "./decide.js";
export { EXPLAIN_HEADER } from "./explain.js";
export { createEdgeHandlers } from "./handlers.js";
export { createHostTable, type HostRules, type HostTable, normalizeHost } from "./hosts.js";
export { matchPath, pathOf } from "./match-path.js";
export { createEdgeProblem } from "./problems.js";
export { createSending, type EdgeContext } from "./send.js";
export { Upstreams } from "./upstreams.js";
