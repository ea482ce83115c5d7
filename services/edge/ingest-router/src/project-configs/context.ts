import type { RelayCredentials, RelayKeys } from "@cellway/ingest-protocol";
import type { Locator } from "@cellway/locator";
import type { Logger, Metrics } from "@cellway/telemetry";
import type { IngestContext } from "../route-envelope.js";

/** Every number that bounds a question for project configurations. Times are in milliseconds. */
export interface ProjectConfigLimits {
  /** In which the question must be here whole. Default 2,000. */
  readonly questionTimeoutMs: number;
  /**
   * From the head of the question on: what no cell has said by then is pending. Below the 5 s after which a Relay gives up.
   * Default 4,000.
   */
  readonly deadlineMs: number;
  /** For the directory to say where keys are that are not known here; cells are asked for these after that. Default 2,000. */
  readonly lookupMs: number;
  /** For one cell to say the global configuration, before the next is asked. Default 1,000. */
  readonly globalTryMs: number;
  /** Bytes of a cell's answer. Default 32 MiB. */
  readonly answerMaxBytes: number;
}

/** The limits that hold when nothing else is said. */
export const DEFAULT_PROJECT_CONFIG_LIMITS: ProjectConfigLimits = {
  questionTimeoutMs: 2_000,
  deadlineMs: 4_000,
  lookupMs: 2_000,
  globalTryMs: 1_000,
  answerMaxBytes: 32 * 1_024 * 1_024,
};

/** What questions for project configurations are answered with. */
export interface ProjectConfigContext extends IngestContext {
  readonly locator: Locator;
  /** Who may ask. */
  readonly relays: RelayKeys;
  /** As whom cells are asked; undefined when nobody may ask here. */
  readonly credentials: RelayCredentials | undefined;
  readonly configLimits: ProjectConfigLimits;
  readonly metrics: Metrics;
  readonly logger: Logger;
}
