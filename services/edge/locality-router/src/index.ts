export { type LocalityRouterOptions, startLocalityRouter } from "./locality-router.js";
