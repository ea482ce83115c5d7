import { type Fleet, startFleet } from "@cellway/testing";
import { afterEach, expect, it } from "@jest/globals";
import { FAULTS, type FaultProxy, startFaultProxy } from "./fault-turns.js";
import { askRouter, keysOf, ROUTER, startIngest } from "./ingest-router-stage.js";
import { createTestProject, modulesWithIngest, type TestProject } from "./ingest-stage.js";
import { countOpen, HEAP_SLACK_BYTES, measureHeap, REQUESTS, settle } from "./leaks.js";
import { until } from "./organizations.js";
import { announce } from "./router-stage.js";

const CONCURRENCY = 32;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Run {
  readonly fleet: Fleet;
  readonly router: Awaited<ReturnType<typeof startIngest>>;
  readonly faults: FaultProxy;
  readonly well: TestProject;
  readonly spoilt: TestProject;
}

/** A router that asks two cells for configurations, one of them through what does wrong. */
async function start(): Promise<Run> {
  const fleet = await startFleet({ modules: modulesWithIngest({ relays: ROUTER.keys }) });
  cleanups.push(() => fleet.stop());
  const well = await createTestProject(fleet, "us1");
  const spoilt = await createTestProject(fleet, "us2");
  const faults = await startFaultProxy(fleet.cell("us2").httpAddress);
  cleanups.push(() => faults.stop());
  await announce(fleet, "us1", fleet.cell("us1").httpAddress);
  await announce(fleet, "us2", faults.origin);
  const router = await startIngest(fleet, {
    configLimits: { deadlineMs: 1_500, questionTimeoutMs: 200, globalTryMs: 200 },
    // Never open, and no checks: every question is to meet a fault.
    limits: { circuitMinCallsPerSecond: 1_000_000, healthCheckMs: 0 },
  });
  cleanups.push(() => router.stop({ graceMs: 100 }));
  await router.whenComplete;
  return { fleet, router, faults, well, spoilt };
}

/** How often the spoilt cell's key was in which list. */
async function askMany({ router, well, spoilt }: Run, count: number): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      const { configs, pending } = keysOf(await askRouter(router, { publicKeys: [well.publicKey, spoilt.publicKey] }));
      expect(configs).toContain(well.publicKey);
      const end = configs.includes(spoilt.publicKey)
        ? "config"
        : pending.includes(spoilt.publicKey)
          ? "pending"
          : "absent";
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return ends;
}

it("questions for configurations that meet every fault leave nothing behind, and lose no key: no socket, timer, place or memory", async () => {
  const run = await start();
  await askMany(run, REQUESTS / 4);
  const openBefore = await settle(countOpen());
  const heapBefore = measureHeap();
  const ends = await askMany(run, REQUESTS);
  const openAfter = await settle(openBefore);
  const heapAfter = measureHeap();

  for (const fault of FAULTS) expect([fault, run.faults.done[fault] > REQUESTS / 50]).toEqual([fault, true]);
  expect([...ends.keys()].toSorted()).toEqual(["config", "pending"]);
  expect(openAfter).toBeLessThanOrEqual(openBefore);
  for (const cell of ["us1", "us2"]) expect(await run.router.metrics.value("cellway_edge_in_flight", { cell })).toBe(0);
  expect(heapAfter - heapBefore).toBeLessThan(HEAP_SLACK_BYTES);
  run.faults.heal();
  const { spoilt } = run;
  await until("it is well", async () => (await askMany(run, 1)).has("config"));
  expect(await askMany(run, CONCURRENCY)).toEqual(new Map([["config", CONCURRENCY]]));
  expect(keysOf(await askRouter(run.router, { publicKeys: [spoilt.publicKey] })).configs).toEqual([spoilt.publicKey]);
  // oxlint-disable-next-line eslint/no-console
  if (REQUESTS >= 100_000) console.log({ ends, openBefore, openAfter, heapBefore, heapAfter, faults: run.faults.done });
}, 1_800_000);
