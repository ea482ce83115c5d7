import type { MetricDefinition } from "./metric-definition.js";

/** The metrics of what clients send for projects: the endpoint in a cell, and the router before it. */
export const INGEST_METRIC_DEFINITIONS = {
  cellway_ingest_accepted_total: {
    type: "counter",
    help: "Requests whose body was stored, by `envelope` and `store`.",
    labels: ["endpoint"],
  },
  cellway_ingest_accepted_bytes_total: {
    type: "counter",
    help: "Bytes of bodies that were stored, as they were sent.",
    labels: ["endpoint"],
  },
  cellway_ingest_refused_total: {
    type: "counter",
    help: "Requests that were not taken in, and questions for project configurations that were refused, by the code of the problem.",
    labels: ["code"],
  },
  cellway_ingest_dropped_total: {
    type: "counter",
    help: "Stored bodies that were dropped because their time was over.",
    labels: [],
  },
  cellway_ingest_stored_bytes: {
    type: "gauge",
    help: "Bytes of bodies that the cell keeps, as far as this process knows.",
    labels: [],
  },
  cellway_edge_project_config_keys_total: {
    type: "counter",
    help: "Keys that Relays asked an ingest router for, by what it said of them: `configs`, `unchanged`, `pending`, or `absent`.",
    labels: ["state"],
  },
  cellway_edge_project_config_questions_total: {
    type: "counter",
    help: "Questions for project configurations that an ingest router put to a cell: `answered`, or why not: `busy`, `circuit_open`, `timeout`, `unreachable`, `status`, `garbage`. But for `answered` their keys are pending.",
    labels: ["cell", "outcome"],
  },
} as const satisfies Record<string, MetricDefinition>;
