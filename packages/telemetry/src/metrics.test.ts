import { ALIASES } from "@cellway/silo";
import { describe, expect, it } from "@jest/globals";
import { METRIC_DEFINITIONS, type MetricName } from "./metric-definitions.js";
import { createMetrics } from "./metrics.js";

const CALLS = { method: "user.GetUser", destination: "control", code: "ok" };
const LOCAL = { method: "user.GetUser" };

/** The lines of samples, without the comments. */
function samplesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

describe("metrics", () => {
  it("carry the silo on every sample", async () => {
    const metrics = createMetrics({ silo: "us1" });
    metrics.count("cellway_rpc_client_calls_total", CALLS);
    metrics.observe("cellway_rpc_client_duration_seconds", { method: "user.GetUser", destination: "control" }, 0.003);
    metrics.set("cellway_rpc_client_circuit_state", { destination: "control" }, 2);
    metrics.counter("cellway_rpc_local_calls_total", LOCAL).add();
    const samples = samplesOf(await metrics.expose());
    expect(samples.filter((line) => line.includes('method="user.GetUser"')).length).toBeGreaterThan(3);
    for (const line of samples) expect(line).toContain('silo="us1"');
  });

  it("expose every definition with its help, recorded or not", async () => {
    const text = await createMetrics({ silo: "us1" }).expose();
    for (const [name, { help, type }] of Object.entries(METRIC_DEFINITIONS)) {
      expect(text).toContain(`# HELP ${name} ${help}`);
      expect(text).toContain(`# TYPE ${name} ${type}`);
    }
  });

  it("that had another name are exposed under it as well, of which the format stays whole", async () => {
    const metrics = createMetrics({ silo: "us1" });
    metrics.set("cellway_rpc_client_circuit_state", { destination: "control" }, 2);
    const lines = (await metrics.expose()).split("\n");
    for (const { old, current } of ALIASES.filter(({ kind }) => kind === "METRIC")) {
      const linesOf = (name: string) =>
        lines
          .filter((line) => new RegExp(`^(# (HELP|TYPE) )?${name}[ {]`).test(line))
          .map((line) => line.replace(name, ""));
      expect(linesOf(old)).toEqual(linesOf(current));
      expect(linesOf(old).length).toBeGreaterThan(2);
    }
    // A help or type may not stand twice.
    const comments = lines.filter((line) => line.startsWith("#"));
    expect(new Set(comments).size).toBe(comments.length);
  });

  it("add up, and give the value of exactly one series", async () => {
    const metrics = createMetrics({ silo: "us1" });
    metrics.count("cellway_rpc_client_calls_total", CALLS);
    metrics.count("cellway_rpc_client_calls_total", CALLS, 4);
    metrics.count("cellway_rpc_client_calls_total", { ...CALLS, code: "not_found" });
    expect(await metrics.value("cellway_rpc_client_calls_total", CALLS)).toBe(5);
    expect(await metrics.value("cellway_rpc_client_calls_total", { ...CALLS, code: "not_found" })).toBe(1);
    expect(await metrics.value("cellway_rpc_client_calls_total", { ...CALLS, code: "internal" })).toBe(0);
  });

  it("of a bound counter are there when they are read, each once", async () => {
    const metrics = createMetrics({ silo: "us1" });
    const counter = metrics.counter("cellway_rpc_local_calls_total", LOCAL);
    for (let call = 0; call < 1_000; call += 1) counter.add();
    expect(await metrics.value("cellway_rpc_local_calls_total", LOCAL)).toBe(1_000);
    expect(await metrics.value("cellway_rpc_local_calls_total", LOCAL)).toBe(1_000);
    counter.add();
    expect(await metrics.expose()).toMatch(/^cellway_rpc_local_calls_total\{.*method="user\.GetUser".*\} 1001$/m);
  });

  it("of two counters bound to one series come together", async () => {
    const metrics = createMetrics({ silo: "us1" });
    metrics.counter("cellway_rpc_local_calls_total", LOCAL).add();
    metrics.counter("cellway_rpc_local_calls_total", LOCAL).add();
    metrics.count("cellway_rpc_local_calls_total", LOCAL);
    expect(await metrics.value("cellway_rpc_local_calls_total", LOCAL)).toBe(3);
  });

  it("of a gauge are the last that was set", async () => {
    const metrics = createMetrics({ silo: "us1" });
    metrics.set("cellway_rpc_nonce_memory_entries", {}, 7);
    metrics.set("cellway_rpc_nonce_memory_entries", {}, 3);
    expect(await metrics.value("cellway_rpc_nonce_memory_entries", {})).toBe(3);
    const bound = metrics.gauge("cellway_rpc_nonce_memory_entries", {});
    for (const value of [9, 5]) bound.set(value);
    expect(await metrics.expose()).toMatch(/^cellway_rpc_nonce_memory_entries\{.*\} 5$/m);
    expect(await metrics.value("cellway_rpc_nonce_memory_entries", {})).toBe(5);
  });

  it("refuse to be used as another kind, and name the metric", () => {
    const metrics = createMetrics({ silo: "us1" });
    const gauge: MetricName = "cellway_rpc_client_circuit_state";
    expect(() => metrics.count(gauge, { destination: "us1" })).toThrow(gauge);
    expect(() => metrics.counter(gauge, { destination: "us1" })).toThrow(gauge);
    expect(() => metrics.gauge("cellway_rpc_local_calls_total", LOCAL)).toThrow("cellway_rpc_local_calls_total");
    expect(() => metrics.observe(gauge, { destination: "us1" }, 1)).toThrow(gauge);
    expect(() => metrics.set("cellway_rpc_local_calls_total", LOCAL, 1)).toThrow("cellway_rpc_local_calls_total");
  });

  it("refuse a label that is not defined", () => {
    expect(() =>
      createMetrics({ silo: "us1" }).count("cellway_rpc_local_calls_total", { ...LOCAL, user: "7" }),
    ).toThrow(/label/);
  });

  it("of two silos in one process do not mix", async () => {
    const us1 = createMetrics({ silo: "us1" });
    const de1 = createMetrics({ silo: "de1" });
    us1.count("cellway_rpc_local_calls_total", LOCAL);
    expect(await de1.value("cellway_rpc_local_calls_total", LOCAL)).toBe(0);
    expect(await de1.expose()).not.toContain("us1");
  });
});
