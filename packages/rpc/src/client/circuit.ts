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
  /** Opens a closed circuit on the word of health checks, unless a call succeeded after `sinceMs` (`performance.now()`). */
  trip(sinceMs: number): void;
  /**
   * A health check has been answered. An open circuit is closed; but where calls opened it again after that, with no success
   * among them, it stays open, and the next call is the probe: such a peer answers checks and nothing else.
   */
  settle(): void;
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
  const window = new VerdictWindow(limits);
  let pauseMs = limits.circuitProbeMs;
  let probeAt = 0;
  /** When a health check closed it last. Until a call succeeds after that, no call has confirmed it. */
  let settledAt = Number.NEGATIVE_INFINITY;

  const change = (next: CircuitState) => {
    state = next;
    onChange(next);
  };
  const open = () => {
    probeAt = performance.now() + pauseMs;
    change("open");
  };
  const close = () => {
    window.clear();
    pauseMs = limits.circuitProbeMs;
    change("closed");
  };
  const admit = (era: number) => (verdict: Verdict) => {
    // A call that began before the circuit opened and fails after it closed says how its peer was then, not how it is.
    if (state !== "closed" || verdict === "neutral" || (verdict === "failure" && era !== window.era)) return;
    window.add(verdict);
    if (verdict === "failure" && window.isTooMuch()) open();
  };
  const judgeProbe = (verdict: Verdict) => {
    if (verdict === "success") {
      window.add(verdict);
      return close();
    }
    if (verdict === "failure") pauseMs = Math.min(pauseMs * 2, limits.circuitProbeMaxMs);
    open();
  };

  return {
    get state() {
      return state;
    },
    enter() {
      if (state === "closed") return admit(window.era);
      if (state === "half_open" || performance.now() < probeAt) return undefined;
      change("half_open");
      return judgeProbe;
    },
    trip(sinceMs) {
      if (state !== "closed" || window.succeededAt > sinceMs) return;
      settledAt = Number.NEGATIVE_INFINITY;
      open();
    },
    settle() {
      if (state !== "open") return;
      const now = performance.now();
      if (window.succeededAt < settledAt) probeAt = now;
      else close();
      settledAt = now;
    },
  };
}

/** The verdicts of the last while. */
class VerdictWindow {
  succeededAt = Number.NEGATIVE_INFINITY;
  /** How often they were forgotten. */
  era = 0;
  private buckets: Bucket[] = [];

  constructor(private readonly limits: CircuitLimits) {}

  add(verdict: "success" | "failure"): void {
    const { circuitWindowMs } = this.limits;
    const now = performance.now();
    this.buckets = this.buckets.filter((bucket) => bucket.startedAt > now - circuitWindowMs);
    let last = this.buckets[this.buckets.length - 1];
    if (last === undefined || now - last.startedAt >= circuitWindowMs / BUCKETS_PER_WINDOW) {
      last = { startedAt: now, calls: 0, failures: 0 };
      this.buckets.push(last);
    }
    last.calls += 1;
    if (verdict === "failure") last.failures += 1;
    else this.succeededAt = now;
  }

  isTooMuch(): boolean {
    const { circuitWindowMs, circuitMinCallsPerSecond, circuitFailureShare } = this.limits;
    const calls = this.buckets.reduce((sum, bucket) => sum + bucket.calls, 0);
    const failures = this.buckets.reduce((sum, bucket) => sum + bucket.failures, 0);
    const callsMin = (circuitWindowMs / 1_000) * circuitMinCallsPerSecond;
    return calls >= callsMin && failures > circuitFailureShare * calls;
  }

  /** Forgets the verdicts, and not when there was a success. */
  clear(): void {
    this.buckets = [];
    this.era += 1;
  }
}
