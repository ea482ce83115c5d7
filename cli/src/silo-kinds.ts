/** What `--silo` takes. */
export const SILO_KINDS = ["control", "cell", "monolith"] as const;

/** What `--edge` takes. */
export const EDGE_KINDS = ["locality-router", "ingest-router"] as const;

/** Which kind of process at the edge it is told to be. */
export type EdgeKind = (typeof EDGE_KINDS)[number];

/** Which kind of silo a process is told to be. */
export type SiloKind = (typeof SILO_KINDS)[number];
