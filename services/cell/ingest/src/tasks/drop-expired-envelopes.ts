import type { ServiceContext, TaskDefinition } from "@cellway/host";
import type { IngestState } from "../state.js";
import { dropEnvelopesBefore } from "../store/envelope.js";

/** Drops what was kept for as long as it may be. */
export function createDropExpiredEnvelopes(stateOf: (context: ServiceContext) => IngestState): TaskDefinition {
  return {
    name: "ingest.drop-expired-envelopes",
    localMode: "CELL",
    intervalMs: 60_000,
    async run(context) {
      const { limits, storage } = stateOf(context);
      const dropped = await dropEnvelopesBefore(context.database, new Date(context.now() - limits.retentionMs));
      context.metrics.count("cellway_ingest_dropped_total", {}, dropped);
      context.metrics.set("cellway_ingest_stored_bytes", {}, storage.bytes);
    },
  };
}
