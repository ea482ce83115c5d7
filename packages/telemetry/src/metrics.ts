import { ALIASES, type Alias } from "@cellway/silo";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { METRIC_DEFINITIONS, type MetricName } from "./metric-definitions.js";

/** Label values of one sample. Every label of the definition is given, every time. */
export type Labels = Readonly<Record<string, string>>;

/**
 * The metrics of one silo. Names and labels come from {@link METRIC_DEFINITIONS}; nothing else can be recorded, so
 * METRICS.md, which is printed from the same table, is complete.
 */
export interface Metrics {
  /** A counter for fixed labels whose `add` costs one addition: for paths that run a million times a second. */
  counter(name: MetricName, labels: Labels): BoundCounter;
  /** A gauge for fixed labels whose `set` costs one assignment. */
  gauge(name: MetricName, labels: Labels): BoundGauge;
  /** Adds to a counter. */
  count(name: MetricName, labels: Labels, by?: number): void;
  /** Records one observation of a histogram, in the unit that ends its name. */
  observe(name: MetricName, labels: Labels, value: number): void;
  /** Sets a gauge. */
  set(name: MetricName, labels: Labels, value: number): void;
  /** The current value of a counter or gauge for exactly these labels; 0 when never recorded. For tests and status pages. */
  value(name: MetricName, labels: Labels): Promise<number>;
  /** The Prometheus text exposition of everything; a metric that had another name is there under both. */
  expose(): Promise<string>;
}

/** One series of a counter. */
export interface BoundCounter {
  /** Adds one. */
  add(): void;
}

/** One series of a gauge. */
export interface BoundGauge {
  set(value: number): void;
}

/** Keeps what it is told until somebody reads. */
interface Flushed {
  flush(): void;
}

function bindCounter(target: Counter, labels: Labels): BoundCounter & Flushed {
  let pending = 0;
  return {
    add() {
      pending += 1;
    },
    flush() {
      if (pending > 0) target.inc(labels, pending);
      pending = 0;
    },
  };
}

function bindGauge(target: Gauge, labels: Labels): BoundGauge & Flushed {
  let pending: number | undefined;
  return {
    set(value) {
      pending = value;
    },
    flush() {
      if (pending !== undefined) target.set(labels, pending);
      pending = undefined;
    },
  };
}

/** Creates the metrics of one silo, each sample labelled with its name. No global registry is touched. */
export function createMetrics(options: { silo: string }): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ silo: options.silo });
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  for (const [name, definition] of Object.entries(METRIC_DEFINITIONS)) {
    const base = { name, help: definition.help, labelNames: [...definition.labels], registers: [registry] };
    if (definition.type === "counter") counters.set(name, new Counter(base));
    else if (definition.type === "gauge") gauges.set(name, new Gauge(base));
    else histograms.set(name, new Histogram({ ...base, buckets: [...definition.buckets] }));
  }
  const bound: Flushed[] = [];
  const keep = <T extends Flushed>(series: T): T => {
    bound.push(series);
    return series;
  };
  const flush = () => {
    for (const series of bound) series.flush();
  };
  return {
    counter: (name, labels) => keep(bindCounter(need(counters, name), labels)),
    gauge: (name, labels) => keep(bindGauge(need(gauges, name), labels)),
    count: (name, labels, by = 1) => need(counters, name).inc(labels, by),
    observe: (name, labels, value) => need(histograms, name).observe(labels, value),
    set: (name, labels, value) => need(gauges, name).set(labels, value),
    async value(name, labels) {
      flush();
      const metric = await (counters.get(name) ?? need(gauges, name)).get();
      const wanted = Object.entries(labels);
      return metric.values.find((sample) => wanted.every(([key, value]) => sample.labels[key] === value))?.value ?? 0;
    },
    async expose() {
      flush();
      const renamed = ALIASES.filter(({ kind }) => kind === "METRIC");
      const old = renamed.map(async (alias) =>
        renameMetric(await registry.getSingleMetricAsString(alias.current), alias),
      );
      return [await registry.metrics(), ...(await Promise.all(old))].join("\n");
    },
  };
}

/** The exposition of one metric under its old name: its sums and buckets too. */
function renameMetric(text: string, { old, current }: Pick<Alias, "old" | "current">): string {
  const lines = text.split("\n").map((line) => {
    const head = /^# (?:HELP|TYPE) /.exec(line)?.[0] ?? "";
    const rest = line.slice(head.length);
    return rest.startsWith(current) ? head + old + rest.slice(current.length) : line;
  });
  return `${lines.join("\n")}\n`;
}

function need<T>(metrics: Map<string, T>, name: string): T {
  const metric = metrics.get(name);
  if (metric === undefined)
    throw new Error(`The metric ${name} is not of the kind it is used as; see metric-definitions.ts.`);
  return metric;
}
