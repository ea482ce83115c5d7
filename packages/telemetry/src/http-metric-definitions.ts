import { CALL_SECONDS, type MetricDefinition } from "./metric-definition.js";

/** The metrics of what comes over HTTP: public routes, routers, the feed that routers read. */
export const HTTP_METRIC_DEFINITIONS = {
  cellway_http_requests_total: {
    type: "counter",
    help: "Requests for public routes, by route name and HTTP status.",
    labels: ["route", "status"],
  },
  cellway_http_request_duration_seconds: {
    type: "histogram",
    help: "Time of requests for public routes.",
    labels: ["route"],
    buckets: CALL_SECONDS,
  },
  cellway_http_idempotent_requests_total: {
    type: "counter",
    help: "Requests with an Idempotency-Key whose answer is kept. `outcome` is begun, answered (again), reused (with another content), running, lost (carried out, no answer known) or full (too many keys).",
    labels: ["outcome"],
  },
  cellway_logins_total: {
    type: "counter",
    help: "Logins with a password, by outcome: `accepted`, `refused`, or `busy` when too many passwords waited to be checked.",
    labels: ["outcome"],
  },
  cellway_edge_requests_total: {
    type: "counter",
    help: "Requests that a router or control's gateway answered, by the cell that they were sent to (`none` when there was none) and the status; 499 when the client went away.",
    labels: ["cell", "status"],
  },
  cellway_edge_duration_seconds: {
    type: "histogram",
    help: "Time from a request's headers to the end of its answer, of those that were sent to a cell.",
    labels: ["cell"],
    buckets: CALL_SECONDS,
  },
  cellway_edge_problems_total: {
    type: "counter",
    help: "Requests that were not answered by a cell, by the code of the problem.",
    labels: ["code"],
  },
  cellway_edge_repeats_total: {
    type: "counter",
    help: "Requests that a router sent a second time, by the cell that got them last.",
    labels: ["cell"],
  },
  cellway_edge_in_flight: {
    type: "gauge",
    help: "Requests that a router has sent to a cell and that are not over.",
    labels: ["cell"],
  },
  cellway_edge_circuit_state: {
    type: "gauge",
    help: "State of the circuit breaker of a cell in a router: 0 closed, 1 half open, 2 open.",
    labels: ["cell"],
  },
  cellway_edge_health: {
    type: "gauge",
    help: "Whether a cell answered a router's health checks when it was last asked: 0 after as many failures in a row as open its circuit, 1 again after one answer. Cells without requests are not asked.",
    labels: ["cell"],
  },
  cellway_gateway_requests_total: {
    type: "counter",
    help: "Requests that control's gateway sent on, or refused, by what says whose they are: `organization` in the path, `project_key`, `dsn_host` (the organization in the host of a DSN whose key is not known), `pinned` route.",
    labels: ["rule"],
  },
  cellway_gateway_pinned_requests_total: {
    type: "counter",
    help: "Requests for pinned routes, by pattern: one that nobody asks for any more can go.",
    labels: ["pattern"],
  },
  cellway_edge_feed_pages_total: {
    type: "counter",
    help: "Pages of the edge feed that routers were given. `feed` is organization or project_key; `of` is `snapshot`, `changes`, or `resync` (everything again, to a reader whose cursor no longer holds).",
    labels: ["feed", "of"],
  },
  cellway_edge_feed_rows_total: {
    type: "counter",
    help: "Rows of the edge feed that routers were given.",
    labels: ["feed"],
  },
  cellway_edge_feed_refused_total: {
    type: "counter",
    help: "Requests for the edge feed without a signature by one of its keys.",
    labels: ["feed"],
  },
} as const satisfies Record<string, MetricDefinition>;
