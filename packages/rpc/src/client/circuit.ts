import type { RpcLimits } from "../settings.js";

/** What a call says of its peer. `neutral`: nothing, neither that it is there nor that it is not. */
export type Verdict = "success" | "failure" | "neutral";

/** `open`: calls fail at once. `half_open`: one probe is under way, and all other calls fail at once. */
export type CircuitState = "closed" | "half_open" | "open";

/** What stands for a state in metrics. */
export const CIRCUIT_STATE_VALUES: Readonly<Record<CircuitState, number>> = { closed: 0, half_open: 1, open: 2 };

/** When a circuit opens, and for how long. */
export type CircuitLimits = Pick<
  RpcLimits,
  "circuitFailureShare" | "circuitWindowMs" | "circuitMinCallsPerSecond" | "circuitProbeMs" | "circuitProbeMaxMs"
>;

/** Leaves a peer alone that failed too often, and finds out by single probes when it is back. */
export interface Circuit {
  readonly state: CircuitState;
  /** Admits a call, whose verdict is then given exactly once; undefined when it must fail at once. */
  enter(): ((verdict: Verdict) => void) | undefined;
}

interface Bucket {
  readonly startedAt: number;
  calls: number;
  failures: number;
}

const BUCKETS_PER_WINDOW = 10;

/**
 * Creates a closed circuit. It opens when more than the limit's share of the verdicts of one window are failures. A
 * probe that fails doubles the pause to the next one; a neutral probe has told nothing and leaves the pause as it is.
 */
export function createCircuit(limits: CircuitLimits, onChange: (state: CircuitState) => void): Circuit {
  let state: CircuitState = "closed";
  let buckets: Bucket[] = [];
  let pauseMs = limits.circuitProbeMs;
  let probeAt = 0;

  const change = (next: CircuitState) => {
    state = next;
    onChange(next);
  };
  const open = () => {
    probeAt = performance.now() + pauseMs;
    change("open");
  };
  const count = (verdict: Verdict) => {
    // A call that began before the circuit opened says nothing new; only the probe does.
    if (state !== "closed" || verdict === "neutral") return;
    const now = performance.now();
    buckets = buckets.filter((bucket) => bucket.startedAt > now - limits.circuitWindowMs);
    let last = buckets[buckets.length - 1];
    if (last === undefined || now - last.startedAt >= limits.circuitWindowMs / BUCKETS_PER_WINDOW) {
      last = { startedAt: now, calls: 0, failures: 0 };
      buckets.push(last);
    }
    last.calls += 1;
    if (verdict === "success") return;
    last.failures += 1;
    if (isTooMuch(buckets, limits)) open();
  };
  const judgeProbe = (verdict: Verdict) => {
    if (verdict === "success") {
      buckets = [];
      pauseMs = limits.circuitProbeMs;
      change("closed");
      return;
    }
    if (verdict === "failure") pauseMs = Math.min(pauseMs * 2, limits.circuitProbeMaxMs);
    open();
  };

  return {
    get state() {
      return state;
    },
    enter() {
      if (state === "closed") return count;
      if (state === "half_open" || performance.now() < probeAt) return undefined;
      change("half_open");
      return judgeProbe;
    },
  };
}

function isTooMuch(buckets: readonly Bucket[], limits: CircuitLimits): boolean {
  const calls = buckets.reduce((sum, bucket) => sum + bucket.calls, 0);
  const failures = buckets.reduce((sum, bucket) => sum + bucket.failures, 0);
  const callsMin = (limits.circuitWindowMs / 1_000) * limits.circuitMinCallsPerSecond;
  return calls >= callsMin && failures > limits.circuitFailureShare * calls;
}
