import { type ProxyLimits, Upstream } from "@cellway/http";
import type { RoutedCell } from "@cellway/locator";
import { CIRCUIT_STATE_VALUES } from "@cellway/rpc";
import type { Metrics } from "@cellway/telemetry";

/** The cells that requests were sent to, each with limits of its own. */
export class Upstreams {
  private readonly byCell = new Map<string, Upstream>();

  constructor(
    private readonly limits: ProxyLimits,
    private readonly metrics: Metrics,
  ) {}

  /** The upstream of a cell at the address that it has now; what is in flight to an earlier one finishes there. */
  of({ name, httpAddress }: RoutedCell): Upstream {
    const known = this.byCell.get(name);
    if (known?.origin === httpAddress) return known;
    void known?.retire();
    const { metrics } = this;
    const upstream = new Upstream(name, httpAddress, this.limits, {
      onCircuit: (state) => metrics.set("cellway_edge_circuit_state", { cell: name }, CIRCUIT_STATE_VALUES[state]),
      onInFlight: (count) => metrics.set("cellway_edge_in_flight", { cell: name }, count),
    });
    this.byCell.set(name, upstream);
    return upstream;
  }

  async close(): Promise<void> {
    await Promise.all([...this.byCell.values()].map((upstream) => upstream.close()));
  }
}
