import { CIRCUIT_STATE_VALUES } from "@cellway/rpc";
import type { BoundGauge, Logger, Metrics } from "@cellway/telemetry";
import type { ProxyLimits } from "../proxy/limits.js";
import { Upstream } from "../proxy/upstream.js";
import { HealthChecks } from "./health-checks.js";

/** The cells, or listeners of cells, that requests were sent to, each with limits of its own, and checked while it is used. */
export class Upstreams {
  private readonly byCell = new Map<string, Upstream>();
  private readonly gauges = new Map<string, BoundGauge>();

  private readonly limits: ProxyLimits;
  private readonly health: HealthChecks;

  constructor(
    limits: ProxyLimits,
    private readonly metrics: Metrics,
    logger: Logger,
  ) {
    const { healthCheckMs, healthProbeMs } = limits;
    // A check costs no client anything, so requests probe only what checks do not find well.
    const pauses = healthCheckMs > 0 ? { circuitProbeMs: healthProbeMs, circuitProbeMaxMs: healthProbeMs } : {};
    this.limits = { ...limits, ...pauses };
    this.health = new HealthChecks(limits, metrics, logger);
  }

  /** The upstream of a cell at the address that it has now; what is in flight to an earlier one finishes there. */
  of(cell: string, origin: string): Upstream {
    const known = this.byCell.get(cell);
    if (known?.origin === origin) {
      this.health.use(known);
      return known;
    }
    if (known !== undefined) {
      this.health.forget(known);
      known.retire();
    }
    const { metrics, health } = this;
    const inFlight = this.gaugeOf(cell);
    const upstream: Upstream = new Upstream(cell, origin, this.limits, {
      onCircuit(state) {
        metrics.set("cellway_edge_circuit_state", { cell }, CIRCUIT_STATE_VALUES[state]);
        if (state === "open") health.hurry(upstream);
      },
      onInFlight: (count) => inFlight.set(count),
    });
    this.byCell.set(cell, upstream);
    health.use(upstream);
    return upstream;
  }

  /** Ends checks and connections. */
  close(): void {
    this.health.close();
    for (const upstream of this.byCell.values()) upstream.close();
  }

  private gaugeOf(cell: string): BoundGauge {
    const known = this.gauges.get(cell);
    if (known !== undefined) return known;
    const gauge = this.metrics.gauge("cellway_edge_in_flight", { cell });
    this.gauges.set(cell, gauge);
    return gauge;
  }
}
