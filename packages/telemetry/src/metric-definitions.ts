import { HTTP_METRIC_DEFINITIONS } from "./http-metric-definitions.js";
import { INGEST_METRIC_DEFINITIONS } from "./ingest-metric-definitions.js";
import { CALL_SECONDS, type MetricDefinition } from "./metric-definition.js";

/** Every metric that a process exposes. */
export const METRIC_DEFINITIONS = {
  cellway_build_info: {
    type: "gauge",
    help: "Always 1. `version` is the release that this process runs, `contract` names what it serves.",
    labels: ["version", "contract"],
  },
  ...HTTP_METRIC_DEFINITIONS,
  ...INGEST_METRIC_DEFINITIONS,
  cellway_rpc_client_calls_total: {
    type: "counter",
    help: "Calls made to another silo, by outcome. `code` is the Connect code, `ok` on success.",
    labels: ["method", "destination", "code"],
  },
  cellway_rpc_client_duration_seconds: {
    type: "histogram",
    help: "Time of calls to another silo, retries included.",
    labels: ["method", "destination"],
    buckets: CALL_SECONDS,
  },
  cellway_rpc_client_retries_total: {
    type: "counter",
    help: "Attempts after the first, by why the one before failed (`unsent`, `unavailable`).",
    labels: ["method", "destination", "why"],
  },
  cellway_rpc_client_retry_budget_exhausted_total: {
    type: "counter",
    help: "Failed attempts that were not repeated because the destination's retry budget was spent.",
    labels: ["destination"],
  },
  cellway_rpc_client_rejected_total: {
    type: "counter",
    help: "Calls refused before they were sent: `circuit_open`, `concurrency_limit`, `method_disabled`, `unmapped`.",
    labels: ["method", "destination", "why"],
  },
  cellway_rpc_client_peer_too_old_total: {
    type: "counter",
    help: "Calls refused, before they were sent or by the destination, because it runs a release without the method.",
    labels: ["method", "destination"],
  },
  cellway_rpc_client_circuit_state: {
    type: "gauge",
    help: "State of the circuit breaker of a destination: 0 closed, 1 half open, 2 open.",
    labels: ["destination"],
  },
  cellway_rpc_local_calls_total: {
    type: "counter",
    help: "Calls of a service that is local to the calling code: no serialization, no socket.",
    labels: ["method"],
  },
  cellway_rpc_server_calls_total: {
    type: "counter",
    help: "Calls that reached the interceptors of this silo, by caller and outcome.",
    labels: ["method", "caller", "code"],
  },
  cellway_rpc_server_duration_seconds: {
    type: "histogram",
    help: "Time from a verified request to its response.",
    labels: ["method"],
    buckets: CALL_SECONDS,
  },
  cellway_rpc_server_refused_total: {
    type: "counter",
    help: "Requests refused before anything was parsed, by the reason of the refusal.",
    labels: ["reason"],
  },
  cellway_rpc_deprecated_uses_total: {
    type: "counter",
    help: "Calls over the network to deprecated methods (`kind` is `method`), and requests that set a deprecated field (`field`). `caller` is a silo, or `tool`.",
    labels: ["kind", "subject", "caller"],
  },
  cellway_rpc_nonce_memory_entries: {
    type: "gauge",
    help: "Nonces remembered against replay.",
    labels: [],
  },
  cellway_locator_routes: {
    type: "gauge",
    help: "Organizations whose route is in memory.",
    labels: [],
  },
  cellway_locator_keys: {
    type: "gauge",
    help: "What else leads to organizations and is in memory, by kind: `slug_alias`, `project_key`.",
    labels: ["kind"],
  },
  cellway_locator_memory_bytes: {
    type: "gauge",
    help: "Memory that routes take, unused reserves included.",
    labels: [],
  },
  cellway_locator_age_seconds: {
    type: "gauge",
    help: "How old what the locator knows is: everything that was committed before is known. By control's clock.",
    labels: [],
  },
  cellway_locator_lookups_total: {
    type: "counter",
    help: "Routes looked up, by how they were found: `memory`, `question` (control was asked), `absent` (control was asked, and there is none), `absence` (remembered), `failed` (control does not answer), `refused` (too many questions).",
    labels: ["outcome"],
  },
  cellway_locator_reconnects_total: {
    type: "counter",
    help: "Ends of the route feed: `ended` (in order), `silent` (no heartbeat), `too_slow`, `unavailable`, `error`.",
    labels: ["why"],
  },
  cellway_locator_snapshots_total: {
    type: "counter",
    help: "Snapshots of all routes that were begun, because the feed could not be gone on from.",
    labels: [],
  },
  cellway_locator_disk_copy_age_seconds: {
    type: "gauge",
    help: "How old the copy of routes on disk is: everything that was committed before is in it. By control's clock.",
    labels: [],
  },
  cellway_locator_disk_copy_bytes: {
    type: "gauge",
    help: "Size of the copy of routes on disk.",
    labels: [],
  },
  cellway_locator_disk_writes_total: {
    type: "counter",
    help: "Copies of routes written to disk, by outcome (`ok`, `failed`).",
    labels: ["outcome"],
  },
  cellway_locator_disk_loads_total: {
    type: "counter",
    help: "Copies of routes read at a start, by outcome: `ok`, `missing`, `refused` (damaged, or of other localities), `failed`.",
    labels: ["outcome"],
  },
  cellway_route_feed_watchers: {
    type: "gauge",
    help: "Streams of the route feed that are open.",
    labels: [],
  },
  cellway_route_feed_watchers_ended_total: {
    type: "counter",
    help: "Streams of the route feed that ended: `done` (in order), `gone` (the consumer left), `too_slow`, `stopped`.",
    labels: ["why"],
  },
  cellway_route_feed_changes_total: {
    type: "counter",
    help: "Changes of routes that were read from the log.",
    labels: [],
  },
  cellway_route_feed_missing_ids: {
    type: "gauge",
    help: "Changes that may still appear before the newest, because their transaction has not ended.",
    labels: [],
  },
  cellway_outbox_delivered_total: {
    type: "counter",
    help: "Messages that the other side has taken from this outbox. `category` is the message's full name.",
    labels: ["destination", "category"],
  },
  cellway_outbox_failed_total: {
    type: "counter",
    help: "Deliveries of messages that failed or took too long; they are repeated.",
    labels: ["destination", "category"],
  },
  cellway_outbox_parked_total: {
    type: "counter",
    help: "Messages that failed too often and wait for an operator.",
    labels: ["destination", "category"],
  },
  cellway_outbox_full: {
    type: "gauge",
    help: "1 while more waits for a silo than should (two million rows): its outage lasts long, or it is too slow.",
    labels: ["destination"],
  },
  cellway_outbox_lag_seconds: {
    type: "histogram",
    help: "Time from the change to its delivery.",
    labels: ["destination", "category"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600],
  },
  cellway_outbox_lease_owned: {
    type: "gauge",
    help: "Whether this process delivers: 1 in one process of a silo and side. The other gauges of outboxes are its.",
    labels: ["side"],
  },
  cellway_outbox_depth_messages: {
    type: "gauge",
    help: "Rows that wait, by what keeps them (`FLOWING`: nothing). Every 5 s, and no more than 10,000 of each table are counted.",
    labels: ["destination", "category", "state"],
  },
  cellway_outbox_oldest_age_seconds: {
    type: "gauge",
    help: "How long the oldest row has waited, parked ones apart.",
    labels: ["destination", "category"],
  },
  cellway_outbox_parked_messages: {
    type: "gauge",
    help: "Messages that are parked now; at most 10,000 are counted.",
    labels: ["destination", "category"],
  },
  cellway_outbox_held_streams: {
    type: "gauge",
    help: "Streams that do not flow, by why; at most 10,000 are counted.",
    labels: ["side", "state"],
  },
  cellway_outbox_backfill_done_objects: {
    type: "gauge",
    help: "Objects of a replicated table that were told of anew.",
    labels: ["category"],
  },
  cellway_outbox_backfill_total_objects: {
    type: "gauge",
    help: "About how many objects there were when that began.",
    labels: ["category"],
  },
  cellway_tombstone_pending: {
    type: "gauge",
    help: "Deleted objects of the other side of which it is not certain yet that nothing refers to them, by the column that may.",
    labels: ["reference"],
  },
  cellway_tombstone_failing: {
    type: "gauge",
    help: "Those of the pending ones whose rows could not be let go of last time; they are tried again.",
    labels: ["reference"],
  },
  cellway_tombstone_oldest_seconds: {
    type: "gauge",
    help: "How long the oldest pending one has been known.",
    labels: ["reference"],
  },
  cellway_tombstone_rows_total: {
    type: "counter",
    help: "Rows that were let go of because what they referred to is gone. `on_delete` is `cascade` or `set null`.",
    labels: ["reference", "on_delete"],
  },
  cellway_task_runs_total: {
    type: "counter",
    help: "Runs of periodic tasks, by outcome (`ok`, `error`).",
    labels: ["task", "outcome"],
  },
} as const satisfies Record<string, MetricDefinition>;

/** The name of a metric that exists. */
export type MetricName = keyof typeof METRIC_DEFINITIONS;
