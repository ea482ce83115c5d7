export { type LocalityRouterOptions, type RunningLocalityRouter, startLocalityRouter } from "./locality-router.js";
