import type { Logger, Metrics } from "@cellway/telemetry";
import { askUpstream } from "../proxy/ask-upstream.js";
import type { ProxyLimits } from "../proxy/limits.js";
import type { Upstream } from "../proxy/upstream.js";

/** Bytes of an answer that are read: what it says does not matter. */
const ANSWER_MAX_BYTES = 64 * 1_024;

/** An upstream that is checked. Times are `performance.now()`. */
interface Checked {
  readonly upstream: Upstream;
  /** Whether there was a request since the last check. */
  isUsed: boolean;
  usedAt: number;
  /** Undefined while a check is under way. */
  timer: NodeJS.Timeout | undefined;
  /** When the last check that was answered began. */
  answeredAt: number;
  /** When the last failed checks had failed, of those in a row; never more than open the circuit. */
  failedAt: number[];
}

/**
 * Asks upstreams that are used for `/healthz`, beside their requests and the limit of these. Every answer below 500 is well. One
 * such answer settles the circuit; several failures in a row open it, unless a request was answered meanwhile, or no other
 * upstream was: then the trouble may be this process's own, and what becomes of requests alone decides.
 */
export class HealthChecks {
  private readonly checked = new Map<Upstream, Checked>();
  private underWay = 0;
  private isAloneLogged = false;
  private isClosed = false;

  constructor(
    private readonly limits: ProxyLimits,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** There is a request for the upstream: it is checked from now on. */
  use(upstream: Upstream): void {
    const known = this.checked.get(upstream);
    if (known !== undefined) {
      known.isUsed = true;
      return;
    }
    if (this.limits.healthCheckMs === 0 || this.isClosed) return;
    const checked: Checked = {
      upstream,
      isUsed: true,
      usedAt: 0,
      timer: undefined,
      answeredAt: Number.NEGATIVE_INFINITY,
      failedAt: [],
    };
    this.checked.set(upstream, checked);
    this.schedule(checked);
  }

  /** The circuit has opened: the next check is the one that may close it. */
  hurry(upstream: Upstream): void {
    const checked = this.checked.get(upstream);
    if (checked?.timer !== undefined) this.schedule(checked);
  }

  /** Checks it no more. */
  forget(upstream: Upstream): void {
    clearTimeout(this.checked.get(upstream)?.timer);
    this.checked.delete(upstream);
  }

  /** Checks nothing any more. What is under way ends with its connection. */
  close(): void {
    this.isClosed = true;
    for (const { timer } of this.checked.values()) clearTimeout(timer);
    this.checked.clear();
  }

  private schedule(checked: Checked): void {
    const { healthCheckMs, circuitProbeMs } = this.limits;
    const isOpen = checked.upstream.circuit.state !== "closed";
    const pauseMs = Math.random() * (isOpen ? Math.min(healthCheckMs, circuitProbeMs) : healthCheckMs);
    clearTimeout(checked.timer);
    checked.timer = setTimeout(() => void this.check(checked), pauseMs).unref();
  }

  /** Never rejects. */
  private async check(checked: Checked): Promise<void> {
    const { upstream } = checked;
    const startedAt = performance.now();
    checked.timer = undefined;
    if (checked.isUsed) checked.usedAt = startedAt;
    checked.isUsed = false;
    if (startedAt - checked.usedAt > this.limits.healthIdleMs) return this.forget(upstream);
    if (this.underWay < this.limits.healthChecksMax) {
      this.underWay += 1;
      const isWell = await isAnswered(upstream, this.limits.healthTimeoutMs);
      this.underWay -= 1;
      if (this.checked.get(upstream) !== checked) return;
      if (isWell) this.noteAnswer(checked, startedAt);
      else this.noteFailure(checked, performance.now());
    }
    this.schedule(checked);
  }

  private noteAnswer(checked: Checked, startedAt: number): void {
    const { upstream } = checked;
    checked.answeredAt = startedAt;
    checked.failedAt = [];
    this.isAloneLogged = false;
    this.metrics.set("cellway_edge_health", { cell: upstream.name }, 1);
    upstream.circuit.settle();
  }

  private noteFailure(checked: Checked, now: number): void {
    const { healthFailures } = this.limits;
    const { upstream } = checked;
    checked.failedAt = [...checked.failedAt, now].slice(-healthFailures);
    const [sinceMs = now] = checked.failedAt;
    if (checked.failedAt.length < healthFailures) return;
    this.metrics.set("cellway_edge_health", { cell: upstream.name }, 0);
    const others = [...this.checked.values()].filter((other) => other !== checked);
    if (others.length > 0 && !others.some(({ answeredAt }) => answeredAt > sinceMs)) {
      if (others.every(({ failedAt }) => failedAt.length >= healthFailures)) this.logAlone();
      return;
    }
    if (upstream.circuit.state !== "closed") return;
    upstream.circuit.trip(sinceMs);
    if (upstream.circuit.state === "closed") return;
    this.logger.warn(
      { cell: upstream.name },
      "a cell does not answer its health checks: nothing is sent to it until it does",
    );
  }

  private logAlone(): void {
    if (this.isAloneLogged) return;
    this.isAloneLogged = true;
    const message =
      "no cell answers its health checks: look at this process's network; only requests decide which cells are left alone";
    this.logger.warn({ cells: this.checked.size }, message);
  }
}

async function isAnswered(upstream: Upstream, timeoutMs: number): Promise<boolean> {
  const question = { method: "GET", path: "/healthz", headers: {}, body: Buffer.alloc(0) };
  try {
    const { status } = await askUpstream(upstream, { ...question, timeoutMs, answerMaxBytes: ANSWER_MAX_BYTES });
    return status < 500;
  } catch {
    return false;
  }
}
