export {
  ALIASES,
  type Alias,
  currentNameOf,
  isCounted,
  oldNamesOf,
} from "./aliases.js";
export { currentSiloContext, type SiloContext, withoutSiloContext, withSiloContext } from "./context.js";
export { ConfigError, SiloLimitError, type SiloLimitKind } from "./errors.js";
export { type PublicLocality, toPublicLocality } from "./public-locality.js";
export { createSettingsReader, type SettingsReader } from "./settings.js";
export {
  CONTROL_SILO_NAME,
  createCellSilo,
  createControlSilo,
  createEdgeIdentity,
  createMonolithSilo,
  isControlName,
  isEdgeName,
  isLocalTo,
  type LocalMode,
  MONOLITH_SILO_NAME,
  type Silo,
  type SiloMode,
} from "./silo.js";
export {
  CELL_NUMBER_MAX,
  type Cell,
  formatTopology,
  isOrigin,
  LABEL_PATTERN,
  LABEL_RULE,
  type Locality,
  type LocalityCategory,
  parseTopology,
  type Topology,
} from "./topology.js";
