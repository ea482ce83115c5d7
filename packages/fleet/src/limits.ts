const SECOND_MS = 1_000;
/** A day. */
export const DAY_MS = 86_400 * SECOND_MS;

/** How often a process says that it is there, up to a tenth less at random. */
export const REPORT_INTERVAL_MS = 10 * SECOND_MS;
/** After which a report that failed is tried again. What was counted is tried again with the next flush. */
export const REPORT_RETRY_MS = SECOND_MS;
/** The silence after which a process that said no goodbye counts as gone. */
export const GONE_AFTER_MS = 60 * SECOND_MS;
/** A silo without any process for this long may have been served by code that reports nothing: counting begins anew. */
export const GAP_MS = 3_600 * SECOND_MS;
/** How long uses wait in memory. */
export const FLUSH_INTERVAL_MS = 5 * SECOND_MS;
/** How long a use waits that nothing like it came shortly before. */
export const FLUSH_SOON_MS = SECOND_MS;
/** Time for the last flush and the goodbye of a process that stops. */
export const GOODBYE_TIMEOUT_MS = 2 * SECOND_MS;
/** How often what is old is deleted. */
export const PRUNE_INTERVAL_MS = 600 * SECOND_MS;
/** How far back uses are remembered: the most days that a silo can be asked about. */
export const USE_DAYS_MAX = 90;
/** See {@link USE_DAYS_MAX}: a day more, so that no use is forgotten that is asked for. */
export const USE_KEPT_MS = (USE_DAYS_MAX + 1) * DAY_MS;
/** How long a process is remembered after its end. */
export const PROCESS_KEPT_MS = 14 * DAY_MS;
/** Processes that are remembered after their end; the newest. */
export const GONE_PROCESSES_MAX = 1_000;
/** Callers of a subject that are told apart in the table; all others are one. */
export const CALLERS_MAX = 200;
/** Callers that an answer names for each subject, the latest. */
export const CALLERS_LISTED_MAX = 20;
/** Processes that an answer names, the latest. */
export const PROCESSES_LISTED_MAX = 1_000;
