import type { RunningRouter } from "@cellway/http";
import { type IngestRouterOptions, startIngestRouter } from "@cellway/ingest-router";
import { createLogger, createMetrics, type Metrics } from "@cellway/telemetry";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach } from "@jest/globals";
import {
  askConfigs,
  createTestProject,
  createTestRelay,
  modulesWithIngest,
  type Sending,
  send,
  type TestProject,
} from "./ingest-stage.js";
import { until } from "./organizations.js";
import { createEdge } from "./route-feed.js";
import { announce, type CellListener, startCellListener } from "./router-stage.js";

/** The Relay that asks routers. */
export const POP = createTestRelay();
/** What routers ask cells as; the cells of a test must trust it. */
export const ROUTER = createTestRelay();

/** The hosts of test routers: of a locality, and one of addresses that were given out before there were localities. */
export const HOSTS = { us: "us.in.example.test", de: "de.in.example.test", legacy: "in.example.test" } as const;

/** A router for `us` and `de` with a legacy host. */
export async function startIngest(
  fleet: Fleet,
  options: Partial<IngestRouterOptions> = {},
): Promise<RunningRouter & { metrics: Metrics }> {
  const metrics = options.metrics ?? createMetrics({ silo: "edge:us-router" });
  const router = await startIngestRouter({
    name: "us-ingest",
    rpc: createEdge(fleet),
    logger: createLogger({ silo: "edge:us-router", level: "silent" }),
    localities: ["us", "de"],
    localityUrl: "https://{locality}.in.example.test",
    legacyHosts: [HOSTS.legacy],
    listen: "http://127.0.0.1:0",
    adminListen: "http://127.0.0.1:0",
    relays: POP.keys,
    credentials: ROUTER.credentials,
    pauseMs: 5,
    pauseMaxMs: 50,
    ...options,
    metrics,
  });
  return { ...router, metrics };
}

/** Sends to a router, at the legacy host unless another is named. */
export function sendTo(router: Pick<RunningRouter, "address">, path: string, sending: Sending = {}) {
  return send(router.address, path, { host: HOSTS.legacy, ...sending });
}

/** What became of each key that was asked for. */
export interface Configs {
  readonly status: number;
  readonly configs: Readonly<Record<string, unknown>>;
  readonly pending: readonly string[];
  readonly unchanged: readonly string[];
  readonly global?: unknown;
  readonly global_status?: unknown;
  /** Of a problem. */
  readonly code?: string;
}

/** Asks a router for project configurations as the Relay that it trusts. */
export async function askRouter(
  router: Pick<RunningRouter, "address">,
  question: unknown,
  host: string = HOSTS.legacy,
): Promise<Configs> {
  const { status, json } = await askConfigs(router.address, question, { relay: POP.credentials, host });
  return { ...(json as unknown as Configs), status };
}

/** A fleet whose cells trust the router, a project in each cell, a router with short times, and a stand-in for us2. */
export interface ConfigStage {
  readonly fleet: Fleet;
  readonly router: RunningRouter;
  readonly us1: TestProject;
  readonly us2: TestProject;
  readonly de1: TestProject;
  /** What it was asked since {@link misbehave}. */
  readonly wrong: CellListener;
  /** Puts the stand-in into us2's place. */
  readonly misbehave: (listener: CellListener["listener"]) => Promise<void>;
}

/** Keeps a stage for the tests of a file; the fleet is one for all of them, router and stand-in are new for each. */
export function useConfigStage(): () => ConfigStage {
  let fleet: Fleet;
  let projects: Pick<ConfigStage, "us1" | "us2" | "de1">;
  let router: RunningRouter;
  let wrong: CellListener;
  beforeAll(async () => {
    fleet = await startFleet({ modules: modulesWithIngest({ relays: ROUTER.keys }) });
    const us1 = await createTestProject(fleet, "us1");
    const us2 = await createTestProject(fleet, "us2");
    projects = { us1, us2, de1: await createTestProject(fleet, "de1") };
  });
  afterAll(() => fleet?.stop());
  beforeEach(async () => {
    wrong = await startCellListener("us2");
    for (const name of ["us1", "us2", "de1"]) await announce(fleet, name, fleet.cell(name).httpAddress);
    const configLimits = { deadlineMs: 1_500, questionTimeoutMs: 300, globalTryMs: 300 };
    router = await startIngest(fleet, { configLimits });
    await router.whenComplete;
  });
  afterEach(async () => {
    await router?.stop();
    await wrong?.stop();
  });
  const misbehave = async (listener: CellListener["listener"]) => {
    wrong.listener = listener;
    await announce(fleet, "us2", wrong.address);
    await until("the router knows", async () => {
      await askRouter(router, { publicKeys: [projects.us2.publicKey] });
      return wrong.asked.length > 0;
    });
    wrong.asked.length = 0;
  };
  return () => ({ fleet, router, wrong, misbehave, ...projects });
}

/** The keys in each list of an answer, ordered. */
export function keysOf(answer: Configs): { configs: string[]; pending: string[]; unchanged: string[] } {
  return {
    configs: Object.keys(answer.configs).toSorted(),
    pending: [...answer.pending].toSorted(),
    unchanged: [...answer.unchanged].toSorted(),
  };
}
