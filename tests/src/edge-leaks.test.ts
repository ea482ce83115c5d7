import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { createEdgeHandlers, DEFAULT_PROXY_LIMITS, type EdgeServer, startEdgeServer, Upstreams } from "@cellway/http";
import { createLogger, createMetrics, type Metrics } from "@cellway/telemetry";
import { afterEach, expect, it } from "@jest/globals";
import { FAULTS, type FaultProxy, startFaultProxy } from "./fault-turns.js";
import { HEAP_SLACK_BYTES, lookForLeaks, REQUESTS } from "./leaks.js";

const CONCURRENCY = 32;
/** Beyond the body that is kept to be sent again, so that it streams. */
const LARGE_BODY = Buffer.alloc(100_000, "x");

let stop: (() => Promise<void>) | undefined;
afterEach(async () => stop?.());

interface Run {
  readonly edge: EdgeServer;
  readonly faults: FaultProxy;
  readonly metrics: Metrics;
}

async function start(): Promise<Run> {
  const cell = createServer((req, res) => void req.pipe(res));
  await new Promise<void>((resolve) => {
    cell.listen(0, "127.0.0.1", resolve);
  });
  const faults = await startFaultProxy(`http://127.0.0.1:${(cell.address() as AddressInfo).port}`);
  const metrics = createMetrics({ silo: "edge:us-router" });
  // Never open: every request is to meet a fault.
  const limits = { firstByteTimeoutMs: 200, idleTimeoutMs: 300, circuitMinCallsPerSecond: 1_000_000 };
  const logger = createLogger({ silo: "edge:us-router", level: "silent" });
  const upstreams = new Upstreams({ ...DEFAULT_PROXY_LIMITS, ...limits }, metrics, logger);
  const route = async () => ({
    name: "us-router",
    target: { upstream: upstreams.of("us1", faults.origin), headers: [] },
  });
  const edge = await startEdgeServer("http://127.0.0.1:0", createEdgeHandlers(route, { metrics, logger }));
  stop = async () => {
    await edge.close({ graceMs: 100 });
    upstreams.close();
    await faults.stop();
    cell.closeAllConnections();
    cell.close();
  };
  return { edge, faults, metrics };
}

/** Asks in one of several ways, and gives what came of it: a status, `broken`, or `left` where the client went away itself. */
function askSomehow(address: string, index: number, agent: Agent): Promise<number | "broken" | "left"> {
  const body = [undefined, "small", LARGE_BODY, undefined][index % 4];
  // Of every 16 one goes away before the answer, and one in the middle of it.
  const isLeaving = index % 16 === 7;
  const isLeavingLater = index % 16 === 8;
  return new Promise((resolve) => {
    const method = body === undefined ? "GET" : "POST";
    const req = request(`${address}/a`, { method, agent, timeout: 10_000 }, (res) => {
      if (isLeavingLater) {
        req.destroy();
        resolve("left");
        return;
      }
      res.resume();
      res.on("end", () => resolve(res.statusCode ?? 0));
      res.on("error", () => resolve("broken"));
    });
    req.on("error", () => resolve(isLeaving ? "left" : "broken"));
    req.on("timeout", () => req.destroy(new Error("no answer in time")));
    req.end(body);
    if (isLeaving) setImmediate(() => req.destroy());
  });
}

async function askMany(run: Run, count: number): Promise<Map<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const ends = new Map<string, number>();
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      const end = String(await askSomehow(run.edge.address, next, agent));
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  agent.destroy();
  return ends;
}

it("requests that meet every fault leave nothing behind: no socket, timer, place or memory", async () => {
  const run = await start();
  const { ends, warnings, openBefore, openAfter, heapBefore, heapAfter } = await lookForLeaks((count) =>
    askMany(run, count),
  );
  for (const fault of FAULTS) expect([fault, run.faults.done[fault] > REQUESTS / 50]).toEqual([fault, true]);
  for (const end of ["200", "502", "504", "broken", "left"])
    expect([end, (ends.get(end) ?? 0) > 0]).toEqual([end, true]);
  expect(openAfter).toBeLessThanOrEqual(openBefore);
  expect(await run.metrics.value("cellway_edge_in_flight", { cell: "us1" })).toBe(0);
  expect(heapAfter - heapBefore).toBeLessThan(HEAP_SLACK_BYTES);
  expect(warnings.filter((text) => text.includes("MaxListeners"))).toEqual([]);
  run.faults.heal();
  const agent = new Agent();
  const statuses = await Promise.all(
    Array.from({ length: 20 }, (_, index) => askSomehow(run.edge.address, index * 16, agent)),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  // oxlint-disable-next-line eslint/no-console
  if (REQUESTS >= 100_000) console.log({ ends, openBefore, openAfter, heapBefore, heapAfter, faults: run.faults.done });
}, 1_200_000);
