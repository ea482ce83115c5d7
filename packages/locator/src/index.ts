export { writeCopy } from "./disk/write-copy.js";
export { createQuestionsLimitError, DiskCopyError } from "./errors.js";
export { explainRoute, type RouteExplanation } from "./explain-route.js";
export { type Following, type FollowOptions, followRoutes } from "./follow-routes.js";
export { type Finding, type FoundRoute, Locator, type LocatorOptions } from "./locator.js";
export { reportLocator } from "./report-locator.js";
export {
  createRemoteDirectory,
  KIND_PHRASES,
  type RouteAnswer,
  type RouteDirectory,
  type RouteKey,
} from "./route-directory.js";
export {
  type CellStatement,
  type KeyStatement,
  type RoutedCell,
  RouteMemory,
  type RouteStatement,
} from "./route-memory.js";
export { type RunningLocator, type StartLocatorOptions, startLocator } from "./start-locator.js";
export { RouteTable } from "./table/route-table.js";
