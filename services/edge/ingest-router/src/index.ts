export { type IngestRouterOptions, type RunningIngestRouter, startIngestRouter } from "./ingest-router.js";
