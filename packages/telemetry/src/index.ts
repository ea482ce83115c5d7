export { createLogger, type Logger, type LogLevel } from "./logger.js";
export type { MetricDefinition } from "./metric-definition.js";
export { METRIC_DEFINITIONS, type MetricName } from "./metric-definitions.js";
export { type BoundCounter, type BoundGauge, createMetrics, type Labels, type Metrics } from "./metrics.js";
export {
  type CountedSubject,
  createUsageLog,
  type Usage,
  type UsageKind,
  type UsageLog,
  type UsedBy,
} from "./usage-log.js";
