import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { LocalMode } from "@cellway/silo";
import type { Metrics } from "@cellway/telemetry";
import type { BackfillStore } from "./backfill-store.js";
import type { MessageGroup, StreamId } from "./message.js";
import type { OperatorStore, Rate } from "./operator-store.js";

/** Rows of each kind that gauges count. */
const COUNTED_MAX = 10_000;
/** Rates that are kept: the greatest. */
const RATES_MAX = 1_000;

type GaugeName =
  | "cellway_outbox_depth_messages"
  | "cellway_outbox_oldest_age_seconds"
  | "cellway_outbox_parked_messages"
  | "cellway_outbox_held_streams"
  | "cellway_outbox_backfill_done_objects"
  | "cellway_outbox_backfill_total_objects";

/** What a reporter works with. */
export interface ReporterOptions {
  readonly store: OperatorStore;
  readonly backfills: BackfillStore;
  readonly metrics: Metrics;
  readonly localMode: LocalMode;
  readonly intervalMs: number;
  readonly nameOf: (category: number) => string;
  readonly isOwner: () => boolean;
  readonly isNotified: () => boolean;
}

/**
 * Every few seconds, in the process that delivers: sets the gauges of the outbox, and writes down what only that process
 * knows. It asks the database once for each interval, however often metrics are read, and each question looks at a bounded
 * number of rows. In the other processes all gauges are 0.
 */
export class Reporter {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private readonly delivered = new Map<string, Omit<Rate, "perSecond"> & { count: number }>();
  private readonly away = new Set<string>();
  private readonly known = new Map<string, { readonly name: GaugeName; readonly labels: Record<string, string> }>();
  private sinceMs = performance.now();

  constructor(private readonly options: ReporterOptions) {}

  start(): void {
    this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** A message that was delivered. */
  onGroup(stream: StreamId, group: MessageGroup): void {
    const key = `${stream.scope}/${group.category}/${stream.destination}`;
    const known = this.delivered.get(key);
    if (known !== undefined) known.count += 1;
    else {
      const { scope, destination } = stream;
      this.delivered.set(key, { scope, category: group.category, destination, count: 1 });
    }
  }

  /** A silo that cannot be reached, or can again. */
  onDestination(name: string, change: "back" | "gone"): void {
    if (change === "gone") this.away.add(name);
    else this.away.delete(name);
  }

  private async run(): Promise<void> {
    const { intervalMs, metrics, localMode, isOwner } = this.options;
    while (!this.stopping.signal.aborted) {
      const owns = isOwner();
      metrics.set("cellway_outbox_lease_owned", { side: localMode.toLowerCase() }, owns ? 1 : 0);
      // A database that does not answer is seen elsewhere; the gauges stay as they were.
      if (owns) await this.report().catch(() => undefined);
      else this.forget();
      // The first report comes soon: a status that is asked for then names the owner.
      const pauseMs = owns ? intervalMs : Math.min(intervalMs, 500);
      await sleep(pauseMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async report(): Promise<void> {
    const { store, backfills, isNotified } = this.options;
    const rates = this.takeRates();
    const report = { process: `${hostname()}:${process.pid}`, isNotified: isNotified(), rates, away: [...this.away] };
    await store.saveReport(report);
    const set = this.beginGauges();
    await this.setDepths(set);
    for (const { state, streams } of await store.countStreams(COUNTED_MAX)) {
      set("cellway_outbox_held_streams", { side: this.options.localMode.toLowerCase(), state }, streams);
    }
    for (const row of await backfills.list()) {
      const labels = { category: this.options.nameOf(row.category) };
      set("cellway_outbox_backfill_done_objects", labels, Number(row.done_count));
      set("cellway_outbox_backfill_total_objects", labels, Number(row.total_count));
    }
    this.endGauges();
  }

  private async setDepths(set: (name: GaugeName, labels: Record<string, string>, value: number) => void) {
    const rows = await this.options.store.readDepths(COUNTED_MAX);
    const oldest = new Map<string, { labels: Record<string, string>; ageMs: number }>();
    for (const row of rows) {
      const labels = { destination: row.destination, category: this.options.nameOf(row.category) };
      if (row.state === "PARKED") {
        set("cellway_outbox_parked_messages", labels, row.depth);
        continue;
      }
      set("cellway_outbox_depth_messages", { ...labels, state: row.state }, row.depth);
      const key = JSON.stringify(labels);
      const ageMs = Math.max(row.age_ms, oldest.get(key)?.ageMs ?? 0);
      oldest.set(key, { labels, ageMs });
    }
    for (const { labels, ageMs } of oldest.values()) set("cellway_outbox_oldest_age_seconds", labels, ageMs / 1000);
  }

  /** What was delivered since it was asked before. */
  private takeRates(): Rate[] {
    const now = performance.now();
    const seconds = Math.max(0.001, (now - this.sinceMs) / 1000);
    this.sinceMs = now;
    const rates = [...this.delivered.values()].map(({ count, ...row }) => ({ ...row, perSecond: count / seconds }));
    this.delivered.clear();
    return rates.sort((one, other) => other.perSecond - one.perSecond).slice(0, RATES_MAX);
  }

  private unset = new Set<string>();

  /** A setter; what it was not called for until {@link endGauges} becomes 0. */
  private beginGauges() {
    this.unset = new Set(this.known.keys());
    return (name: GaugeName, labels: Record<string, string>, value: number) => {
      const key = JSON.stringify([name, labels]);
      this.known.set(key, { name, labels });
      this.unset.delete(key);
      this.options.metrics.set(name, labels, value);
    };
  }

  private endGauges(): void {
    for (const key of this.unset) {
      const gauge = this.known.get(key);
      if (gauge !== undefined) this.options.metrics.set(gauge.name, gauge.labels, 0);
    }
  }

  /** Another process delivers, and says so. */
  private forget(): void {
    this.beginGauges();
    this.endGauges();
    this.delivered.clear();
    this.away.clear();
    this.sinceMs = performance.now();
  }
}
