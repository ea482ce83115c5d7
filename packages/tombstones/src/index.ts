export { type CascadeOptions, cascadeTombstones } from "./cascade.js";
export { type CascadeRule, type Reference, resolveReferences } from "./references.js";
export { findUnwired, tombstoneMigrations } from "./schema.js";
export {
  mirrorDeletions,
  receiveTombstones,
  sendTombstones,
  type TombstoneSource,
  tellDeletions,
} from "./sources.js";
export { type ReferenceStatus, readTombstoneStatus } from "./status.js";
