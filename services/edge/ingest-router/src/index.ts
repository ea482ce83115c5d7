export { type IngestRouterOptions, startIngestRouter } from "./ingest-router.js";
