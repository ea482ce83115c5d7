import type { SiloDatabase } from "@cellway/database";
import type { ServiceContext } from "@cellway/host";
import { createRateLimiter, type RateLimiter } from "@cellway/http";
import type { RelayKeys } from "@cellway/ingest-protocol";
import { DEFAULT_INGEST_LIMITS, type IngestLimits, type IngestOptions } from "./options.js";
import { ProjectKeys } from "./project-keys.js";
import { StorageBound } from "./storage-bound.js";
import { sumStoredBytes } from "./store/envelope.js";

/** What the requests of one silo share. */
export interface IngestState {
  readonly context: ServiceContext;
  readonly limits: IngestLimits;
  readonly keys: ProjectKeys;
  readonly limiter: RateLimiter;
  readonly storage: StorageBound;
  readonly relays: RelayKeys;
  readonly publicUrl: string | undefined;
  /** Bytes of bodies that are being read or written. */
  inFlightBytes: number;
}

/** Finds the state of a silo, made when it is first asked for: a module may serve several silos of one process. */
export function createIngestStates(options: IngestOptions): (context: ServiceContext) => IngestState {
  const states = new WeakMap<SiloDatabase, IngestState>();
  return (context) => {
    let state = states.get(context.database);
    if (state === undefined) {
      state = createState(context, options);
      states.set(context.database, state);
    }
    return state;
  };
}

function createState(context: ServiceContext, options: IngestOptions): IngestState {
  const limits = { ...DEFAULT_INGEST_LIMITS, ...options.limits };
  const { database, now } = context;
  return {
    context,
    limits,
    keys: new ProjectKeys(context, limits),
    limiter: createRateLimiter(now),
    storage: new StorageBound({
      maxBytes: limits.storedMaxBytes,
      intervalMs: limits.measureIntervalMs,
      sum: () => sumStoredBytes(database),
      now,
    }),
    relays: options.relays ?? new Map(),
    publicUrl: options.publicUrl,
    inFlightBytes: 0,
  };
}
