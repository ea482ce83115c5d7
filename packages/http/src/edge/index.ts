export {
  type CellListener,
  createOrganizationNotFound,
  createPathAmbiguous,
  type Decision,
  type DecisionContext,
  decideByKey,
  decideByRule,
  INGEST_LISTENER,
  type LocalityRule,
  type RouteFinder,
} from "./decide.js";
export { type EdgeExplanation, EXPLAIN_HEADER, EXPLAIN_ONLY_HEADER } from "./explain.js";
export { createEdgeHandlers } from "./handlers.js";
export { createHostTable, type HostRules, type HostTable, normalizeHost } from "./hosts.js";
export { matchPath, ORGANIZATION_HEADER, pathOf } from "./match-path.js";
export { createEdgeProblem } from "./problems.js";
export { type RouterOptions, type RunningRouter, startRouter } from "./router.js";
export { reportRoutes } from "./routes-report.js";
export { createSending, type EdgeContext } from "./send.js";
export { Upstreams } from "./upstreams.js";
