import { CIRCUIT_STATE_VALUES } from "@cellway/rpc";
import type { BoundGauge, Metrics } from "@cellway/telemetry";
import type { ProxyLimits } from "../proxy/limits.js";
import { Upstream } from "../proxy/upstream.js";

/** The cells, or listeners of cells, that requests were sent to, each with limits of its own. */
export class Upstreams {
  private readonly byCell = new Map<string, Upstream>();
  private readonly gauges = new Map<string, BoundGauge>();

  constructor(
    private readonly limits: ProxyLimits,
    private readonly metrics: Metrics,
  ) {}

  /** The upstream of a cell at the address that it has now; what is in flight to an earlier one finishes there. */
  of(cell: string, origin: string): Upstream {
    const known = this.byCell.get(cell);
    if (known?.origin === origin) return known;
    known?.retire();
    const { metrics } = this;
    const inFlight = this.gaugeOf(cell);
    const upstream = new Upstream(cell, origin, this.limits, {
      onCircuit: (state) => metrics.set("cellway_edge_circuit_state", { cell }, CIRCUIT_STATE_VALUES[state]),
      onInFlight: (count) => inFlight.set(count),
    });
    this.byCell.set(cell, upstream);
    return upstream;
  }

  close(): Promise<void> {
    for (const upstream of this.byCell.values()) upstream.close();
    return Promise.resolve();
  }

  private gaugeOf(cell: string): BoundGauge {
    const known = this.gauges.get(cell);
    if (known !== undefined) return known;
    const gauge = this.metrics.gauge("cellway_edge_in_flight", { cell });
    this.gauges.set(cell, gauge);
    return gauge;
  }
}
