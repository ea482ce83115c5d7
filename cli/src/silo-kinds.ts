/** What `--silo` takes. */
export const SILO_KINDS = ["control", "cell", "monolith"] as const;

/** Which kind of silo a process is told to be. */
export type SiloKind = (typeof SILO_KINDS)[number];
