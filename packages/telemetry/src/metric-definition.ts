/** What one metric is. METRICS.md is printed from these. */
export type MetricDefinition =
  | { readonly type: "counter" | "gauge"; readonly help: string; readonly labels: readonly string[] }
  | {
      readonly type: "histogram";
      readonly help: string;
      readonly labels: readonly string[];
      readonly buckets: readonly number[];
    };

/** Buckets for calls and requests, in seconds. */
export const CALL_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
